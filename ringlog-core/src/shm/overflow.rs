//! The overflow policy, as applications name it and as it lies in the header.

use std::time::Duration;

/// What happens to a record when no block is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// It is dropped and counted; the output shows the gap.
    Drop,
    /// The call waits for the consumer, at most this long, then drops and counts.
    Block(Duration),
}

impl Overflow {
    pub(crate) fn words(self) -> (u64, u64) {
        match self {
            Overflow::Drop => (0, 0),
            Overflow::Block(deadline) => (1, u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    /// The policy in shared memory; what this version does not know means `Drop`.
    pub(crate) fn from_words(policy: u64, deadline_ns: u64) -> Overflow {
        if policy & 0xff == 1 { Overflow::Block(Duration::from_nanos(deadline_ns)) } else { Overflow::Drop }
    }
}
