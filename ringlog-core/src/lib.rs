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
//! # let dir = tempfile::tempdir_in("/dev/shm")?;
//! # let path = dir.path().join("app");
//! # let app = path.to_str().unwrap();
//! let ring = Ring::options().size("16MiB").create_or_open(app)?;
//! let log = ring.logger();
//! log.push(&Fill { order: 7, price: 9.5, venue: *b"XETR    " })?;
//! log.text(Level::WARN, "orders", "disk 91%")?;
//!
//! for record in ring.observe()? {
//!     println!("{record}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(loom, allow(dead_code))]

// The derive's code says `::ringlog`, also where it is used in here.
#[cfg(not(loom))]
extern crate self as ringlog;

// In reading order, from the bottom up.
mod layout;
mod memory;
mod ring;
mod sync;

macro_rules! not_modelled {
    ($($item:item)*) => { $(#[cfg(not(loom))] $item)* };
}

not_modelled! {
    mod error;
    mod level;
    mod clock;
    mod value;
    mod field;
    mod record;
    mod definition;
    mod header;
    mod options;
    mod name;
    mod futex;
    mod lock;
    mod wiped;
    mod tid_lock;
    mod fork;
    mod region;
    mod probe;
    mod local;
    mod threads;
    mod process;
    mod lane;
    mod dead;
    mod registry;
    mod push;
    mod flush;
    mod filter;
    mod logger;
    mod handle;
    mod entry;
    mod dictionary;
    mod consumer;
    mod observer;
    mod stat;
    mod admin;

    pub use admin::{Listed, list, remove, request_stop};
    pub use clock::Clock;
    pub use consumer::Consumer;
    pub use definition::{Definition, Field, Site};
    pub use entry::{Body, Entry, Gap, GapReason, Origin, OwnedEntry, Received};
    pub use error::{Error, PushError};
    pub use field::FieldValue;
    pub use filter::Filter;
    pub use handle::Ring;
    pub use header::Info;
    pub use layout::Geometry;
    pub use level::{Level, ParseLevelError};
    pub use logger::Logger;
    pub use name::{directory, resolve};
    pub use observer::Observer;
    pub use options::{Options, Overflow, Size};
    pub use record::{Encoder, Record};
    pub use stat::{ConsumerStat, LaneStat, ReclaimStat, RingStat};
    pub use value::{Type, Value};
}

#[cfg(all(feature = "log", not(loom)))]
mod facade;
#[cfg(all(feature = "log", not(loom)))]
pub use facade::{Fallback, Initialized, init, init_or, init_ring};

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
