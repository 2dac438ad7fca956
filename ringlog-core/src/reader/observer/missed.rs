//! Counting the records that were gone before an observer could see them.

use std::collections::BTreeMap;

use crate::reader::entry::OwnedEntry;
use crate::shm::block::SharedRing;
use crate::shm::layout::lane as lane_entry;
use crate::shm::sync::Ordering;

/// More incarnations than this are not remembered; their missing records are no longer counted then.
const INCARNATIONS_MAX: usize = 1 << 16;

/// The sequences that have been seen of each lane's incarnation, and how many were skipped.
#[derive(Debug, Default)]
pub(super) struct MissedRecords {
    count: u64,
    /// Next sequence of each incarnation that has been seen and is not accounted for as a whole.
    next: BTreeMap<(u32, u32), u64>,
    /// Incarnations of the lanes when `next` was begun: later ones are seen from their first record on.
    at_first_poll: Vec<u32>,
    /// How far each lane is accounted for: its incarnation, and what was published before that.
    accounted: Vec<Option<Published>>,
    /// What the lanes' entries said before this poll read any block.
    before_poll: Vec<Option<Published>>,
}

/// What a lane's entry says of the records that were published.
#[derive(Clone, Copy, Debug)]
struct Published {
    incarnation: u32,
    /// By all earlier incarnations.
    earlier: u64,
    /// By this one at least: those of its open block are not among them.
    own: u64,
}

impl Published {
    /// `None` where the lane is opened meanwhile, or its entry is damaged.
    fn read(ring: &SharedRing, lane: u32) -> Option<Published> {
        let word = |offset| ring.lane_word(lane, offset).load(Ordering::Acquire);
        let state = ring.lane_state(lane);
        let (earlier, all) = (word(lane_entry::PUBLISHED_AT_OPEN), word(lane_entry::PUBLISHED));
        let own = all.checked_sub(earlier)?;
        (ring.lane_state(lane) == state).then_some(Published { incarnation: state.incarnation, earlier, own })
    }
}

impl MissedRecords {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Notes which incarnations there are at the first poll, and what is published before this one. Begins anew where
    /// too many have been seen: an observer that runs for months, or looks at forged lanes, sees any number of them.
    pub(super) fn begin_poll(&mut self, ring: &SharedRing) {
        let lanes = 0..ring.geometry().lane_count;
        if self.at_first_poll.is_empty() || self.next.len() > INCARNATIONS_MAX {
            self.at_first_poll = lanes.clone().map(|lane| ring.lane_state(lane).incarnation).collect();
            self.accounted = vec![None; lanes.len()];
            self.next.clear();
        }
        self.before_poll = lanes.map(|lane| Published::read(ring, lane)).collect();
    }

    /// Counts the sequences that were skipped since each lane was last seen, and the records of owners that came and
    /// went in between. Sorts the entries.
    pub(super) fn observe(&mut self, entries: &mut [OwnedEntry]) {
        entries.sort_by_key(|entry| (entry.origin.lane, entry.origin.incarnation, entry.sequence()));
        for entry in entries {
            let (lane, incarnation) = (entry.origin.lane, entry.origin.incarnation);
            let sequence = entry.sequence();
            let accounted = self.accounted.get(lane as usize).copied().flatten();
            if accounted.is_some_and(|accounted| incarnation < accounted.incarnation) {
                // A long record that had to wait for its parts: its owner has been accounted for.
                self.count = self.count.saturating_sub(1);
                continue;
            }
            let at_first_poll = self.at_first_poll.get(lane as usize);
            let is_new = at_first_poll.is_some_and(|earlier| incarnation > *earlier);
            let next = self.next.entry((lane, incarnation)).or_insert(if is_new { 0 } else { sequence });
            if sequence < *next {
                // A long record that had to wait for its parts has been counted already.
                self.count = self.count.saturating_sub(1);
            } else {
                // At the first poll, what is gone between two records was before the observer's time.
                let skipped = if accounted.is_some() { sequence - *next } else { 0 };
                self.count = self.count.saturating_add(skipped);
                *next = sequence.wrapping_add(1);
            }
        }
        for lane in 0..self.before_poll.len() {
            if let Some(published) = self.before_poll[lane] {
                self.account(lane as u32, published);
            }
        }
    }

