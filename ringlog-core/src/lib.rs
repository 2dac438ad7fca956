//! Logging through shared memory: many processes write fixed-layout records into one ring without a
//! system call for each, and one process persists them.
//!
//! **A log call on an open lane, within a block, never waits and never enters the kernel.** Each thread
//! owns the block it writes into, so nothing is contended, and what it has published survives it: a
//! process may be killed at any instruction, and the writer still gets every record but the one in
//! flight.
//!
//! It does *not* format, write files or rotate them: that is the writer's, in another process.
//!
//! ```
//! use ringlog::{error, info};
//!
//! fn main() {
//!     ringlog::init(); // into the ring that `$RINGLOG` names, or to standard error
//!     let (id, price) = (7, 9.5);
//!     info!("order {id} filled at {price:.2}", venue = "XETR");
//!     if let Err(cause) = std::fs::read("/no/such/file") {
//!         error!("no prices", cause); // one field with the error and all of its causes
//!     }
//! }
//! ```
//!
//! `ringlog run --out app.log -- ./my-program` makes a ring, starts the writer and runs the program. A program can
//! also make its ring by itself, and log structs:
//!
//! ```
//! use ringlog::{Level, Record, Ring};
//!
//! #[derive(Record)]
//! #[record(level = "info", logger = "orders")]
//! struct Fill {
//!     order: u64,
//!     price: f64,
//!     venue: [u8; 8],
//! }
//!
//! let ring = Ring::options().size("16MiB").create_or_open("front-page")?;
//! let log = ring.logger();
//! log.push(&Fill { order: 7, price: 9.5, venue: *b"XETR    " })?;
//! log.text(Level::WARN, "orders", "disk 91%")?;
//!
//! for record in ring.observe()? {
//!     println!("{record}");
//! }
//! ringlog::admin::remove("front-page", true)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | log statements, typed records, loggers, rings | here |
//! | draining a ring, looking into it | [`reader`] |
//! | removing and listing rings, asking the writer, levels from outside | [`admin`] |
//! | definitions, types and values of fields | [`schema`] |
//! | tests that see what was logged | [`testing`] |
//!
//! The guides, each feature by an example, lie in the repository's `docs/`: `logging.md` for Rust programs,
//! `configuration.md` for files, formats and rotation, `durability.md` for what survives what.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(loom, allow(dead_code))]

// The derive's code says `::ringlog`, also where it is used in here.
#[cfg(not(loom))]
extern crate self as ringlog;

// From the bottom up: a folder imports only from those above it.
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
mod producer;
#[cfg(not(loom))]
pub mod reader;
#[cfg(not(loom))]
mod record;
#[cfg(not(loom))]
mod ring;
mod shm;

#[cfg(not(loom))]
pub mod admin;
#[cfg(all(fuzzing, not(loom)))]
pub mod fuzzing;
#[cfg(not(loom))]
pub mod schema;
#[cfg(not(loom))]
pub mod testing;

#[cfg(not(loom))]
pub use crate::{
    error::{Error, PushError},
    os::sigbus::survive_truncation,
    producer::default_logger::{default_logger, set_default},
    producer::init::{Fallback, Initialized, init, init_or, init_ring},
    producer::logger::Logger,
    producer::panics::log_panics,
    record::field::FieldValue,
    record::level::filter::Filter,
    record::level::{Level, ParseLevelError},
    record::record_trait::Record,
    ring::handle::Ring,
    ring::options::Options,
    shm::overflow::Overflow,
};

/// For the code that ringlog's macros generate, and its own tests. No promise is made about it.
#[cfg(not(loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::producer::callsite::{Callsite, field, is_compiled_in};
    pub use crate::producer::statement::argument;
    pub use crate::producer::statement::capture::{Capture, Formatted, Shown};

    /// The ways in which an argument may travel.
    pub mod prelude {
        pub use crate::producer::statement::capture::{
            AsCause as _, AsError as _, AsField as _, AsNothing as _, AsReport as _, AsText as _,
            AsValue as _,
        };
    }
    pub use crate::producer::levels::effective::wants;
    pub use crate::producer::levels::gate::Gate;
}

