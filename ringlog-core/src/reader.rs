//! Reading a ring: draining it, or looking at it without disturbing anyone.

pub(crate) mod consumer;
pub(crate) mod dictionary;
pub(crate) mod entry;
pub(crate) mod levels;
pub(crate) mod observer;
pub(crate) mod origin;
pub(crate) mod stat;

pub use crate::record::decoded::Received;
pub use consumer::{Consumer, Cursor, Mark, Step};
pub use entry::{Body, Died, Entry, Gap, GapReason, OwnedEntry};
pub use levels::{LevelStat, LoggerLevel, ProcessLevels};
pub use observer::Observer;
pub use origin::Origin;
pub use stat::{ConsumerStat, LaneStat, ReclaimStat, RingStat};
