//! What the tests across processes share: records that prove themselves, rings, and outputs of the real writer.

mod kernel;
mod made;
mod outputs;
mod received;
mod record;
mod rings;
mod second_copy;
mod statements;
mod writing;

pub use kernel::as_the_kernel_tells;
pub use made::Made;
pub use outputs::{EVERY_OUTPUT, Output, Outputs, Receivers};
pub use received::{Again, Guarantee, Part, Received};
pub use record::{Alarm, Arrivals, Flood, Kind, Proof, Sequenced, checksum, note, note_of};
pub use rings::{CreateRing, drained, free_blocks_after, lanes, lock_file, received, stat, wait_for_lanes};
pub use second_copy::SecondCopy;
pub use statements::{BINARY, FORMATTED, Given, Statements};
pub use writing::{Lines, Writing, program};

/// The gates that the helper process asks: logger and level.
pub const GATES: [(&str, ringlog::Level); 5] = [
    ("db", ringlog::Level::DEBUG),
    ("db.pool", ringlog::Level::DEBUG),
    ("db::query", ringlog::Level::TRACE),
    ("dbx", ringlog::Level::DEBUG),
    ("http", ringlog::Level::INFO),
];
