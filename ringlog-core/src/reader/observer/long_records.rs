//! Records of several blocks, put together from the parts that an observer finds in any order.

use super::FoundRecord;
use crate::shm::record_header::{Header, flag};

/// A part of a record of several blocks.
#[derive(Debug)]
pub(super) struct Part {
    /// Lane, incarnation, and number of the block in the chain.
    place: (u32, u32, u64),
    header: Header,
    bytes: Vec<u8>,
    /// The record, without its payload, in the first part.
    first: Option<FoundRecord>,
    has_waited: bool,
}

impl Part {
    pub(super) fn new(
        place: (u32, u32, u64),
        header: Header,
        bytes: &[u8],
        first: Option<FoundRecord>,
    ) -> Part {
        Part { place, header, bytes: bytes.to_vec(), first, has_waited: false }
    }

    fn has_more(&self) -> bool {
        self.header.flags & flag::MORE != 0
    }

    fn is_followed_by(&self, next: &Part) -> bool {
        let (lane, incarnation, chain) = self.place;
        self.has_more() && next.first.is_none() && next.place == (lane, incarnation, chain.wrapping_add(1))
    }
}

/// Parts that were found without the others. They wait for one more poll.
#[derive(Debug, Default)]
pub(super) struct LongRecords {
    waiting: Vec<Part>,
}

impl LongRecords {
    /// Joins the parts of this poll, and those of the one before, to records. Parts whose others were published
    /// during the poll wait for the next one. After that the others are gone, and the record counts as missed.
    pub(super) fn join(&mut self, found: Vec<Part>, limit: usize) -> Vec<FoundRecord> {
        let mut records = Vec::new();
        let mut parts = std::mem::take(&mut self.waiting);
        parts.extend(found);
        parts.sort_by_key(|part| part.place);
        let mut parts = parts.into_iter().peekable();
        while let Some(part) = parts.next() {
            let mut run = vec![part];
            while let (Some(last), Some(next)) = (run.last(), parts.peek())
                && last.is_followed_by(next)
                && let Some(next) = parts.next()
            {
                run.push(next);
            }
            let is_complete = run.last().is_some_and(|last| !last.has_more());
            let bytes: usize = run.iter().map(|part| part.bytes.len()).sum();
            match run[0].first.clone() {
                Some(record) if is_complete && bytes <= limit => {
                    let payload = run.into_iter().flat_map(|part| part.bytes).collect();
                    records.push(FoundRecord { payload, ..record });
                }
                _ => {
                    let fresh = run.into_iter().filter(|part| !part.has_waited);
                    self.waiting.extend(fresh.map(|part| Part { has_waited: true, ..part }));
                }
            }
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::origin::Origin;
    use crate::shm::block::BlockId;
    use std::sync::Arc;

    fn part(chain: u64, bytes: &[u8], is_first: bool, has_more: bool) -> Part {
        let flags = if has_more { flag::MORE } else { 0 };
        let header = Header { definition: 0, length: bytes.len() as u32, flags, ticks: 0 };
        let origin = Arc::new(Origin::unknown(1, 1));
        let block = BlockId { index: 0, generation: 0 };
        let first = FoundRecord { block, header, unix_ns: 0, sequence: 0, origin, payload: Vec::new() };
        Part::new((1, 1, chain), header, bytes, is_first.then_some(first))
    }

    fn joined(records: &mut LongRecords, found: Vec<Part>) -> Vec<Vec<u8>> {
        records.join(found, 10).into_iter().map(|record| record.payload).collect()
    }

    #[test]
    fn parts_are_joined_in_the_order_of_the_chain() {
        let mut records = LongRecords::default();
        let found = vec![part(3, b"c", false, false), part(1, b"a", true, true), part(2, b"b", false, true)];
        assert_eq!(joined(&mut records, found), [b"abc"]);
        assert!(records.waiting.is_empty());
    }

    #[test]
    fn a_part_waits_for_one_more_poll() {
        let mut records = LongRecords::default();
        assert!(joined(&mut records, vec![part(1, b"a", true, true)]).is_empty());
        assert_eq!(joined(&mut records, vec![part(2, b"b", false, false)]), [b"ab"]);
        assert!(joined(&mut records, vec![part(5, b"a", true, true)]).is_empty());
        assert!(joined(&mut records, Vec::new()).is_empty());
        assert!(records.waiting.is_empty(), "it has waited and is given up");
    }

    #[test]
    fn a_record_longer_than_the_ring_takes_is_refused() {
        let mut records = LongRecords::default();
        let found = vec![part(1, &[0; 6], true, true), part(2, &[0; 5], false, false)];
        assert!(joined(&mut records, found).is_empty());
    }
}
