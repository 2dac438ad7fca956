//! A record of several blocks, put together from its parts.

use crate::reader::consumer::blocks::BlockTable;
use crate::shm::record_header::Header;

/// What the first part says of the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstPart {
    pub(super) header: Header,
    pub(super) unix_ns: u64,
    pub(super) sequence: u64,
}

/// The parts read so far. The bytes and blocks stay after the last part, until the record has been given out.
#[derive(Debug, Default)]
pub(super) struct LongRecord {
    /// The first part and the number of the next one, until the record is complete.
    unfinished: Option<(FirstPart, u32)>,
    bytes: Vec<u8>,
    /// Blocks that hold parts: not to be freed before the record is given out.
    blocks: Vec<u32>,
}

impl LongRecord {
    pub(super) fn begin(&mut self, first: FirstPart, payload: &[u8], block: u32) {
        self.bytes.clear();
        self.bytes.extend_from_slice(payload);
        self.blocks.push(block);
        self.unfinished = Some((first, 1));
    }

    #[inline]
    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Whether this is the next part, and the record stays within `limit` bytes.
    pub(super) fn accepts(&self, part: u32, length: usize, limit: usize) -> bool {
        let is_next = self.unfinished.is_some_and(|(_, next)| next == part);
        is_next && length > 0 && self.bytes.len() + length <= limit
    }

    pub(super) fn append(&mut self, payload: &[u8], block: u32) {
        if let Some((_, next)) = &mut self.unfinished {
            self.bytes.extend_from_slice(payload);
            if self.blocks.last() != Some(&block) {
                self.blocks.push(block);
            }
            *next += 1;
        }
    }

    /// Ends the record, whether it is complete or given up. Its blocks stay held.
    #[inline]
    pub(super) fn finish(&mut self) -> Option<FirstPart> {
        self.unfinished.take().map(|(first, _)| first)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the block holds a part that has not been given out.
    pub(super) fn holds(&self, block: u32) -> bool {
        self.blocks.contains(&block)
    }

    /// Lets go of the blocks: the record has been given out or given up.
    pub(super) fn release(&mut self, blocks: &mut BlockTable) {
        self.blocks.drain(..).for_each(|block| blocks.deliver_parsed(block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_in_order_and_within_the_limit() {
        let mut record = LongRecord::default();
        assert!(!record.accepts(1, 1, 100), "no part without a first one");
        let header = Header::decode([0, 0]);
        record.begin(FirstPart { header, unix_ns: 0, sequence: 7 }, b"ab", 4);
        let wanted = [(1, 8), (1, 9), (2, 1), (1, 0)].map(|(part, length)| record.accepts(part, length, 10));
        assert_eq!(wanted, [true, false, false, false]);
        record.append(b"cd", 4);
        record.append(b"e", 5);
        assert_eq!(record.finish().map(|first| first.sequence), Some(7));
        assert_eq!(record.bytes(), b"abcde");
        assert_eq!([4, 5, 6].map(|block| record.holds(block)), [true, true, false]);
        record.append(b"f", 6);
        assert!(!record.is_unfinished() && record.bytes() == b"abcde");
    }
}
