//! Roles: what one process of a ring does at a time, such as taking items out of a queue.
//!
//! A role is a mutex between processes that survives the death of its holder. Its word is 0 or names a holder by its
//! process lane. A waiter that finds the holder's lane without a living owner takes the role from it; no time-out is
//! involved. The holder that was killed may have left anything half-done that the role protects, so that has to be
//! right after each single store.
//!
//! ```text
//!            taker                      holder
//!   0 ------------------> holder ---------------------> 0
//!         CAS, ROLE         |          store, ROLE
//!                           | another process, only with proof of death: CAS of the exact word
//!                           v that was loaded before the proof
//!                      next holder
//! ```

use crate::shm::block::SharedRing;
use crate::shm::layout::{header, pair, role as word};
use crate::shm::sync::{AtomicU64, Ordering, Sync};

/// A process as the holder of a role: `process lane + 1:32 | its incarnation:32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder(u64);

impl Holder {
    pub(crate) const fn new(lane: u32, incarnation: u32) -> Holder {
        Holder(pair(lane.wrapping_add(1), incarnation))
    }

    /// The process lane and its incarnation. The word is untrusted: the lane may be none of the ring's.
    pub(crate) fn process(self) -> (u32, u32) {
        (((self.0 >> 32) as u32).wrapping_sub(1), self.0 as u32)
    }
}

/// The words of one role.
pub(crate) struct Role<'a> {
    ring: &'a SharedRing,
    at: usize,
}

impl SharedRing {
    /// The role of the process that takes items out.
    pub(crate) fn getting(&self) -> Role<'_> {
        Role { ring: self, at: header::GETTING }
    }

    /// The role of the process that puts an item into a bounded queue.
    pub(crate) fn putting(&self) -> Role<'_> {
        Role { ring: self, at: header::PUTTING }
    }
}

impl<'a> Role<'a> {
    fn word(&self, offset: usize) -> &'a AtomicU64 {
        self.ring.header_word(self.at + offset)
    }

    /// Takes the role if it is free. Returns its holder otherwise.
    pub(crate) fn take(&self, me: Holder) -> Result<(), Holder> {
        // SYNC ROLE (acquire end): what the last holder did is seen.
        let taken =
            self.word(word::HOLDER).compare_exchange(0, me.0, Sync::Role.acquire(), Ordering::Relaxed);
        taken.map(drop).map_err(Holder)
    }

    /// Takes the role from a holder that was proved dead after `dead` was loaded.
    pub(crate) fn take_from_dead(&self, dead: Holder, me: Holder) -> bool {
        // SYNC ROLE (acquire end): the death was proved after all stores of the dead holder.
        let holder = self.word(word::HOLDER);
        holder.compare_exchange(dead.0, me.0, Sync::Role.acquire(), Ordering::Relaxed).is_ok()
    }

    /// Takes the role whoever has it: what a twin of the model does.
    #[cfg(all(test, loom))]
    pub(crate) fn seize(&self, me: Holder) {
        self.word(word::HOLDER).store(me.0, Ordering::Release);
    }

    /// Gives the role back. Returns whether a process may be waiting for it, which is then to be woken.
    pub(crate) fn give_back(&self) -> bool {
        // SYNC ROLE (release end).
        self.word(word::HOLDER).store(0, Sync::Role.release());
        // SYNC TURN, with the fence in `announce`: either the waiter sees the role free, or we see the waiter.
        Sync::Turn.full_fence();
        let waiters = self.word(word::WAITERS);
        let is_awaited = waiters.load(Ordering::Relaxed) != 0;
        if is_awaited {
            waiters.store(0, Ordering::Relaxed);
            self.turns().fetch_add(1, Ordering::Release);
        }
        is_awaited
    }

    /// Announces that the caller waits; it then tries once more before it sleeps. Returns the number of turns to sleep
    /// on. A killed waiter costs the next holder one needless system call, and nothing later.
    pub(crate) fn announce(&self) -> u64 {
        let turns = self.turns().load(Ordering::Acquire);
        self.word(word::WAITERS).store(1, Ordering::Relaxed);
        // SYNC TURN.
        Sync::Turn.full_fence();
        turns
    }

    /// Grows with each wake-up of the waiters. A futex on its low half.
    pub(crate) fn turns(&self) -> &'a AtomicU64 {
        self.word(word::TURNS)
    }

    /// Notes that `me` is the last that had the role. Returns whether it also was the one before: then no other process
    /// has changed anything since.
    pub(crate) fn renew_last(&self, me: Holder) -> bool {
        // The holder of the role alone stores here.
        let last = self.word(word::LAST);
        let is_same = last.load(Ordering::Relaxed) == me.0;
        if !is_same {
            last.store(me.0, Ordering::Relaxed);
        }
        is_same
    }

    /// Asks the last holder not to take the role again before the caller. Of several callers one is heard.
    pub(crate) fn claim_turn(&self, me: Holder) {
        let _ = self.word(word::CLAIMED).compare_exchange(0, me.0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Withdraws what [`claim_turn`](Self::claim_turn) asked for.
    pub(crate) fn drop_claim(&self, me: Holder) {
        let claimed = self.word(word::CLAIMED);
        if claimed.load(Ordering::Relaxed) == me.0 {
            let _ = claimed.compare_exchange(me.0, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The other process that is to have the role next, if `me` had it last.
    pub(crate) fn yields_to(&self, me: Holder) -> Option<Holder> {
        let claimed = self.word(word::CLAIMED).load(Ordering::Relaxed);
        let is_others = claimed != 0 && claimed != me.0;
        (is_others && self.word(word::LAST).load(Ordering::Relaxed) == me.0).then_some(Holder(claimed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Ring;

    #[test]
    fn the_last_holder_lets_a_waiter_go_first() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = Ring::options().size("1MiB").create(dir.path().join("ring").to_str().unwrap()).unwrap();
        let [me, first, second] = [0, 1, 2].map(|lane| Holder::new(lane, 1));
        ring.with_ring(|ring| {
            let role = ring.getting();
            assert!(role.take(me).is_ok() && !role.renew_last(me) && role.renew_last(me));
            assert_eq!(role.take(first), Err(me));
            role.claim_turn(first);
            role.claim_turn(second);
            assert_eq!(role.yields_to(me), Some(first), "one of them is heard");
            assert!(!role.give_back(), "none has announced that it sleeps");
            // The one that is to go first has it next, whatever it had before.
            assert_eq!([first, second].map(|waiter| role.yields_to(waiter)), [None, None]);
            assert!(role.take(first).is_ok() && !role.renew_last(first));
            role.drop_claim(second);
            assert_eq!(role.yields_to(me), None, "it was not the last any more");
            role.drop_claim(first);
            let turns = role.announce();
            assert!(role.give_back());
            assert_eq!(role.turns().load(Ordering::Relaxed), turns + 1);
            assert_eq!((role.yields_to(first), me.process()), (None, (0, 1)));
        });
    }
}
