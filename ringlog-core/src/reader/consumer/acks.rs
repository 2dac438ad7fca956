//! Giving back what is persisted, in the steps in which it was: a mark notes how things stand, and they are written
//! into the ring when it is acknowledged.

use std::collections::VecDeque;

use super::blocks::{BlockTable, PendingAck};
use super::lane_reader::LaneProgress;
use super::lanes::LaneTable;
use super::totals::Totals;
use crate::shm::block::SharedRing;

/// A place in what a consumer has given out, to be acknowledged later, while more is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// What is to be written into the ring when a mark is acknowledged: the progress since the mark before.
#[derive(Debug, Default)]
struct AckBatch {
    mark: u64,
    entries: u64,
    lanes: Vec<(u32, LaneProgress)>,
    blocks: Vec<(u32, PendingAck)>,
    totals: Totals,
}

/// The marks that are not acknowledged yet, and the entries that they cover.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// Entries given out since the last mark.
    unmarked: u64,
    /// Entries given out and not acknowledged, those after the last mark among them.
    unacknowledged: u64,
    /// Oldest first.
    pending: VecDeque<AckBatch>,
    /// Empty ones, whose memory is used again.
    spare: Vec<AckBatch>,
    last_mark: u64,
}

impl Acks {
    #[inline]
    pub(super) fn count_entry(&mut self) {
        self.unmarked += 1;
        self.unacknowledged += 1;
    }

    /// Whether all that was given out is acknowledged.
    pub(super) fn are_complete(&self) -> bool {
        self.unacknowledged == 0
    }

    /// Takes the progress since the last mark.
    pub(super) fn mark(&mut self, lanes: &mut LaneTable, blocks: &mut BlockTable, totals: Totals) -> Mark {
        self.last_mark += 1;
        let mut batch = self.spare.pop().unwrap_or_default();
        batch.mark = self.last_mark;
        batch.entries = std::mem::take(&mut self.unmarked);
        batch.totals = totals;
        lanes.take_progress(&mut batch.lanes);
        blocks.take_progress(&mut batch.blocks);
        self.pending.push_back(batch);
        Mark(self.last_mark)
    }

    /// Writes the progress up to the mark into the ring, and frees the blocks that are done.
    pub(super) fn acknowledge(&mut self, ring: &SharedRing, mark: Mark, blocks: &mut BlockTable) {
        let mut freed = 0;
        while self.pending.front().is_some_and(|batch| batch.mark <= mark.0)
            && let Some(mut batch) = self.pending.pop_front()
        {
            self.unacknowledged -= batch.entries;
            freed += batch.write(ring, blocks);
            self.spare.push(batch);
        }
        crate::shm::wakeup::announce_freed(ring, freed);
    }
}

impl AckBatch {
    /// Writes the batch into the ring and empties it. Returns how many blocks were freed.
    fn write(&mut self, ring: &SharedRing, blocks: &mut BlockTable) -> u64 {
        // The lanes first: if we die in between, some records come again. The other way round the next
        // consumer would find their blocks gone and call them missing.
        for (lane, progress) in self.lanes.drain(..) {
            progress.write(ring, lane);
        }
        let freed = |(index, pending)| u64::from(blocks.acknowledge(ring, index, pending));
        let freed = self.blocks.drain(..).map(freed).sum();
        self.totals.write(ring);
        freed
    }
}
