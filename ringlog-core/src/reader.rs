//! Reading a ring: draining it with a [`Consumer`], or looking into it with an [`Observer`].
//!
//! **A consumer drains.** A ring has one at a time. It takes out entries in the order of their time, and frees their
//! space once it acknowledges them. What a consumer does not acknowledge, the next one gets again. The writer is built
//! on it; so is any program that brings records to another place.
//!
//! **An observer only looks.** There can be any number. It maps the ring read-only, takes no lock and consumes nothing.
//! It also reads the ring of a process that has been killed.
//!
//! ```
//! use std::time::Duration;
//! use ringlog::reader::{Body, Observer};
//! use ringlog::{Level, Ring};
//!
//! let ring = Ring::options().size("1MiB").create_or_open("reader-example")?;
//! ring.logger().text(Level::WARN, "orders", "disk 91%")?;
//!
//! // Looking changes nothing: the record is still there for the consumer.
//! let seen = Observer::open("reader-example")?.poll()?;
//! assert_eq!(seen[0].entry().message(), "disk 91%");
//!
//! let mut consumer = ring.consumer()?;
//! while let Some(entry) = consumer.next(Duration::from_millis(100))? {
//!     let origin = entry.origin;
//!     match &entry.body {
//!         Body::Record(record) => println!("{} {} {record}", record.level, origin.thread),
//!         Body::Gap(gap) => println!("{} records are missing: {}", gap.count, gap.reason.name()),
//!         _ => println!("process {}: {}", origin.process, entry.message()),
//!     }
//! }
//! consumer.ack()?; // written: the space is free again
//! assert!(consumer.is_drained()?);
//! ringlog::admin::remove("reader-example", true)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | type |
//! |---|---|
//! | a record, a gap or an unclean exit, with its time and [`Origin`] | [`Entry`], [`OwnedEntry`] |
//! | a record's level, logger, text and fields | [`Received`] |
//! | a place in the output, to begin from exactly once | [`Cursor`], [`Step`] |
//! | acknowledging some of what was taken out | [`Mark`] |
//! | counters of a ring and its lanes | [`Observer::stat`], [`RingStat`] |
//! | whether a ring was replaced by an older copy | [`Observer::is_older_than`] |
//! | whether a cursor was | [`Observer::persisted_beyond`] |
//! | the levels of each process | [`Observer::levels`], [`LevelStat`] |

pub(crate) mod consumer;
pub(crate) mod dictionary;
pub(crate) mod end_stat;
pub(crate) mod entry;
pub(crate) mod levels;
pub(crate) mod observer;
pub(crate) mod origin;
pub(crate) mod stat;

use crate::error::Error;
use crate::ring::handle::Ring;

pub use crate::record::decoded::Received;
pub use crate::shm::definition_limits::DefinitionLimits;
pub use consumer::{Consumer, Cursor, Mark, Requests, Step};
pub use end_stat::EndStat;
pub use entry::{Body, Entry, ExitCause, Gap, GapReason, LaneEnd, OwnedEntry, UncleanExit};
pub use levels::{LevelStat, LoggerLevel, ProcessLevels};
pub use observer::Observer;
pub use origin::Origin;
pub use stat::{ConsumerStat, DefinitionStat, LaneStat, ReclaimStat, RefusedStat, RingStat};

impl Ring {
    /// Drains the ring: the one consumer.
    ///
    /// # Errors
    /// [`Error::ConsumerExists`], which names the consumer.
    pub fn consumer(&self) -> Result<Consumer, Error> {
        Consumer::new(self.named().attached())
    }

    /// Looks at what is in the ring, without disturbing anyone: its own read-only mapping, any number
    /// at the same time.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn observe(&self) -> Result<Observer, Error> {
        Observer::of_file(self.path())
    }
}
