//! The exit history of a lane: which of its owners exited without closing it, and their names.
//!
//! An unclean exit is proved by the lane's kernel lock: it is free, and the entry still says open. The consumer finds
//! it when it checks the lanes. A process that opens the lane before that check records it: it adds the incarnation
//! to the lane's history, of which each block carries a copy, and copies the dead owner's name into the second half
//! of the entry before it overwrites the first half.
//!
//! A process that runs its exit handlers ends in order. Lanes that its threads still have open then are not unclean
//! exits.

use std::sync::atomic::Ordering;

use crate::shm::block::SharedRing;
use crate::shm::layout::{NAME_BYTES, halves, lane as lane_entry, pair};
use crate::shm::words::text_from_words;

/// The unclean exits in a lane's past: the last one, and which of the 32 incarnations before it exited uncleanly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExitHistory {
    /// The last incarnation that exited uncleanly; 0 if none has.
    last: u32,
    /// Bit n: incarnation `last - 1 - n` exited uncleanly.
    before: u32,
}

/// How many incarnations before the last unclean exit the history covers.
const REMEMBERED: u32 = 32;

impl ExitHistory {
    pub(crate) const fn word(self) -> u64 {
        pair(self.last, self.before)
    }

    pub(crate) const fn decode(word: u64) -> ExitHistory {
        let (last, before) = halves(word);
        ExitHistory { last, before }
    }

    pub(crate) fn of(ring: &SharedRing, lane: u32) -> ExitHistory {
        ExitHistory::decode(ring.lane_word(lane, lane_entry::UNCLEAN_EXITS).load(Ordering::Acquire))
    }

    /// The history with the exit of this incarnation added, which is the latest.
    fn with(self, incarnation: u32) -> ExitHistory {
        let distance = incarnation.wrapping_sub(self.last);
        let before = match distance {
            0 => self.before,
            _ if self.last == 0 || distance > REMEMBERED => 0,
            _ => self.before.checked_shl(distance).unwrap_or(0) | 1 << (distance - 1),
        };
        ExitHistory { last: incarnation, before }
    }

    /// Whether the incarnation may have exited uncleanly. True also for one that the history no longer covers.
    pub(crate) fn may_contain(self, incarnation: u32) -> bool {
        self.contains(incarnation) || self.has_forgotten(incarnation)
    }

    fn contains(self, incarnation: u32) -> bool {
        let age = self.last.wrapping_sub(incarnation);
        self.last != 0 && (age == 0 || (age <= REMEMBERED && self.before >> (age - 1) & 1 != 0))
    }

    /// Whether an incarnation is older than the history covers.
    pub(crate) fn has_forgotten(self, incarnation: u32) -> bool {
        self.last.saturating_sub(incarnation) > REMEMBERED
    }

    /// The incarnations between two others that exited uncleanly, oldest first.
    pub(crate) fn between(self, after: u32, before: u32) -> impl Iterator<Item = u32> {
        let remembered = self.last.saturating_sub(REMEMBERED)..=self.last;
        remembered.filter(move |exited| *exited > after && *exited < before && self.contains(*exited))
    }
}

/// Whether the lane's last owner exited uncleanly: it has not closed the lane, and its process did not end in order.
/// The caller has proved by the lane's lock that the owner is gone.
pub(crate) fn exited_uncleanly(ring: &SharedRing, lane: u32) -> bool {
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
    let history = ExitHistory::of(ring, process);
    !history.may_contain(incarnation)
}

/// Records the last owner's exit in the lane's entry, if it was unclean. The caller holds the lane's lock and has
/// not changed the entry yet. It may itself die at any point.
pub(crate) fn record_exit(ring: &SharedRing, lane: u32) {
    let (history, last) = (ExitHistory::of(ring, lane), ring.lane_state(lane).incarnation);
    if history.last == last || !exited_uncleanly(ring, lane) {
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
    word(lane_entry::UNCLEAN_EXITS).store(history.with(last).word(), Ordering::Release);
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

/// The owner of the lane in that incarnation; `None` if the entry no longer names it.
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
        let mut history = ExitHistory::default();
        assert_eq!(history.between(0, u32::MAX).count(), 0);
        for exited in [3, 4, 7, 35, 36] {
            history = ExitHistory::decode(history.with(exited).word());
            assert_eq!(history.with(exited), history, "adding an exit twice changes nothing");
        }
        assert_eq!(history.between(0, 37).collect::<Vec<_>>(), [4, 7, 35, 36], "3 is too old");
        assert_eq!(history.between(4, 36).collect::<Vec<_>>(), [7, 35]);
        assert!(history.has_forgotten(3) && !history.has_forgotten(4) && !history.contains(5));
        assert_eq!(history.with(100).between(0, 200).collect::<Vec<_>>(), [100]);
        assert_eq!(
            ExitHistory::decode(u64::MAX).between(0, u32::MAX).count(),
            32,
            "any word in memory decodes"
        );
    }
}
