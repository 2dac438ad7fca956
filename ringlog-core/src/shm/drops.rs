//! The counters of refused records: of one lane, and of threads without one. They only grow, and each reader takes the
//! difference to what it has reported.

use crate::shm::block::SharedRing;
use crate::shm::layout::{halves, header, lane as lane_entry, pair};
use crate::shm::sync::Ordering;

/// Why a lane refused a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// No block was free.
    Full,
    /// It was logged inside another log call that was not finished.
    Nested,
    /// It is larger than the ring takes, or not as its definition says.
    Unfit,
}

/// What a lane has refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drops {
    /// Records refused for any reason.
    pub(crate) all: u64,
    /// Of these: nested:32 | unfit:32, each wrapping. The rest found the ring full.
    pub(crate) reasons: u64,
}

impl Drops {
    /// Reads a lane's counters with Acquire: every record that came before a count is found by the next scan.
    pub(crate) fn read(ring: &SharedRing, lane: u32) -> Drops {
        let word = |offset| ring.lane_word(lane, offset).load(Ordering::Acquire);
        // In this order: each refusal counts its reason first.
        Drops { all: word(lane_entry::DROPPED), reasons: word(lane_entry::DROPPED_FOR) }
    }

    /// Counts one refused record. Read-modify-write, because a signal handler may be in between.
    pub(crate) fn count(ring: &SharedRing, lane: u32, reason: DropReason) {
        let one = match reason {
            DropReason::Full => 0,
            DropReason::Nested => pair(1, 0),
            DropReason::Unfit => 1,
        };
        if one != 0 {
            ring.lane_word(lane, lane_entry::DROPPED_FOR).fetch_add(one, Ordering::Release);
        }
        // Release: a reader of the count sees every record that came before it.
        ring.lane_word(lane, lane_entry::DROPPED).fetch_add(1, Ordering::Release);
    }

    /// The drops since `before`, by reason. Their sum is the difference of `all`, whatever the words hold.
    pub(crate) fn since(self, before: Drops) -> [(DropReason, u64); 3] {
        let all = self.all.wrapping_sub(before.all);
        let ((nested, unfit), (nested_before, unfit_before)) = (halves(self.reasons), halves(before.reasons));
        let nested = u64::from(nested.wrapping_sub(nested_before)).min(all);
        let unfit = u64::from(unfit.wrapping_sub(unfit_before)).min(all - nested);
        [(DropReason::Full, all - nested - unfit), (DropReason::Nested, nested), (DropReason::Unfit, unfit)]
    }

    /// The counters after `count` more drops for this reason.
    pub(crate) fn after(self, reason: DropReason, count: u64) -> Drops {
        let (nested, unfit) = halves(self.reasons);
        let reasons = match reason {
            DropReason::Full => self.reasons,
            DropReason::Nested => pair(nested.wrapping_add(count as u32), unfit),
            DropReason::Unfit => pair(nested, unfit.wrapping_add(count as u32)),
        };
        Drops { all: self.all.wrapping_add(count), reasons }
    }
}

/// Why a thread was refused a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LanelessReason {
    /// Every lane has a living owner.
    LanesTaken,
    /// The system refused, with this error number.
    System(i32),
    /// The thread was opening its lane: a signal handler has interrupted it.
    Opening,
    /// There was no ring of this name: it had been removed.
    NoRing,
    /// It was left in a ring of this name that was removed, or refused there.
    Left,
}

/// The number of reasons.
pub(crate) const LANELESS_REASONS: usize = 5;

impl LanelessReason {
    pub(crate) const fn each(errno: i32) -> [LanelessReason; LANELESS_REASONS] {
        [
            LanelessReason::LanesTaken,
            LanelessReason::System(errno),
            LanelessReason::Opening,
            LanelessReason::NoRing,
            LanelessReason::Left,
        ]
    }

    /// The reason's place in `each`.
    pub(crate) const fn number(self) -> usize {
        match self {
            LanelessReason::LanesTaken => 0,
            LanelessReason::System(_) => 1,
            LanelessReason::Opening => 2,
            LanelessReason::NoRing => 3,
            LanelessReason::Left => 4,
        }
    }
}

/// What threads without a lane were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LanelessDrops {
    pub(crate) all: u64,
    pub(crate) by_system: u64,
    pub(crate) while_opening: u64,
    pub(crate) without_ring: u64,
    pub(crate) left: u64,
}

impl LanelessDrops {
    pub(crate) fn read(ring: &SharedRing) -> LanelessDrops {
        let word = |offset| ring.header_word(offset).load(Ordering::Acquire);
        LanelessDrops {
            all: word(header::DROPPED_WITHOUT_LANE),
            by_system: word(header::DROPPED_BY_SYSTEM),
            while_opening: word(header::DROPPED_WHILE_OPENING),
            without_ring: word(header::DROPPED_WITHOUT_RING),
            left: word(header::LEFT),
        }
    }

