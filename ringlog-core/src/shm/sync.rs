//! The atomics the protocol is written in, and the name and ordering of each synchronisation.
//!
//! Every release/acquire pair has a name. Its two ends are found by searching for that name:
//!
//! | name | release end | acquire end | carries |
//! |---|---|---|---|
//! | SYNC PUBLISH | producer stores `committed` | reader loads `committed` | the record's bytes, the block header |
//! | SYNC SEAL | owner stores, or a reclaimer CASes, SEALED | consumer loads the state word | the last `committed` |
//! | SYNC REUSE | consumer CASes SEALED to FREE | producer CASes FREE to OPEN | the consumer has read the bytes |
//! | SYNC OWN | producer CASes FREE to OPEN | consumer loads the state word | the lock of the owner's lane is held |
//! | SYNC RETAKE | producer's fence after taking | reader's fence before re-checking | new bytes imply the new state |
//! | SYNC STEER | changer CASes the epoch of the level rules | producer loads it | the half that it names |
//! | SYNC RULES | changer's fence before a half | reader's fence before re-checking | new bytes imply a new epoch |
//! | SYNC DEFINE | registering thread stores check word and id | other threads load them | the definition's bytes |
//! | SYNC EMPTY | reclaimer CASes CLOSING to empty | producer loads the segment's state | no process uses it |
//! | SYNC LEAVE | a user of a mapping leaves | the last one CASes the count to its end | what users did to it |
//! | SYNC ANSWER | consumer stores the answer to a request | the asking process loads it | what came of the request |
//! | SYNC ROLE | the holder of a role gives it back | the next one takes it | what the holder did under the role |
//! | SYNC BEGIN | a place for a mapping gets its count | a user is counted | what was prepared there |
//!
//! SYNC PIN has a full fence at both ends: a producer's between its pin and the load of the segment's state, and a
//! reclaimer's between CLOSING and the load of the pins. One of the two sees the other's store.
//!
//! SYNC TURN has one too: a holder's between giving its role back and the load of the waiters, and a waiter's between
//! its announcement and its last attempt to take the role.
//!
//! Under `--cfg loom` the atomics are loom's, and a model may weaken one named ordering (its negative twin),
//! to show that the model depends on it.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};

/// The synchronisations that a negative twin can weaken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    Publish,
    Seal,
    Reuse,
    Own,
    Retake,
    Steer,
    Rules,
    Define,
    Empty,
    Pin,
    Leave,
    Begin,
    Role,
    Turn,
}

impl Sync {
    /// The ordering of this synchronisation's releasing store or CAS.
    #[inline(always)]
    pub(crate) fn release(self) -> Ordering {
        #[cfg(loom)]
        if twin::weakens(self) {
            return Ordering::Relaxed;
        }
        Ordering::Release
    }

    /// The ordering of this synchronisation's acquiring load.
    #[inline(always)]
    pub(crate) fn acquire(self) -> Ordering {
        #[cfg(loom)]
        if twin::weakens(self) {
            return Ordering::Relaxed;
        }
        Ordering::Acquire
    }

    /// The ordering of a CAS that is the acquire end of this synchronisation and the release end of
    /// `released`.
    #[inline(always)]
    pub(crate) fn and_release(self, released: Sync) -> Ordering {
        match (self.acquire(), released.release()) {
            (Ordering::Acquire, Ordering::Release) => Ordering::AcqRel,
            (Ordering::Acquire, _) => Ordering::Acquire,
            (_, release) => release,
        }
    }

    /// A release fence of this synchronisation.
    #[inline(always)]
    pub(crate) fn release_fence(self) {
        #[cfg(loom)]
        if twin::weakens(self) {
            return;
        }
        fence(Ordering::Release);
    }

    /// A full fence of this synchronisation.
    #[inline(always)]
    pub(crate) fn full_fence(self) {
        #[cfg(loom)]
        if twin::weakens(self) {
            return;
        }
        fence(Ordering::SeqCst);
    }

    /// An acquire fence of this synchronisation.
    #[inline(always)]
    pub(crate) fn acquire_fence(self) {
        #[cfg(loom)]
        if twin::weakens(self) {
            return;
        }
        fence(Ordering::Acquire);
    }
}

/// Which synchronisation the running model has weakened.
#[cfg(loom)]
pub(crate) mod twin {
    use super::Sync;
    use std::sync::atomic::{AtomicU8, Ordering};

    static WEAKENED: AtomicU8 = AtomicU8::new(u8::MAX);

    pub(crate) fn weaken(sync: Option<Sync>) {
        WEAKENED.store(sync.map_or(u8::MAX, |s| s as u8), Ordering::SeqCst);
    }

    pub(super) fn weakens(sync: Sync) -> bool {
        WEAKENED.load(Ordering::SeqCst) == sync as u8
    }
}
