//! The blocks of the ring as the consumer sees them: how far each is published, and how far its records have
//! been given out.

use crate::shm::block::{BlockId, Phase, SharedRing, State};
use crate::shm::layout::{BLOCK_HEADER_SLOTS, block, halves, pair};
use crate::shm::sync::Ordering;

/// A block of records with a copy of its header, as a scan found it.
#[derive(Debug)]
pub(super) struct FoundBlock {
    pub(super) id: BlockId,
    header: Box<[u64; block::WORDS]>,
}

impl FoundBlock {
    pub(super) fn new(id: BlockId, header: [u64; block::WORDS]) -> FoundBlock {
        FoundBlock { id, header: Box::new(header) }
    }

    pub(super) fn header(&self) -> &[u64; block::WORDS] {
        &self.header
    }

    pub(super) fn lane(&self) -> u32 {
        halves(self.header[block::LANE]).0
    }

    pub(super) fn incarnation(&self) -> u32 {
        halves(self.header[block::LANE]).1
    }

    /// The process lane of the block's owner, and its incarnation.
    pub(super) fn process(&self) -> (u32, u32) {
        halves(self.header[block::PROCESS])
    }

    /// The block's number in the chain of its lane's incarnation, from 0.
    pub(super) fn chain(&self) -> u64 {
        self.header[block::CHAIN]
    }
}

/// The end of a record: a block, and the slot behind the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordEnd {
    pub(super) block: u32,
    pub(super) slot: u32,
}

/// What one look at a block showed.
#[derive(Debug, Default)]
pub(super) struct BlockNews {
    /// More slots are published than at the look before.
    pub(super) has_grown: bool,
    /// The lane that had the block before, which was taken away before all of it was parsed. Only a damaged
    /// state word can do that.
    pub(super) lost_by: Option<u32>,
    /// The block, the first time that its header is seen.
    pub(super) found: Option<FoundBlock>,
}

/// How far a block was given out at a mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingAck {
    word: u64,
    given: u32,
    is_done: bool,
}

/// What the consumer knows of one block.
#[derive(Clone, Copy, Debug, Default)]
struct BlockCursor {
    /// The state word at the last scan.
    word: u64,
    /// Slots that were published then.
    limit: u32,
    /// The block was sealed before `limit` was read: `limit` is final.
    sealed: bool,
    /// The header has been handed over for reading.
    found: bool,
    /// Parsed to its end.
    parsed: bool,
    /// Slots whose records have been given out, or need not be.
    given: u32,
    /// Slots that an earlier consumer had persisted.
    resume_at: u32,
    dirty: bool,
    /// Incarnation of its owner, and number in the chain, once its header has been read.
    place: (u32, u64),
}

/// All blocks of the ring. Knows which of them have progress that the next mark has to take.
#[derive(Debug)]
pub(super) struct BlockTable {
    cursors: Vec<BlockCursor>,
    dirty: Vec<u32>,
}

impl BlockTable {
    /// Begins with what earlier consumers have persisted but not freed.
    pub(super) fn new(ring: &SharedRing) -> BlockTable {
        let resumed = |index| {
            let (generation, slots) = halves(ring.progress(index).load(Ordering::Acquire));
            let state = ring.state(index)?;
            let is_current = state.phase != Phase::Free && generation == state.generation;
            is_current.then(|| BlockCursor { resume_at: slots, ..BlockCursor::default() })
        };
        let cursors = (0..ring.geometry().block_count).map(|index| resumed(index).unwrap_or_default());
        BlockTable { cursors: cursors.collect(), dirty: Vec::new() }
    }

    /// Brings the cursor of a block of records up to date. `state` is its state word, loaded just now.
    pub(super) fn observe(&mut self, ring: &SharedRing, index: u32, state: State) -> BlockNews {
        let mut news = BlockNews::default();
        let cursor = &mut self.cursors[index as usize];
        let word = state.word();
        if cursor.word == word && cursor.sealed {
            return news;
        }
        let before = State::decode(cursor.word);
        if before.is_none_or(|s| s.generation != state.generation || s.phase == Phase::Free) {
            // Only the consumer frees a block of records, but any process may scribble over the state word.
            news.lost_by = before.filter(|_| cursor.found && !cursor.parsed).map(|state| state.lane);
            let resume_at = if cursor.word == 0 { cursor.resume_at } else { 0 };
            *cursor = BlockCursor { resume_at, ..BlockCursor::default() };
        }
        cursor.word = word;
        // The state was loaded before this: if it said SEALED, this is the last `committed`.
        let limit = ring.committed(index, state.generation);
        cursor.sealed = state.phase == Phase::Sealed;
        news.has_grown = limit.unwrap_or(0) > cursor.limit;
        cursor.limit = cursor.limit.max(limit.unwrap_or(0));
        if !cursor.found {
            let id = BlockId { index, generation: state.generation };
            match limit.and_then(|_| ring.block_header(id)) {
                Some(header) => {
                    let block = FoundBlock::new(id, header);
                    cursor.found = true;
                    cursor.place = (block.incarnation(), block.chain());
                    news.found = Some(block);
                }
                // Its owner died before it wrote the header: nothing was published in it.
                None if cursor.sealed => {
                    cursor.parsed = true;
                    self.deliver(RecordEnd { block: index, slot: BLOCK_HEADER_SLOTS });
                }
                None => {}
            }
        }
        news
    }

