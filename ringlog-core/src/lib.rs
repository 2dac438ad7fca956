//! Logging through shared memory, for processes that must not wait for their log.
//!
//! Many processes write records into one ring in shared memory, without a system call for each record.
//! One writer process takes them out, formats them, and writes and rotates the files.
//!
//! ```
//! use ringlog::{error, info};
//!
//! fn main() {
//!     ringlog::init(); // logs into the ring that `$RINGLOG` names, or to standard error
//!     let (id, price) = (7, 9.5);
//!     // `venue` is a field: a named value that is kept beside the message, with its type.
//!     info!("order {id} filled at {price:.2}", venue = "XETR");
//!     if let Err(cause) = std::fs::read("/no/such/file") {
//!         error!("cannot read the prices", cause); // a field too, with all causes of the error
//!     }
//! }
//! ```
//!
//! `ringlog run --out app.log -- ./my-program` makes a ring, starts a writer for it, sets `$RINGLOG` and runs the
//! program. Without a ring the same program prints its log on standard error.
//!
//! # Promises
//!
//! * **A log call never waits and never enters the kernel**, once its thread has logged before and as long as the
//!   thread's block has room. A block is a piece of the ring, 8 KiB by default. Each thread fills a block of its
//!   own, so threads do not contend. When its block is full, the thread takes a free one; the blocks in the last
//!   eighth of the ring are kept for WARN and above. If no block is free for a record, the ring's [`Overflow`]
//!   policy decides: the record is dropped at once, or only after the call has waited for space in vain.
//! * **Records outlive their process.** The process that logs may be killed at any instruction: the writer gets
//!   every record that the ring had taken when its log call returned.
//! * **Nothing is lost silently.** A record that finds no space is dropped and counted, and the output (text or
//!   JSON) shows at its place how many records were dropped.
//!
//! # Typed records, and a ring of your own
//!
//! A struct becomes a record by `#[derive(Record)]`: its fields travel in binary and keep their types. A program
//! can also create its ring by itself, and read what is in it:
//!
//! ```
//! use ringlog::{Level, Record, Ring};
//!
//! #[derive(Record)]
//! #[record(level = "info", logger = "orders")]
//! struct Fill {
//!     order: u64,
//!     price: f64,
//!     venue: &'static str,
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let ring = Ring::options().size("16MiB").create_or_open("front-page")?;
//!     let log = ring.logger(); // clone it freely, send it to any thread
//!     log.push(&Fill { order: 7, price: 9.5, venue: "XETR" })?;
//!     log.text(Level::WARN, "orders", "disk 91%")?;
//!
//!     for record in ring.observe()? {
//!         println!("{record}"); // an observer takes nothing out of the ring
//!     }
//!     // `true`: remove the ring although this process still uses it.
//!     ringlog::admin::remove("front-page", true)?;
//!     Ok(())
//! }
//! ```
//!
//! # Where things are
//!
//! | you want to | look at |
//! |---|---|
//! | log | [`info!`], [`init`](fn@init), [`log_panics`]; [`Record`](derive@Record), [`Logger`] |
//! | choose which levels are logged | [`Filter`] |
//! | choose the logger and filter of all log statements of the process | [`set_default`] |
//! | create or open a ring | [`Ring`], [`Options`], [`Overflow`] |
//! | drain a ring, or look into it | [`reader`] |
//! | pass items from process to process, each to one of them | [`queue`] |
//! | list and remove rings, send requests to a writer, change levels from outside | [`admin`] |
//! | define at run time which fields records have, read the fields and types of records | [`schema`] |
//! | test what was logged | [`testing`] |
//!
//! # Guides
//!
//! They lie in the repository under `docs/`, and show each feature by an example:
//!
//! * `docs/logging.md`: logging from Rust programs, and from libraries that use the `log` facade;
//! * `docs/configuration.md`: loggers, handlers, formats and rotation;
//! * `docs/durability.md`: what survives a killed process, a full disk and a reboot;
//! * `docs/from-python-logging.md`: for those who know Python's `logging`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(loom, allow(dead_code))]

// The code that the derive generates names `::ringlog`, also inside this crate.
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
pub mod queue;
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
    ring::hold::Hold,
    ring::options::Options,
    shm::overflow::Overflow,
};

/// For the code that ringlog's macros generate, and for its tests. Not part of the public interface.
#[cfg(not(loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::producer::callsite::{Callsite, field, is_compiled_in};
    pub use crate::producer::statement::capture::{Capture, Formatted, Formless, Shown};
    pub use crate::producer::statement::{Argument, FieldOrError, argument};

    /// The traits that choose how an argument travels.
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
/// The message is a format string with all of Rust's syntax, checked by the compiler. The call copies the
/// arguments in binary into the ring; the reader makes the text, which equals that of `format!`. A call whose
/// level is not wanted costs two or three loads and a branch; its arguments are not evaluated.
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
/// // A value without a binary form is formatted in place: % by its Display, ? by its Debug.
/// let at = std::path::Path::new("/tmp");
/// info!("saved", to = %at.display(), parts = ?at.components());
///
/// // To a logger of another name. Without one it is the module's: `app.db.pool` in `app::db::pool`.
/// info!(logger: "orders.fills", "order {id} filled");
/// # let lines: Vec<String> = log.records().iter().map(|record| record.message()).collect();
/// # assert_eq!(lines[1], "order 7 filled at 9.50");
/// # assert_eq!(lines[3], "order 7 filled price=9.5 venue=XETR side=buy");
/// # assert_eq!(lines[5], "saved to=/tmp parts=Components([RootDir, Normal(\"tmp\")])");
/// ```
///
/// * **Fields.** Named arguments of the message are fields too: in JSON `id` and `price` keep their types.
///   The value of a `key = value` is a [`FieldValue`] or an error. An error becomes one field with all of its
///   causes, a line each.
/// * **Loggers.** The statement's logger is the module's path with dots, or the one given by `logger: "name"`.
///   Levels are inherited along the dots: see [`Filter`], and `ringlog level` to change them from outside.
/// * **Destination.** [`init`](fn@init) or [`set_default`] sets the default logger. `to: &log` sends one statement
///   to another: `info!(to: &log, "ready")`.
/// * **Failures.** A statement has no result. A record that the ring refuses is counted in the ring, and the output
///   shows the gap. Text that is longer than the ring takes is cut and marked.
#[cfg(not(loom))]
pub use ringlog_macros::info;

#[cfg(not(loom))]
pub use ringlog_macros::{critical, debug, error, log, trace, warn};

/// Makes a struct a record: its fields travel in the order of their declaration, typed and unformatted.
///
/// ```
/// use ringlog::schema::{Field, Type};
/// use ringlog::{Level, Record};
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
/// assert_eq!(definition.fields[1], Field::new("market", Type::Str));
/// # assert!(fill.retried.is_none());
/// ```
///
/// Only structs with named fields, or without fields, can be records. A tuple struct is refused:
///
/// ```compile_fail
/// #[derive(ringlog::Record)]
/// struct LateFill(u64);
/// ```
#[cfg(not(loom))]
pub use ringlog_macros::Record;
