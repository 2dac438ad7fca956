//! How many users a ring's mapping has. The last one unmaps it, and from then on there can be no other.
//!
//! The count lies in memory that a fork zeroes: a forked child has not mapped the ring, and its users are not counted
//! until it has.

use crate::shm::sync::{AtomicU64, Ordering, Sync};

/// The count of a mapping's users.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Users(AtomicU64);

/// There are no users, and there can be none.
const OVER: u64 = 1 << 63;
/// As [`OVER`], and somebody prepares the next mapping.
const CLAIMED: u64 = OVER | 1;

/// What became of an attempt to be a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// Counted: the mapping stays until the user leaves.
    Counted,
    /// There is no mapping yet, and nothing to count.
    Unmapped,
    /// The mapping is gone for good.
    Over,
}

impl Users {
    /// Adds a user. `is_mapped` tells whether the mapping is complete.
    pub(crate) fn enter(&self, is_mapped: impl Fn() -> bool) -> Entered {
        // SYNC BEGIN (acquire end), here and in the exchange.
        let mut users = self.0.load(Sync::Begin.acquire());
        loop {
            if users & OVER != 0 {
                return Entered::Over;
            }
            if users == 0 && !is_mapped() {
                // It may have been unmapped since the count was read.
                users = self.0.load(Sync::Begin.acquire());
                if users == 0 {
                    return Entered::Unmapped;
                }
                continue;
            }
            let entered =
                self.0.compare_exchange_weak(users, users + 1, Sync::Begin.acquire(), Sync::Begin.acquire());
            match entered {
                Ok(_) => break,
                Err(now) => users = now,
            }
        }
        if is_mapped() {
            return Entered::Counted;
        }
        // Another thread is mapping it, and is counted, so this is not the last user.
        self.0.fetch_sub(1, Sync::Leave.release());
        Entered::Unmapped
    }

    /// Adds a user that somebody who is counted, or maps the ring, vouches for.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a user. True for the last one, which has to unmap the ring.
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        // SYNC LEAVE (release end): what the user did to the mapping comes before its end.
        self.0.fetch_sub(1, Sync::Leave.release()) == 1 && self.end_with(0)
    }

    /// Ends the count if there are exactly so many users, who leave by that. True if the caller has to unmap the ring.
    #[must_use]
    pub(crate) fn end_with(&self, users: u64) -> bool {
        // SYNC LEAVE (acquire end). Somebody may have come since the count was read; then that one leaves last.
        self.0.compare_exchange(users, OVER, Sync::Leave.acquire(), Ordering::Relaxed).is_ok()
    }

    /// Before the first mapping.
    pub(crate) fn claim_new(&self) {
        self.0.store(CLAIMED, Ordering::Relaxed);
    }

    /// Takes a mapping that is over, for the next one. Of several callers one gets it.
    pub(crate) fn claim(&self) -> bool {
        self.0.compare_exchange(OVER, CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// What was claimed is prepared, and can be mapped.
    pub(crate) fn begin(&self) {
        // SYNC BEGIN (release end).
        self.0.store(0, Sync::Begin.release());
    }

    /// What was claimed, or had no user yet, is not mapped.
    pub(crate) fn give_up(&self) {
        self.0.store(OVER, Ordering::Release);
    }

    #[cfg(all(test, loom))]
    pub(crate) fn new(users: u64) -> Users {
        Users(AtomicU64::new(users))
    }
}