    pub(crate) fn read_reported(ring: &SharedRing) -> LanelessDrops {
        let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
        LanelessDrops {
            all: word(header::DROPPED_WITHOUT_LANE_REPORTED),
            by_system: word(header::DROPPED_BY_SYSTEM_REPORTED),
            while_opening: word(header::DROPPED_WHILE_OPENING_REPORTED),
            without_ring: word(header::DROPPED_WITHOUT_RING_REPORTED),
            left: word(header::LEFT_REPORTED),
        }
    }

    pub(crate) fn write_reported(&self, ring: &SharedRing) {
        let set = |offset, value| ring.header_word(offset).store(value, Ordering::Relaxed);
        set(header::DROPPED_WITHOUT_LANE_REPORTED, self.all);
        set(header::DROPPED_BY_SYSTEM_REPORTED, self.by_system);
        set(header::DROPPED_WHILE_OPENING_REPORTED, self.while_opening);
        set(header::DROPPED_WITHOUT_RING_REPORTED, self.without_ring);
        set(header::LEFT_REPORTED, self.left);
    }

    /// Counts refused records in the ring.
    pub(crate) fn count(ring: &SharedRing, count: u64, reason: LanelessReason) {
        let add = |offset| ring.header_word(offset).fetch_add(count, Ordering::Release);
        match reason {
            LanelessReason::LanesTaken => {}
            LanelessReason::System(errno) => {
                ring.header_word(header::DROPPED_ERRNO).store(errno as u32 as u64, Ordering::Relaxed);
                add(header::DROPPED_BY_SYSTEM);
            }
            LanelessReason::Opening => _ = add(header::DROPPED_WHILE_OPENING),
            LanelessReason::NoRing => _ = add(header::DROPPED_WITHOUT_RING),
            LanelessReason::Left => _ = add(header::LEFT),
        }
        // The reason first, as in `Drops`.
        add(header::DROPPED_WITHOUT_LANE);
    }

    /// The last error with which the system refused a lane.
    pub(crate) fn errno(ring: &SharedRing) -> i32 {
        ring.header_word(header::DROPPED_ERRNO).load(Ordering::Relaxed) as i32
    }

    /// The drops since `before`, by reason, as [`Drops::since`].
    pub(crate) fn since(
        self,
        before: LanelessDrops,
        errno: i32,
    ) -> [(LanelessReason, u64); LANELESS_REASONS] {
        let all = self.all.wrapping_sub(before.all);
        let mut rest = all;
        let mut part = |now: u64, before: u64| {
            let count = now.wrapping_sub(before).min(rest);
            rest -= count;
            count
        };
        let by_system = part(self.by_system, before.by_system);
        let opening = part(self.while_opening, before.while_opening);
        let without_ring = part(self.without_ring, before.without_ring);
        let left = part(self.left, before.left);
        let counts = [rest, by_system, opening, without_ring, left];
        LanelessReason::each(errno).map(|reason| (reason, counts[reason.number()]))
    }

    /// The counters after `count` more drops for this reason.
    pub(crate) fn after(mut self, reason: LanelessReason, count: u64) -> LanelessDrops {
        self.all = self.all.wrapping_add(count);
        match reason {
            LanelessReason::LanesTaken => {}
            LanelessReason::System(_) => self.by_system = self.by_system.wrapping_add(count),
            LanelessReason::Opening => self.while_opening = self.while_opening.wrapping_add(count),
            LanelessReason::NoRing => self.without_ring = self.without_ring.wrapping_add(count),
            LanelessReason::Left => self.left = self.left.wrapping_add(count),
        }
        self
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_of_drops_add_up_whatever_the_words_hold() {
        let before = Drops { all: 10, reasons: pair(u32::MAX, 2) };
        let counter = Drops { all: 16, reasons: pair(1, 3) };
        let expected = [(DropReason::Full, 3), (DropReason::Nested, 2), (DropReason::Unfit, 1)];
        assert_eq!(counter.since(before), expected);
        let again = expected.into_iter().fold(before, |drops, (reason, count)| drops.after(reason, count));
        assert_eq!(again, counter);
        let damaged = Drops { all: 12, reasons: u64::MAX };
        assert_eq!(damaged.since(before).map(|(_, count)| count), [0, 0, 2], "no more than there are");
    }

    #[test]
    fn the_reasons_of_laneless_drops_add_up_too() {
        let before = LanelessDrops { all: 1, by_system: 1, ..LanelessDrops::default() };
        let counter = LanelessDrops { all: 16, by_system: 3, while_opening: 5, without_ring: 3, left: 4 };
        let split = counter.since(before, 24);
        let [taken, system, opening, no_ring, left] = LanelessReason::each(24);
        assert_eq!(split, [(taken, 1), (system, 2), (opening, 5), (no_ring, 3), (left, 4)]);
        assert_eq!(split.into_iter().fold(before, |drops, (why, count)| drops.after(why, count)), counter);
    }
}
