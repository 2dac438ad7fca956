//! Why an item could not be put in.

use crate::error::{Error, PushError};

/// Why an item could not be put in.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// There was no room in time.
    #[error("the queue is full: {0}")]
    Full(Full),
    /// The item is longer than the ring takes.
    #[error("an item of {bytes} bytes; this ring takes at most {limit}{}", to_choose(*ring_bytes))]
    TooLong {
        /// Length of the item.
        bytes: usize,
        /// The longest that the ring takes.
        limit: usize,
        /// The size of a ring that takes it; `None` if no ring does.
        ring_bytes: Option<u64>,
    },
    /// The ring or the system refused it.
    #[error(transparent)]
    Push(PushError),
    /// The ring cannot be used.
    #[error(transparent)]
    Ring(Error),
}

/// What is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The ring's blocks.
    #[error("the ring has no room for the item; make it larger, or let getters keep up")]
    Ring,
    /// The queue's bound.
    #[error("it has as many items as it takes, {0}")]
    Bound(u64),
    /// Another process was putting an item in all the time.
    #[error("other processes were putting items in all the time")]
    Busy,
}

/// As `Display`, because `unwrap` and a `main` that returns the error print it.
impl std::fmt::Debug for PutError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

fn to_choose(ring_bytes: Option<u64>) -> String {
    match ring_bytes {
        Some(bytes) => format!("; make the ring with a size of {}MiB", bytes >> 20),
        None => format!(
            ", and no ring takes more than {}",
            crate::shm::layout::RECORD_MAX_BYTES - super::item::FRAME_BYTES
        ),
    }
}