    /// Appends the slots from `from` on that the last scan saw published. Returns the slot where the copy ends,
    /// and `None` if there are none.
    pub(super) fn copy_published(
        &self,
        ring: &SharedRing,
        index: u32,
        from: u32,
        words: &mut Vec<u64>,
    ) -> Option<u32> {
        let limit = self.cursors[index as usize].limit;
        if limit <= from {
            return None;
        }
        words.clear();
        ring.copy_slots(index, from, limit, words);
        Some(limit)
    }

    /// Whether an earlier consumer has persisted the record that ends here.
    #[inline]
    pub(super) fn was_persisted(&self, end: RecordEnd) -> bool {
        end.slot <= self.cursors[end.block as usize].resume_at
    }

    /// Notes that the block's records up to here have been given out, or need not be.
    #[inline]
    pub(super) fn deliver(&mut self, end: RecordEnd) {
        let cursor = &mut self.cursors[end.block as usize];
        cursor.given = cursor.given.max(end.slot).max(cursor.resume_at);
        if !std::mem::replace(&mut cursor.dirty, true) {
            self.dirty.push(end.block);
        }
    }

    /// As [`deliver`](Self::deliver); changes nothing if that much was noted before.
    pub(super) fn deliver_up_to(&mut self, end: RecordEnd) {
        if self.cursors[end.block as usize].given < end.slot {
            self.deliver(end);
        }
    }

    /// Notes that a sealed block has been parsed to its end. Returns false, and notes nothing, for one that may
    /// still grow.
    pub(super) fn finish_parsing(&mut self, index: u32) -> bool {
        let cursor = &mut self.cursors[index as usize];
        cursor.parsed |= cursor.sealed;
        cursor.sealed
    }

    /// Notes that all of a block has been given out, if it has been parsed to its end.
    pub(super) fn deliver_parsed(&mut self, index: u32) {
        let BlockCursor { parsed, limit, .. } = self.cursors[index as usize];
        if parsed {
            self.deliver(RecordEnd { block: index, slot: limit });
        }
    }

    /// Passes over a block: none of its records is to be given out.
    pub(super) fn skip(&mut self, index: u32) {
        self.cursors[index as usize].parsed = true;
        self.deliver_parsed(index);
    }

