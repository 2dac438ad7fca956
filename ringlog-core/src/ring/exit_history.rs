//! Deaths: which owners of a lane died without closing it, and who they were.
//!
//! The proof is the lane's kernel lock: it is free, and the entry still says open. The consumer finds that
//! out by looking. Whoever opens the lane before it looked finds it out too, and leaves word: the
//! incarnation goes into the lane's history of deaths, of which each block carries a copy, and the dead
//! owner's name into the second half of the entry, before it is overwritten in the first.
//!
//! A process that runs its exit handlers has ended in order. Its threads need not all have closed their
//! lanes by then, and are not dead before their time.

use std::sync::atomic::Ordering;

use crate::shm::block::SharedRing;
use crate::shm::layout::{NAME_BYTES, halves, lane as lane_entry, pair};
use crate::shm::words::text_from_words;

/// The deaths in a lane's past: the last incarnation that died, and which of the 32 before it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deaths {
    /// 0 if none has.
    last: u32,
    /// Bit n: incarnation `last - 1 - n` died.
    before: u32,
}

/// How many incarnations before the last dead one are remembered.
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

    /// With one more, which is younger than all others.
    fn with(self, incarnation: u32) -> Deaths {
        let distance = incarnation.wrapping_sub(self.last);
        let before = match distance {
            0 => self.before,
            _ if self.last == 0 || distance > REMEMBERED => 0,
            _ => self.before.checked_shl(distance).unwrap_or(0) | 1 << (distance - 1),
        };
        Deaths { last: incarnation, before }
    }

    /// Whether the incarnation died. Of one that is forgotten nobody knows: it has, if nothing says otherwise.
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

    /// The dead incarnations between two others, the older ones first.
    pub(crate) fn between(self, after: u32, before: u32) -> impl Iterator<Item = u32> {
        let remembered = self.last.saturating_sub(REMEMBERED)..=self.last;
        remembered.filter(move |died| *died > after && *died < before && self.includes(*died))
    }
}

/// Whether the lane's last owner, who is gone by the word of the kernel, died: he has not closed the lane,
/// and his process did not end in order either.
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

/// Leaves word of the last owner's death, if he died. The caller holds the lane's lock and has not yet
/// written anything into its entry; he may die himself at any point of this.
pub(crate) fn leave_word(ring: &SharedRing, lane: u32) {
    let (deaths, last) = (Deaths::of(ring, lane), ring.lane_state(lane).incarnation);
    if deaths.last == last || !has_died(ring, lane) {
        // An opener before us has left word already, and may have died over writing his own name.
        return;
    }
    let word = |offset| ring.lane_word(lane, offset);
    // Release, all of them: who reads a word of the new name sees that the old one has been there.
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
        // Whoever opens the lane now has first copied what we may have read half of.
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
    fn a_history_tells_which_incarnations_died() {
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