    /// Counts what the lane had published before this poll and was not seen: it was persisted and its blocks were
    /// taken again.
    fn account(&mut self, lane: u32, published: Published) {
        let Published { incarnation, earlier, own } = published;
        let Some(before) = self.accounted[lane as usize] else {
            // The first poll: what is gone by now was before the observer's time.
            self.accounted[lane as usize] = Some(published);
            let next = self.next.entry((lane, incarnation)).or_insert(own);
            *next = own.max(*next);
            return;
        };
        if incarnation < before.incarnation || earlier < before.earlier {
            return;
        }
        if incarnation > before.incarnation {
            let ended = (lane, before.incarnation)..(lane, incarnation);
            let seen: u64 =
                self.next.range(ended.clone()).fold(0, |sum, (_, next)| sum.saturating_add(*next));
            let published = earlier - before.earlier;
            self.count = self.count.saturating_add(published.saturating_sub(seen));
            let ended: Vec<_> = self.next.range(ended).map(|(owner, _)| *owner).collect();
            ended.iter().for_each(|owner| _ = self.next.remove(owner));
            self.accounted[lane as usize] = Some(Published { incarnation, earlier, own });
        } else if earlier != before.earlier {
            // The next owner is opening the lane.
            return;
        }
        let next = self.next.entry((lane, incarnation)).or_insert(0);
        self.count = self.count.saturating_add(own.saturating_sub(*next));
        *next = own.max(*next);
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

    /// Logs `count` records in a thread of its own, while a consumer drains the ring.
    fn log_and_end(ring: &crate::Ring, count: u64) {
        let log = ring.logger().with_overflow(crate::Overflow::Block(std::time::Duration::from_secs(10)));
        let mut consumer = ring.consumer().unwrap();
        std::thread::scope(|scope| {
            let logging = scope
                .spawn(|| (0..count).for_each(|n| log.text(crate::Level::INFO, "", n.to_string()).unwrap()));
            let mut came = 0;
            while came < count {
                came += u64::from(consumer.next(std::time::Duration::from_secs(10)).unwrap().is_some());
                if came % 64 == 0 || came == count {
                    consumer.ack().unwrap();
                }
            }
            // The scope's end does not wait for the destructor that closes the thread's lane.
            logging.join().unwrap();
        });
    }

    #[test]
    fn records_of_owners_that_came_and_went_are_missed() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let name = dir.path().join("ring");
        let options = crate::Ring::options().size("64KiB").block_bytes(1024).lanes(4);
        let ring = options.create(name.to_str().unwrap()).unwrap();
        log_and_end(&ring, 3_000);
        let mut observer = ring.observe().unwrap();
        observer.poll().unwrap();
        assert_eq!(observer.missed(), 0, "of before its time");
        let mut seen = 0;
        let mut poll = |observer: &mut crate::reader::Observer| {
            seen += observer.poll().unwrap().len() as u64;
            seen + observer.missed()
        };
        // One owner, then several one after the other in the same lane, then some of which every record is seen.
        log_and_end(&ring, 5_000);
        assert_eq!(poll(&mut observer), 5_000);
        (0..5).for_each(|_| log_and_end(&ring, 1_000));
        assert_eq!(poll(&mut observer), 10_000);
        assert_eq!(poll(&mut observer), 10_000, "counted once");
        (0..3).for_each(|_| log_and_end(&ring, 10));
        assert_eq!(poll(&mut observer), 10_030);
        assert!(observer.missed() > 8_000, "{}", observer.missed());
        let before = observer.missed();
        ring.logger().text(crate::Level::INFO, "", "after").unwrap();
        assert_eq!((poll(&mut observer), observer.missed()), (10_031, before));
    }
}
