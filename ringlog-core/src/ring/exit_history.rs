//! The exit history of a lane: which of its owners exited without closing it, and their names.
//!
//! An unclean exit is proved by the lane's kernel lock: it is free, and the entry still says open. The consumer finds
//! that when it checks the lanes. A process that opens the lane before that check finds it too, and records it: the
//! incarnation goes into the lane's history, of which each block carries a copy, and the dead owner's name into
//! the second half of the entry, before the first half is overwritten.
//!
//! A process that runs its exit handlers ends in order. Its threads may still have lanes open then; those are not
//! unclean exits.

use std::sync::atomic::Ordering;

use crate::shm::block::SharedRing;
use crate::shm::layout::{NAME_BYTES, halves, lane as lane_entry, pair};
use crate::shm::words::text_from_words;

/// The unclean exits in a lane's past: the last one, and which of the 32 incarnations before it exited uncleanly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deaths {
    /// The last incarnation that exited uncleanly; 0 if none has.
    last: u32,
    /// Bit n: incarnation `last - 1 - n` exited uncleanly.
    before: u32,
}

/// How many incarnations before the last one are remembered.
const REMEMBERED: u32 = 32;

impl Deaths {
    pub(crate) const fn word(self) -> u64 {
        pair(self.last, self.before)
    }

    pub(crate) const fn decode(word: u64) -> Deaths {
        let (last, before) = halves(word);
        Deaths { last, before }
    }

    pub(crate) fn of(ring: &SharedRing, lane: u32) -> Deaths {
        Deaths::decode(ring.lane_word(lane, lane_entry::DEATHS).load(Ordering::Acquire))
    }

    /// Adds the youngest one.
    fn with(self, incarnation: u32) -> Deaths {
        let distance = incarnation.wrapping_sub(self.last);
        let before = match distance {
            0 => self.before,
            _ if self.last == 0 || distance > REMEMBERED => 0,
            _ => self.before.checked_shl(distance).unwrap_or(0) | 1 << (distance - 1),
        };
        Deaths { last: incarnation, before }
    }

    /// Whether the incarnation exited uncleanly. True for one that is too old to be remembered.
    pub(crate) fn may_include(self, incarnation: u32) -> bool {
        self.includes(incarnation) || self.has_forgotten(incarnation)
    }

    fn includes(self, incarnation: u32) -> bool {
        let age = self.last.wrapping_sub(incarnation);
        self.last != 0 && (age == 0 || (age <= REMEMBERED && self.before >> (age - 1) & 1 != 0))
    }

    /// Whether an incarnation is older than what is remembered.
    pub(crate) fn has_forgotten(self, incarnation: u32) -> bool {
        self.last.saturating_sub(incarnation) > REMEMBERED
    }

    /// The incarnations between two others that exited uncleanly, oldest first.
    pub(crate) fn between(self, after: u32, before: u32) -> impl Iterator<Item = u32> {
        let remembered = self.last.saturating_sub(REMEMBERED)..=self.last;
        remembered.filter(move |died| *died > after && *died < before && self.includes(*died))
    }
}

/// Whether the lane's last owner exited uncleanly: it has not closed the lane, and its process did not end in order.
/// The caller has proved by the lane's lock that the owner is gone.
pub(crate) fn has_died(ring: &SharedRing, lane: u32) -> bool {
    let (process, incarnation) = halves(ring.lane_word(lane, lane_entry::PROCESS).load(Ordering::Acquire));
    ring.lane_state(lane).open && !has_ended_in_order(ring, process, incarnation)
}

fn has_ended_in_order(ring: &SharedRing, process: u32, incarnation: u32) -> bool {
    if process >= ring.geometry().lane_count {
        return false;
    }
    let state = ring.lane_state(process);
    if state.incarnation == incarnation {
        return !state.open;
    }
    let deaths = Deaths::of(ring, process);
    !deaths.may_include(incarnation)
}