    /// Whether there is progress since the last mark.
    pub(super) fn has_progress(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Moves the progress since the last mark to `pending`. The blocks of a lane come in the order of its chain: if we
    /// die while they are freed, the next consumer finds an end of the chain, and nothing missing in its middle.
    pub(super) fn take_progress(&mut self, pending: &mut Vec<(u32, PendingAck)>) {
        let BlockTable { cursors, dirty } = self;
        dirty.sort_unstable_by_key(|index| cursors[*index as usize].place);
        for index in dirty.drain(..) {
            let cursor = &mut cursors[index as usize];
            cursor.dirty = false;
            let is_done = cursor.parsed && cursor.sealed && cursor.given >= cursor.limit;
            pending.push((index, PendingAck { word: cursor.word, given: cursor.given, is_done }));
        }
    }

    /// Writes a block's progress into the ring, and frees the block if it is done. Returns whether it was freed.
    pub(super) fn acknowledge(&mut self, ring: &SharedRing, index: u32, pending: PendingAck) -> bool {
        let cursor = &mut self.cursors[index as usize];
        let generation = |word| State::decode(word).map(|state| state.generation);
        // An earlier batch has freed the block, or some process has scribbled over its state word.
        if generation(cursor.word) != generation(pending.word) {
            return false;
        }
        let Some(state) = State::decode(cursor.word) else { return false };
        ring.progress(index).store(pair(state.generation, pending.given), Ordering::Release);
        let is_freed = pending.is_done && ring.free(index, state, pending.given);
        if is_freed {
            let word = State::free(state.generation.wrapping_add(1)).word();
            *cursor = BlockCursor { word, ..BlockCursor::default() };
        }
        is_freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::block::Kind;
    use crate::{Level, Ring};

    /// Calls `check` with a ring in which a thread that has ended logged `records`.
    fn with_records(records: u32, check: impl FnOnce(&SharedRing, u32, State)) {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("ring");
        let ring = Ring::options().size("1MiB").create(path.to_str().unwrap()).unwrap();
        let log = ring.logger();
        let thread = std::thread::spawn(move || {
            (0..records).for_each(|_| log.text(Level::INFO, "", "text").unwrap());
        });
        thread.join().unwrap();
        ring.with_ring(|ring| {
            let is_records = |state: &State| state.kind == Kind::Records && state.phase != Phase::Free;
            let found = |index| ring.state(index).filter(is_records).map(|state| (index, state));
            let (index, state) = (0..ring.geometry().block_count).find_map(found).unwrap();
            check(ring, index, state);
        });
    }

    fn take_progress(blocks: &mut BlockTable) -> Vec<(u32, PendingAck)> {
        let mut pending = Vec::new();
        blocks.take_progress(&mut pending);
        pending
    }

    #[test]
    fn a_block_is_freed_when_all_of_it_is_acknowledged() {
        with_records(3, |ring, index, state| {
            assert_eq!(state.phase, Phase::Sealed, "its owner has closed the lane");
            let mut blocks = BlockTable::new(ring);
            let news = blocks.observe(ring, index, state);
            assert!(news.has_grown && news.lost_by.is_none());
            assert_eq!(news.found.map(|block| (block.lane(), block.chain())), Some((state.lane, 0)));
            let again = blocks.observe(ring, index, state);
            assert!(!again.has_grown && again.found.is_none());

            let mut words = Vec::new();
            let end = blocks.copy_published(ring, index, BLOCK_HEADER_SLOTS, &mut words).unwrap();
            assert!(!words.is_empty() && blocks.copy_published(ring, index, end, &mut words).is_none());

            blocks.deliver(RecordEnd { block: index, slot: end });
            let first = take_progress(&mut blocks);
            assert!(blocks.finish_parsing(index));
            blocks.deliver_parsed(index);
            let second = take_progress(&mut blocks);
            assert!(!blocks.has_progress());
            let mut freed = [first, second].map(|batch| {
                assert_eq!(batch.len(), 1);
                blocks.acknowledge(ring, index, batch[0].1)
            });
            freed.sort_unstable();
            assert_eq!(freed, [false, true]);
            assert_eq!(ring.state(index).map(|state| state.phase), Some(Phase::Free));
        });
    }

    #[test]
    fn a_block_whose_state_was_scribbled_over_is_not_freed() {
        with_records(1, |ring, index, state| {
            let mut blocks = BlockTable::new(ring);
            blocks.observe(ring, index, state);
            assert!(blocks.finish_parsing(index));
            blocks.deliver_parsed(index);
            let pending = take_progress(&mut blocks);
            assert!(!ring.seal_dead(index, state));
            let open = State { phase: Phase::Open, ..state };
            let word = ring.geometry().states_offset() / 8 + index as usize;
            ring.memory().word(word).store(open.word(), Ordering::Relaxed);
            blocks.observe(ring, index, open);
            assert!(!blocks.acknowledge(ring, index, pending[0].1));
            assert!(!ring.free(index, open, u32::MAX));
            assert_eq!(ring.state(index), Some(open));
        });
    }

    #[test]
    fn the_next_consumer_passes_over_what_is_persisted() {
        with_records(3, |ring, index, state| {
            let mut blocks = BlockTable::new(ring);
            blocks.observe(ring, index, state);
            let middle = RecordEnd { block: index, slot: BLOCK_HEADER_SLOTS + 1 };
            blocks.deliver(middle);
            for (index, pending) in take_progress(&mut blocks) {
                assert!(!blocks.acknowledge(ring, index, pending));
            }
            let next = BlockTable::new(ring);
            let after = RecordEnd { slot: middle.slot + 1, ..middle };
            assert!(next.was_persisted(middle) && !next.was_persisted(after));
        });
    }

    #[test]
    fn a_block_that_is_taken_away_unparsed_is_lost() {
        with_records(1, |ring, index, state| {
            let mut blocks = BlockTable::new(ring);
            blocks.observe(ring, index, state);
            let another = State { generation: state.generation + 1, ..state };
            assert_eq!(blocks.observe(ring, index, another).lost_by, Some(state.lane));
            blocks.skip(index);
            let yet_another = State { generation: state.generation + 2, ..state };
            assert_eq!(blocks.observe(ring, index, yet_another).lost_by, None);
        });
    }
}
