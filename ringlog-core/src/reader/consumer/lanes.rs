//! All lanes of the ring, and which of them have progress for the next mark.

use std::sync::Arc;

use super::blocks::FoundBlock;
use super::cursor::{Cursor, LaneCursor};
use super::lane_reader::{LaneProgress, LaneReader};
use crate::reader::origin::Origin;
use crate::shm::block::SharedRing;
use crate::shm::drops::LanelessReason;

/// Where a block that was found has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Into its lane's chain.
    Queued,
    /// Nowhere: all of its records were given out before.
    PassedOver,
    /// Nowhere: its header names another lane than its state word, so it is damaged.
    Damaged,
}

#[derive(Debug)]
pub(super) struct LaneTable {
    readers: Vec<LaneReader>,
    dirty: Vec<u32>,
    /// The lanes that may have something to give out: of a ring's hundreds, a scan looks at these.
    busy: LaneSet,
}

/// A set of lanes, a bit each.
#[derive(Clone, Debug)]
struct LaneSet(Vec<u64>);

impl LaneSet {
    fn empty(lanes: usize) -> LaneSet {
        LaneSet(vec![0; lanes.div_ceil(64)])
    }

    #[inline]
    fn insert(&mut self, lane: u32) {
        if let Some(word) = self.0.get_mut(lane as usize / 64) {
            *word |= 1 << (lane % 64);
        }
    }

    #[inline]
    fn remove(&mut self, lane: u32) {
        if let Some(word) = self.0.get_mut(lane as usize / 64) {
            *word &= !(1 << (lane % 64));
        }
    }

    /// The first lane of the set from this one on.
    #[inline]
    fn next(&self, from: u32) -> Option<u32> {
        let first = from as usize / 64;
        let later = self.0.iter().enumerate().skip(first);
        later
            .map(|(at, word)| (at, if at == first { word & u64::MAX << (from % 64) } else { *word }))
            .find(|(_, word)| *word != 0)
            .map(|(at, word)| at as u32 * 64 + word.trailing_zeros())
    }
}

impl LaneTable {
    pub(super) fn new(ring: &SharedRing) -> LaneTable {
        let readers = (0..ring.geometry().lane_count).map(|lane| LaneReader::new(ring, lane, None));
        let readers: Vec<_> = readers.collect();
        LaneTable { busy: LaneSet::empty(readers.len()), readers, dirty: Vec::new() }
    }

    /// Passes over what the cursor has behind it.
    pub(super) fn resume(&mut self, ring: &SharedRing, cursor: &Cursor) {
        for lane in cursor.lanes(ring.geometry().lane_count) {
            *self.reader_mut(lane) = LaneReader::new(ring, lane, Some(cursor));
            // So that the ring knows it too, should the cursor be thrown away.
            self.mark_dirty(lane);
        }
    }

    #[inline]
    pub(super) fn reader(&self, lane: u32) -> &LaneReader {
        &self.readers[lane as usize]
    }

    /// The reader of a lane, which may get something to give out.
    #[inline]
    pub(super) fn reader_mut(&mut self, lane: u32) -> &mut LaneReader {
        self.busy.insert(lane);
        &mut self.readers[lane as usize]
    }

    /// As [`reader_mut`](Self::reader_mut), of a lane that there may be.
    fn get_mut(&mut self, lane: u32) -> Option<&mut LaneReader> {
        let reader = self.readers.get_mut(lane as usize)?;
        self.busy.insert(lane);
        Some(reader)
    }

    /// The first lane from this one on that may have something to give out.
    #[inline]
    pub(super) fn next_busy(&self, from: u32) -> Option<u32> {
        self.busy.next(from)
    }

    /// Notes that a lane has nothing to give out until its reader is reached for.
    pub(super) fn rest(&mut self, lane: u32) {
        self.busy.remove(lane);
    }

    pub(super) fn len(&self) -> u32 {
        self.readers.len() as u32
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &LaneReader)> {
        (0..).zip(&self.readers)
    }

    /// The readers of all lanes, each of which may get something to give out.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut LaneReader)> {
        (0..self.readers.len() as u32).for_each(|lane| self.busy.insert(lane));
        (0..).zip(&mut self.readers)
    }

    /// Puts a block where it belongs. `lane` is the owner that its state word names.
    pub(super) fn place(&mut self, ring: &SharedRing, block: FoundBlock, lane: u32) -> Placement {
        let is_consistent = block.lane() == lane;
        let Some(reader) = self.get_mut(lane).filter(|_| is_consistent) else { return Placement::Damaged };
        if reader.accept(ring, block) { Placement::Queued } else { Placement::PassedOver }
    }

    /// The block was taken away from the lane before it was parsed.
    pub(super) fn lose_block(&mut self, lane: u32, index: u32) {
        if let Some(reader) = self.get_mut(lane) {
            reader.lose(index);
        }
    }

    /// Whether nothing is left to give out in what the scans have found.
    pub(super) fn are_empty(&self) -> bool {
        std::iter::successors(self.next_busy(0), |lane| self.next_busy(lane + 1))
            .all(|lane| self.reader(lane).is_empty())
    }

    /// Queues drops of threads without a lane; the first lane carries them.
    pub(super) fn observe_laneless_drops(&mut self, count: u64, reason: LanelessReason, origin: Arc<Origin>) {
        if let Some(reader) = self.readers.first_mut() {
            reader.observe_laneless_drops(count, reason, origin);
        }
    }

    /// The next mark takes the lane's progress.
    #[inline]
    pub(super) fn mark_dirty(&mut self, lane: u32) {
        if !self.reader_mut(lane).mark_dirty() {
            self.dirty.push(lane);
        }
    }

    /// The next mark takes the progress of the lanes in which records were passed over.
    pub(super) fn mark_passed_over(&mut self) {
        for lane in 0..self.readers.len() as u32 {
            if self.reader(lane).has_passed_over() {
                self.mark_dirty(lane);
            }
        }
    }

    /// Whether there is progress since the last mark.
    pub(super) fn has_progress(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Moves the progress since the last mark to `progress`.
    pub(super) fn take_progress(&mut self, progress: &mut Vec<(u32, LaneProgress)>) {
        for lane in self.dirty.drain(..) {
            progress.push((lane, self.readers[lane as usize].take_progress()));
        }
    }

    /// How far each lane has been given out.
    pub(super) fn cursors(&self) -> impl Iterator<Item = LaneCursor> {
        self.readers.iter().map(LaneReader::cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_its_lanes_in_order() {
        let mut set = LaneSet::empty(130);
        let lanes = [0, 5, 63, 64, 127, 129];
        lanes.into_iter().for_each(|lane| set.insert(lane));
        // Of a scribbled lane number.
        set.insert(u32::MAX);
        let all =
            |set: &LaneSet| std::iter::successors(set.next(0), |lane| set.next(lane + 1)).collect::<Vec<_>>();
        assert_eq!(all(&set), lanes);
        set.remove(63);
        set.remove(129);
        assert_eq!(all(&set), [0, 5, 64, 127]);
    }
}
