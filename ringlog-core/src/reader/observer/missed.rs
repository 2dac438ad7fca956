//! Counting the records that were gone before an observer could see them.

use std::collections::HashMap;

use crate::reader::entry::OwnedEntry;
use crate::shm::block::SharedRing;

/// More incarnations than this are not remembered; their missing records are no longer counted then.
const INCARNATIONS_MAX: usize = 1 << 16;

/// The sequences that have been seen of each lane's incarnation, and how many were skipped.
#[derive(Debug, Default)]
pub(super) struct MissedRecords {
    count: u64,
    /// Next sequence of each incarnation that has been seen.
    next: HashMap<(u32, u32), u64>,
    /// Incarnations of the lanes when `next` was begun: later ones are seen from their first record on.
    at_first_poll: Vec<u32>,
}

impl MissedRecords {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Notes which incarnations there are at the first poll. Begins anew where too many have been seen: an observer
    /// that runs for months, or looks at forged lanes, sees any number of them.
    pub(super) fn begin_poll(&mut self, ring: &SharedRing) {
        if self.at_first_poll.is_empty() || self.next.len() > INCARNATIONS_MAX {
            let lanes = 0..ring.geometry().lane_count;
            self.at_first_poll = lanes.map(|lane| ring.lane_state(lane).incarnation).collect();
            self.next.clear();
        }
    }

    /// Counts the sequences that were skipped since each lane was last seen. Sorts the entries.
    pub(super) fn observe(&mut self, entries: &mut [OwnedEntry]) {
        entries.sort_by_key(|entry| (entry.origin.lane, entry.origin.incarnation, entry.sequence()));
        for entry in entries {
            let (lane, incarnation) = (entry.origin.lane, entry.origin.incarnation);
            let sequence = entry.sequence();
            let at_first_poll = self.at_first_poll.get(lane as usize);
            let is_new = at_first_poll.is_some_and(|earlier| incarnation > *earlier);
            let next = self.next.entry((lane, incarnation)).or_insert(if is_new { 0 } else { sequence });
            if sequence < *next {
                // A long record that had to wait for its parts has been counted already.
                self.count = self.count.saturating_sub(1);
            } else {
                self.count = self.count.saturating_add(sequence - *next);
                *next = sequence.wrapping_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::block::{Phase, State};
    use crate::shm::layout::{BLOCK_HEADER_SLOTS, SLOT_WORDS, block, pair};
    use std::sync::atomic::Ordering;

    #[test]
    fn no_more_incarnations_are_remembered_than_allowed() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let name = dir.path().join("ring");
        let options = crate::Ring::options().size("64KiB").block_bytes(1024).lanes(3);
        let ring = options.create(name.to_str().unwrap()).unwrap();
        let mut observer = ring.observe().unwrap();
        let blocks = observer.info.geometry.block_count;
        for round in 1..=2 * INCARNATIONS_MAX as u32 / blocks {
            ring.with_ring(|ring| {
                for index in 0..blocks {
                    let put = |word: usize, value| ring.memory().word(word).store(value, Ordering::Relaxed);
                    // In each block an empty text of an incarnation that has not been seen.
                    let (start, state) = (ring.block_start(index), ring.geometry().states_offset() / 8);
                    put(start + block::LANE, pair(1, round * blocks + index));
                    put(start + BLOCK_HEADER_SLOTS as usize * SLOT_WORDS, 0);
                    put(start + block::COMMITTED, pair(round, BLOCK_HEADER_SLOTS + 1));
                    let sealed = State { phase: Phase::Sealed, lane: 1, ..State::free(round) };
                    put(state + index as usize, sealed.word());
                }
            });
            assert_eq!(observer.poll().unwrap().len(), blocks as usize);
            assert!(observer.missed.next.len() <= INCARNATIONS_MAX + blocks as usize);
        }
    }
}
