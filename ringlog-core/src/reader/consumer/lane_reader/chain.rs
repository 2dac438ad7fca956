//! The blocks of one lane in the order in which its owners took them.

use std::collections::VecDeque;

use crate::reader::consumer::blocks::FoundBlock;
use crate::shm::layout::block;

/// A place between two blocks of a lane: the incarnation, and the number of its next block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reader::consumer) struct ChainPlace {
    pub(in crate::reader::consumer) incarnation: u32,
    pub(in crate::reader::consumer) next: u64,
}

/// The blocks that scans have found and that are still to be read, and the place of the next one.
#[derive(Debug)]
pub(super) struct Chain {
    found: VecDeque<FoundBlock>,
    place: ChainPlace,
    /// The scan in which the block at `place` was missed; 0 if it was not.
    missed_in_scan: u64,
}

/// The next block to be read.
#[derive(Debug)]
pub(super) struct NextBlock {
    pub(super) block: FoundBlock,
    /// The place before the block was taken.
    pub(super) before: ChainPlace,
    /// Blocks of the same incarnation are missing before this one.
    pub(super) follows_missing: bool,
}

fn place(block: &FoundBlock) -> (u32, u64) {
    (block.incarnation(), block.chain())
}

impl Chain {
    pub(super) fn new(place: ChainPlace) -> Chain {
        Chain { found: VecDeque::new(), place, missed_in_scan: 0 }
    }

    pub(super) fn place(&self) -> ChainPlace {
        self.place
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn insert(&mut self, block: FoundBlock) {
        let key = place(&block);
        let at = self.found.partition_point(|other| place(other) <= key);
        self.found.insert(at, block);
    }

    pub(super) fn remove(&mut self, index: u32) {
        self.found.retain(|block| block.id.index != index);
    }

    /// The blocks that are to be read.
    pub(super) fn found(&self) -> impl Iterator<Item = &FoundBlock> {
        self.found.iter()
    }

    /// Takes out the next block. If the one at [`place`](Self::place) is not there, that counts only after another
    /// full scan: a scan is not one moment, and may find a block but miss the one before it.
    pub(super) fn take_next(&mut self, scan: u64) -> Option<NextBlock> {
        let (incarnation, chain) = place(self.found.front()?);
        let before = self.place;
        let is_expected = incarnation == before.incarnation && chain <= before.next;
        if !is_expected && self.missed_in_scan == 0 {
            self.missed_in_scan = scan;
        }
        if !is_expected && scan <= self.missed_in_scan {
            return None;
        }
        self.missed_in_scan = 0;
        let block = self.found.pop_front()?;
        let first_expected = if incarnation == before.incarnation { before.next } else { 0 };
        self.place = ChainPlace { incarnation, next: chain.wrapping_add(1) };
        Some(NextBlock { block, before, follows_missing: chain > first_expected })
    }

    /// From which tick on there may be entries that this scan cannot give out yet, because it cannot prove that the
    /// block before theirs is gone. The next scan can; until then no younger entry may be given out.
    pub(super) fn held_back_from(&self, scan: u64) -> Option<u64> {
        let next = self.found.front().filter(|_| self.missed_in_scan == scan)?;
        Some(next.header()[block::ANCHOR_TICKS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::block::BlockId;
    use crate::shm::layout::pair;

    fn block_at(incarnation: u32, chain: u64) -> FoundBlock {
        let mut header = [0; block::WORDS];
        header[block::LANE] = pair(0, incarnation);
        header[block::CHAIN] = chain;
        header[block::ANCHOR_TICKS] = 100 * u64::from(incarnation) + chain;
        FoundBlock::new(BlockId { index: chain as u32, generation: 1 }, header)
    }

    fn chain() -> Chain {
        Chain::new(ChainPlace { incarnation: 1, next: 0 })
    }

    fn take(chain: &mut Chain, scan: u64) -> Option<(u32, u64, bool)> {
        let next = chain.take_next(scan)?;
        Some((next.block.incarnation(), next.block.chain(), next.follows_missing))
    }

    #[test]
    fn blocks_come_in_order_however_they_were_found() {
        let mut chain = chain();
        for found in [2, 0, 1] {
            chain.insert(block_at(1, found));
        }
        let order: Vec<_> = std::iter::from_fn(|| take(&mut chain, 1)).collect();
        assert_eq!(order, [(1, 0, false), (1, 1, false), (1, 2, false)]);
        assert!(chain.is_empty());
    }

    #[test]
    fn a_block_is_missing_only_after_another_scan() {
        let mut chain = chain();
        chain.insert(block_at(1, 1));
        assert_eq!(take(&mut chain, 5), None);
        assert_eq!((chain.held_back_from(5), chain.held_back_from(6)), (Some(101), None));
        assert_eq!(take(&mut chain, 6), Some((1, 1, true)));
    }

    #[test]
    fn the_block_that_was_missed_is_taken_when_it_is_found() {
        let mut chain = chain();
        chain.insert(block_at(1, 1));
        assert_eq!(take(&mut chain, 5), None);
        chain.insert(block_at(1, 0));
        assert_eq!(take(&mut chain, 5), Some((1, 0, false)));
        assert_eq!(take(&mut chain, 5), Some((1, 1, false)));
    }

    #[test]
    fn a_new_incarnation_begins_at_its_own_first_block() {
        let mut chain = chain();
        chain.insert(block_at(2, 0));
        assert_eq!(take(&mut chain, 1), None, "blocks of incarnation 1 may still be found");
        let next = chain.take_next(2).unwrap();
        assert!(!next.follows_missing);
        assert_eq!(next.before, ChainPlace { incarnation: 1, next: 0 });
        assert_eq!(chain.place(), ChainPlace { incarnation: 2, next: 1 });
        assert_eq!(chain.found().count(), 0);
    }
}
