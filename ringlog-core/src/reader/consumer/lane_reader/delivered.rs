//! How far a lane has been given out: for its words in the ring, and for the next cursor.

use super::chain::ChainPlace;
use crate::shm::block::SharedRing;
use crate::shm::drops::Drops;
use crate::shm::layout::{lane as lane_entry, pair};
use crate::shm::sync::Ordering;

/// The records of a lane that have been given out.
#[derive(Debug)]
pub(super) struct Delivered {
    /// Records persisted once all that was given out is, of all incarnations.
    persisted: u64,
    /// Sequence after the last record of the present incarnation that was given out.
    next_sequence: u64,
    /// Incarnation of the last record that this consumer or its cursor knows to be given out, and the sequence
    /// after it. What the ring says of that is not for the next cursor: its two words may not belong together.
    last: (u32, u64),
    /// Where an earlier owner ended, until a record of a later one is given out. The next consumer has to begin
    /// there: what stands between the two may not have been given out yet.
    ended: Option<(ChainPlace, u64)>,
    /// Whether records were passed over since the progress was taken.
    has_passed_over: bool,
}

/// How far a lane is persisted, as the words of its entry.
#[derive(Clone, Copy, Debug)]
pub(in crate::reader::consumer) struct LaneProgress {
    persisted: u64,
    next: u64,
    next_sequence: u64,
    pub(super) drops_reported: Drops,
    pub(super) exits_reported: u32,
}

impl Delivered {
    pub(super) fn new(persisted: u64, next_sequence: u64, last: (u32, u64)) -> Delivered {
        Delivered { persisted, next_sequence, last, ended: None, has_passed_over: false }
    }

    #[inline]
    pub(super) fn record(&mut self, incarnation: u32, sequence: u64) {
        self.next_sequence = sequence.wrapping_add(1);
        self.last = (incarnation, self.next_sequence);
        self.ended = None;
        self.persisted = self.persisted.wrapping_add(1);
    }

    /// Notes that so many records were passed over that the ring does not count yet.
    pub(super) fn pass_over(&mut self, count: u64) {
        self.persisted = self.persisted.wrapping_add(count);
        self.has_passed_over |= count > 0;
    }

    pub(super) fn has_passed_over(&self) -> bool {
        self.has_passed_over
    }

    /// Notes that a gap of records that are gone was given out.
    pub(super) fn missing(&mut self, incarnation: u32, count: u64) {
        self.last = (incarnation, self.next_sequence.saturating_add(count));
    }

    /// Notes that all blocks of the incarnation at `place` have been read, and those of a later one begin.
    pub(super) fn end_incarnation(&mut self, place: ChainPlace) {
        self.ended.get_or_insert((place, self.next_sequence));
        self.next_sequence = 0;
    }

    /// Incarnation and sequence after the last record that is known to be given out.
    pub(super) fn last(&self) -> (u32, u64) {
        self.last
    }

    /// Sequence of the present incarnation's last record, if one was given out.
    pub(super) fn last_sequence(&self) -> Option<u64> {
        self.next_sequence.checked_sub(1)
    }

    /// What the lane's entry has to say when all that was given out is persisted. `read` is the place up to which
    /// blocks have been read.
    pub(super) fn progress(
        &mut self,
        read: ChainPlace,
        drops_reported: Drops,
        exits_reported: u32,
    ) -> LaneProgress {
        self.has_passed_over = false;
        let (place, next_sequence) = self.ended.unwrap_or((read, self.next_sequence));
        LaneProgress {
            persisted: self.persisted,
            next: pair(place.incarnation, place.next as u32),
            next_sequence,
            drops_reported,
            exits_reported,
        }
    }
}

impl LaneProgress {
    pub(in crate::reader::consumer) fn write(self, ring: &SharedRing, lane: u32) {
        let set = |offset, value| ring.lane_word(lane, offset).store(value, Ordering::Relaxed);
        set(lane_entry::PERSISTED, self.persisted);
        set(lane_entry::DROPPED_REPORTED, self.drops_reported.all);
        set(lane_entry::DROPPED_FOR_REPORTED, self.drops_reported.reasons);
        set(lane_entry::NEXT, self.next);
        set(lane_entry::NEXT_SEQUENCE, self.next_sequence);
        set(lane_entry::EXITS_REPORTED, self.exits_reported.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(delivered: &mut Delivered, read: ChainPlace) -> (u64, u64) {
        let progress = delivered.progress(read, Drops::default(), 0);
        (progress.next, progress.next_sequence)
    }

    #[test]
    fn the_next_consumer_begins_where_an_earlier_owner_ended() {
        let (first, second) =
            (ChainPlace { incarnation: 1, next: 3 }, ChainPlace { incarnation: 2, next: 1 });
        let mut delivered = Delivered::new(0, 0, (0, 0));
        delivered.record(1, 8);
        assert_eq!(words(&mut delivered, first), (pair(1, 3), 9));
        delivered.end_incarnation(first);
        assert_eq!(words(&mut delivered, second), (pair(1, 3), 9), "until a record of the later one");
        assert_eq!((delivered.last(), delivered.last_sequence()), ((1, 9), None));
        delivered.record(2, 0);
        assert_eq!(words(&mut delivered, second), (pair(2, 1), 1));
    }

    #[test]
    fn a_gap_moves_the_cursor_but_not_the_lane_s_words() {
        let place = ChainPlace { incarnation: 1, next: 1 };
        let mut delivered = Delivered::new(0, 5, (1, 5));
        delivered.missing(1, 3);
        assert_eq!((delivered.last(), words(&mut delivered, place).1), ((1, 8), 5));
    }
}