/// Logs a statement to the process's default logger.
///
/// The message is a format string with all of Rust's syntax, checked when the program is compiled. The call
/// copies the arguments in binary into the ring; the text is made by whoever reads it, and is what `format!`
/// would have given. Below the level a call costs a load or two and a branch, and its arguments are not
/// evaluated.
///
/// ```
/// use ringlog::info;
/// # let log = ringlog::testing::capture();
///
/// let (id, price, side, venue) = (7_u64, 9.5, "buy", "XETR");
/// info!("ready");
/// info!("order {id} filled at {price:.2}");
/// info!("order {} filled at {:>8.2}", id, price);
///
/// // Fields that the message does not name: `key = value`, or a variable for both.
/// info!("order {id} filled", price, venue, side = side);
/// info!(id, price);
///
/// // What has no binary form is formatted in place: % for its Display, ? for its Debug.
/// let at = std::path::Path::new("/tmp");
/// info!("saved", to = %at.display(), parts = ?at.components());
///
/// // To another logger than that of the module, which is `my_program.db.pool` in `my_program::db::pool`.
/// info!(logger: "orders.fills", "order {id} filled");
/// # let lines: Vec<String> = log.records().iter().map(|record| record.message()).collect();
/// # assert_eq!(lines[1], "order 7 filled at 9.50");
/// # assert_eq!(lines[3], "order 7 filled price=9.5 venue=XETR side=buy");
/// # assert_eq!(lines[5], "saved to=/tmp parts=Components([RootDir, Normal(\"tmp\")])");
/// ```
///
/// * **Fields.** Named arguments of the message are fields too: in JSON `id` and `price` keep their types.
///   Key=values can be everything that a [`FieldValue`] is, and errors: an error becomes one field with
///   all of its causes, a line each.
/// * **Loggers.** The statement's logger is the module's path with dots, or `logger: "name"`. Levels are
///   inherited along the dots: see [`Filter`], and `ringlog level` to change them from outside.
/// * **Where to.** The default logger is set by [`init`](fn@init) or [`set_default`]; `to: &handle` names another one
///   for a statement: `info!(to: &log, "ready")`.
/// * **Never in the way.** A statement has no result: what the ring refuses is counted there, and the gap
///   shows in the output. Text that is longer than the ring takes is cut and marked.
#[cfg(not(loom))]
pub use ringlog_macros::info;

#[cfg(not(loom))]
pub use ringlog_macros::{critical, debug, error, log, trace, warn};

/// Makes a struct a record: its fields travel as they are declared, typed and without formatting.
///
/// ```
/// use ringlog::{Level, Record, Type};
///
/// #[derive(Record)]
/// #[record(level = "warn", logger = "orders", text = "fill came late")]
/// struct LateFill<'a> {
///     order: u64,
///     #[record(rename = "market")]
///     venue: &'a str,
///     #[record(skip)]
///     retried: Option<bool>,
/// }
///
/// let fill = LateFill { order: 7, venue: "XETR", retried: None };
/// assert_eq!(fill.level(), Level::WARN);
/// assert_eq!(fill.payload_bytes(), 8 + (4 + "XETR".len()));
///
/// let definition = fill.site().definition();
/// assert_eq!((&*definition.logger, &*definition.text), ("orders", "fill came late"));
/// assert_eq!(definition.fields[1], ringlog::Field::new("market", Type::Str));
/// # assert!(fill.retried.is_none());
/// ```
///
/// A tuple struct is refused, and so is everything else that has no named fields:
///
/// ```compile_fail
/// #[derive(ringlog::Record)]
/// struct LateFill(u64);
/// ```
#[cfg(not(loom))]
pub use ringlog_macros::Record;