/// Records the last owner's exit in the lane's entry, if it was unclean. The caller holds the lane's lock and has
/// not changed the entry yet; it may itself die at any point of this.
pub(crate) fn record_exit(ring: &SharedRing, lane: u32) {
    let (deaths, last) = (Deaths::of(ring, lane), ring.lane_state(lane).incarnation);
    if deaths.last == last || !has_died(ring, lane) {
        // An earlier opener has recorded it, and may have died while it wrote its own name.
        return;
    }
    let word = |offset| ring.lane_word(lane, offset);
    // Release, all of them: a reader of a word of the new name sees that the old one has been copied.
    word(lane_entry::DEAD_INCARNATION).store(0, Ordering::Release);
    let copy = |from, to| word(to).store(word(from).load(Ordering::Relaxed), Ordering::Release);
    copy(lane_entry::PID_TID, lane_entry::DEAD_PID_TID);
    copy(lane_entry::PROCESS, lane_entry::DEAD_PROCESS);
    for i in (0..NAME_BYTES).step_by(8) {
        copy(lane_entry::THREAD_NAME + i, lane_entry::DEAD_THREAD_NAME + i);
        copy(lane_entry::PROCESS_NAME + i, lane_entry::DEAD_PROCESS_NAME + i);
    }
    word(lane_entry::DEAD_INCARNATION).store(last.into(), Ordering::Release);
    word(lane_entry::DEATHS).store(deaths.with(last).word(), Ordering::Release);
}

/// The owner of one incarnation of a lane, as its entry names it.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) thread: String,
    pub(crate) process: String,
    /// The process lane and its incarnation.
    pub(crate) process_lane: (u32, u32),
}

/// The owner of the lane in that incarnation, as far as its entry still says.
pub(crate) fn owner(ring: &SharedRing, lane: u32, incarnation: u32) -> Option<Owner> {
    let is_dead = || {
        ring.lane_word(lane, lane_entry::DEAD_INCARNATION).load(Ordering::Acquire) == u64::from(incarnation)
    };
    let is_last = || ring.lane_state(lane).incarnation == incarnation;
    if is_last() && !is_dead() {
        let places =
            [lane_entry::PID_TID, lane_entry::PROCESS, lane_entry::THREAD_NAME, lane_entry::PROCESS_NAME];
        let owner = read(ring, lane, places);
        // An opener copies the name before it overwrites it, so a name read half-overwritten is found copied here.
        if is_last() && !is_dead() {
            return Some(owner);
        }
    }
    let places = [
        lane_entry::DEAD_PID_TID,
        lane_entry::DEAD_PROCESS,
        lane_entry::DEAD_THREAD_NAME,
        lane_entry::DEAD_PROCESS_NAME,
    ];
    is_dead().then(|| read(ring, lane, places)).filter(|_| is_dead())
}

fn read(ring: &SharedRing, lane: u32, places: [usize; 4]) -> Owner {
    let word = |offset| ring.lane_word(lane, offset).load(Ordering::Acquire);
    let [pid_tid, process_lane, thread, process] = places;
    let name = |offset: usize| {
        let words: Vec<u64> = (0..NAME_BYTES).step_by(8).map(|i| word(offset + i)).collect();
        text_from_words(&words)
    };
    let (pid, tid) = halves(word(pid_tid));
    Owner { pid, tid, thread: name(thread), process: name(process), process_lane: halves(word(process_lane)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_names_the_unclean_exits() {
        let mut deaths = Deaths::default();
        assert_eq!(deaths.between(0, u32::MAX).count(), 0);
        for died in [3, 4, 7, 35, 36] {
            deaths = Deaths::decode(deaths.with(died).word());
            assert_eq!(deaths.with(died), deaths, "once more is not one more");
        }
        assert_eq!(deaths.between(0, 37).collect::<Vec<_>>(), [4, 7, 35, 36], "3 is too long ago");
        assert_eq!(deaths.between(4, 36).collect::<Vec<_>>(), [7, 35]);
        assert!(deaths.has_forgotten(3) && !deaths.has_forgotten(4) && !deaths.includes(5));
        assert_eq!(deaths.with(100).between(0, 200).collect::<Vec<_>>(), [100]);
        assert_eq!(Deaths::decode(u64::MAX).between(0, u32::MAX).count(), 32, "whatever is in memory");
    }
}
