//! The private copy of the block that is being read. Every length in it is untrusted.

use std::ops::Range;

use crate::reader::consumer::blocks::{BlockTable, RecordEnd};
use crate::shm::block::{BlockId, SharedRing};
use crate::shm::clock::Anchor;
use crate::shm::layout::{BLOCK_HEADER_SLOTS, RECORD_HEADER_BYTES, SLOT_WORDS};
use crate::shm::record_header::Header;

/// A copy of published slots of one block, read record by record. The bytes of the last record stay when the
/// block is closed.
#[derive(Debug, Default)]
pub(super) struct BlockCopy {
    words: Vec<u64>,
    block: Option<OpenBlock>,
    /// Something was copied since the file was last checked for truncation.
    is_unchecked: bool,
}

#[derive(Debug)]
struct OpenBlock {
    id: BlockId,
    /// Slot up to which the block has been copied.
    copied: u32,
    /// Word in the copy where the next record starts.
    at: usize,
    /// Slot of the block where the copy starts.
    from: u32,
    /// Records before this sequence were given out by an earlier consumer.
    given_before: u64,
    anchor: Anchor,
}

/// What lies at the next place of a copy.
#[derive(Debug)]
pub(super) enum Slots {
    Record {
        header: Header,
        /// Bytes of the copy.
        payload: Range<usize>,
        end: RecordEnd,
    },
    /// A length that leads out of the copy. The rest of the copy is passed over.
    Damaged,
}

impl BlockCopy {
    /// Begins with a block, of which nothing is copied yet.
    pub(super) fn open(&mut self, id: BlockId, given_before: u64, anchor: Anchor) {
        self.words.clear();
        let (copied, from) = (BLOCK_HEADER_SLOTS, BLOCK_HEADER_SLOTS);
        self.block = Some(OpenBlock { id, copied, at: 0, from, given_before, anchor });
    }

    pub(super) fn close(&mut self) {
        self.block = None;
    }

    /// The block that is being read.
    pub(super) fn index(&self) -> Option<u32> {
        self.block.as_ref().map(|block| block.id.index)
    }

    /// The slot up to which it has been copied.
    pub(super) fn copied(&self) -> Option<RecordEnd> {
        self.block.as_ref().map(|block| RecordEnd { block: block.id.index, slot: block.copied })
    }

    /// Whether an earlier consumer has given out the block's record of this sequence.
    #[inline]
    pub(super) fn was_given(&self, sequence: u64) -> bool {
        self.block.as_ref().is_some_and(|block| sequence < block.given_before)
    }

    /// The time of a record of the block.
    #[inline]
    pub(super) fn unix_ns_at(&self, ticks: u64) -> u64 {
        self.block.as_ref().map_or(0, |block| block.anchor.unix_ns_at(ticks))
    }

    /// The anchor of the block that is being read.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        self.block.as_ref().map(|block| block.anchor)
    }

    pub(super) fn set_anchor(&mut self, anchor: Anchor) {
        if let Some(block) = &mut self.block {
            block.anchor = anchor;
        }
    }

    #[inline]
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[range]
    }

    /// The next record; `None` at the end of the copy.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Slots> {
        let block = self.block.as_mut()?;
        let [first, ticks] = self.words.get(block.at..)?.first_chunk::<2>()?;
        let header = Header::decode([*first, *ticks]);
        let start = block.at * 8 + RECORD_HEADER_BYTES;
        let words = header.slots() as usize * SLOT_WORDS;
        if block.at + words > self.words.len() {
            block.at = self.words.len();
            return Some(Slots::Damaged);
        }
        block.at += words;
        let slot = block.from + (block.at / SLOT_WORDS) as u32;
        let end = RecordEnd { block: block.id.index, slot };
        Some(Slots::Record { header, payload: start..start + header.length as usize, end })
    }

    /// Copies what has been published in the block since the last copy; false if nothing has.
    pub(super) fn refill(&mut self, ring: &SharedRing, blocks: &BlockTable) -> bool {
        let Some(block) = &mut self.block else { return false };
        let limit = blocks.copy_published(ring, block.id.index, block.copied, &mut self.words);
        let Some(limit) = limit else { return false };
        (block.from, block.copied, block.at) = (block.copied, limit, 0);
        self.is_unchecked = true;
        true
    }

    /// Whether something was copied since the last call: the file then has to be checked for truncation, because
    /// the rest of a page beyond its new end reads zero without a fault.
    #[inline]
    pub(super) fn take_unchecked(&mut self) -> bool {
        std::mem::take(&mut self.is_unchecked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy that holds these words, from the first slot of a block on.
    fn copy_of(words: Vec<u64>) -> BlockCopy {
        let mut copy = BlockCopy::default();
        let anchor = Anchor { ticks: 0, unix_ns: 0, ns_per_tick: 1 << 32 };
        copy.open(BlockId { index: 3, generation: 1 }, 0, anchor);
        copy.words = words;
        copy
    }

    /// The first word of a record with this payload.
    fn with_length(length: u32) -> u64 {
        u64::from(length) << 32
    }

    #[test]
    fn records_end_where_the_next_begins() {
        let mut words = vec![0; 3 * SLOT_WORDS];
        words[0] = with_length(10);
        words[SLOT_WORDS] = with_length(100);
        let mut copy = copy_of(words);
        for (length, slot) in [(10, BLOCK_HEADER_SLOTS + 1), (100, BLOCK_HEADER_SLOTS + 3)] {
            let Some(Slots::Record { header, payload, end }) = copy.next() else { panic!("no record") };
            assert_eq!((header.length, payload.len()), (length, length as usize));
            assert_eq!(end, RecordEnd { block: 3, slot });
        }
        assert!(copy.next().is_none());
    }

    #[test]
    fn a_length_that_leads_out_of_the_copy_ends_it() {
        let mut words = vec![0; SLOT_WORDS];
        words[0] = with_length(100);
        let mut copy = copy_of(words);
        assert!(matches!(copy.next(), Some(Slots::Damaged)));
        assert!(copy.next().is_none());
    }
}
