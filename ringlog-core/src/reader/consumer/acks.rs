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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::reader::{Body, Consumer};
    use crate::{Level, Ring};

    fn begin(mut consumer: Consumer) -> Consumer {
        consumer.set_grace(Duration::ZERO);
        consumer
    }

    /// Acknowledges a record of several blocks and what follows it, dies after `freed` blocks, and checks what the next
    /// consumer finds. Returns whether there were more blocks.
    fn die_after(freed: usize) -> bool {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("ring");
        let options = Ring::options().size("64KiB").block_bytes(1024).lanes(4);
        let ring = options.create(path.to_str().unwrap()).unwrap();
        let log = ring.logger();
        for text in
            ["long".repeat(700), "short".to_owned(), "x".repeat(600), "x".repeat(600), "y".repeat(600)]
        {
            log.text(Level::INFO, "", text).unwrap();
        }
        let mut consumer = begin(ring.consumer().unwrap());
        // The blocks of the first record are begun before it is given out, and what was begun is acknowledged.
        assert!(consumer.peek(Duration::from_secs(5)).unwrap().is_some());
        consumer.ack().unwrap();
        for _ in 0..5 {
            assert!(consumer.next(Duration::from_secs(5)).unwrap().is_some());
        }
        assert!(consumer.next(Duration::ZERO).unwrap().is_none());
        let mark = consumer.mark();
        let batch = consumer.acks.pending.front_mut().unwrap();
        let has_more = batch.blocks.len() > freed;
        batch.blocks.truncate(freed);
        consumer.ack_to(mark).unwrap();
        let mut next = begin(consumer.rewind().unwrap());
        while let Some(entry) = next.next(Duration::from_millis(5)).unwrap() {
            assert!(matches!(entry.body, Body::Record(_)), "after {freed} blocks: {entry}");
        }
        has_more
    }

    #[test]
    fn a_death_between_two_blocks_makes_no_gap() {
        let deaths = (0..).take_while(|freed| die_after(*freed)).count();
        assert!(deaths > 3, "{deaths}");
    }
}
