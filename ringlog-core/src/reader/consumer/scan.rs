//! Looking at all blocks: which there are, and how far each is published.

use std::cmp::Reverse;
use std::time::Instant;

use super::Consumer;
use super::lane_reader::Chained;
use crate::reader::entry::block_header;
use crate::shm::block::{BlockId, Kind, Phase, SharedRing, State};
use crate::shm::layout::{BLOCK_HEADER_SLOTS, block, halves, header, pair};
use crate::shm::sync::Ordering;

/// What the consumer knows of one block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlockCursor {
    /// The state word at the last scan.
    word: u64,
    /// Slots that were published then.
    pub(super) limit: u32,
    /// It was sealed before `limit` was read: there will be no more.
    pub(super) sealed: bool,
    /// Its lane's queue has it.
    chained: bool,
    /// Parsed to its end.
    pub(super) parsed: bool,
    /// Slots whose records have been given out (or need not be).
    given: u32,
    /// Slots that an earlier consumer had persisted.
    resume_at: u32,
    dirty: bool,
}

impl BlockCursor {
    /// Records up to slot `slots` have been given out.
    pub(super) fn delivered(&mut self, index: u32, slots: u32, dirty: &mut Vec<u32>) {
        self.given = self.given.max(slots).max(self.resume_at);
        if !std::mem::replace(&mut self.dirty, true) {
            dirty.push(index);
        }
    }

    fn is_of_generation_of(&self, word: u64) -> bool {
        let generation = |word| State::decode(word).map(|state| state.generation);
        generation(self.word) == generation(word)
    }

    /// The same, where it may have been said before.
    pub(super) fn deliver_up_to(&mut self, index: u32, slots: u32, dirty: &mut Vec<u32>) {
        if self.given < slots {
            self.delivered(index, slots, dirty);
        }
    }

    /// Whether an earlier consumer has persisted the record that ends at slot `end`.
    pub(super) fn was_delivered(&self, end: u32) -> bool {
        end <= self.resume_at
    }

    /// How far the block is given out now.
    pub(super) fn stage(&mut self) -> PendingAck {
        self.dirty = false;
        let is_done = self.parsed && self.sealed && self.given >= self.limit;
        PendingAck { word: self.word, given: self.given, is_done }
    }

    /// Writes down the progress, and frees the block if it is done with. Returns whether it was freed.
    pub(super) fn acknowledge(&mut self, ring: &SharedRing, index: u32, staged: PendingAck) -> bool {
        // An earlier stage has freed it, or somebody has scribbled over its state.
        if !self.is_of_generation_of(staged.word) {
            return false;
        }
        let Some(state) = State::decode(self.word) else { return false };
        ring.progress(index).store(pair(state.generation, staged.given), Ordering::Release);
        if staged.is_done && ring.free(index, state, staged.given) {
            *self = BlockCursor {
                word: State::free(state.generation.wrapping_add(1)).word(),
                ..BlockCursor::default()
            };
            return true;
        }
        false
    }
}

/// How far a block was given out at a mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingAck {
    word: u64,
    given: u32,
    is_done: bool,
}

/// What one scan found, for the choice of the grace.
struct Load {
    free: u32,
    only_lane: Option<u32>,
    several_lanes: bool,
}

/// Up to this much in use the grace is whole; it fits into a core's second-level cache.
const HELD_AT_EASE: u64 = 512 << 10;
/// From this much in use there is none.
const HELD_AT_MOST: u64 = 4 << 20;

impl Consumer {
    /// Takes up what earlier consumers have persisted but not freed.
    pub(super) fn take_up(&mut self, ring: &SharedRing) {
        for index in 0..ring.geometry().block_count {
            let Some(state) = ring.state(index) else { continue };
            let (generation, slots) = halves(ring.progress(index).load(Ordering::Acquire));
            if state.phase != Phase::Free && generation == state.generation {
                self.seen[index as usize] = BlockCursor { resume_at: slots, ..BlockCursor::default() };
            }
        }
    }

    /// Looks at every block, lets the lanes find their next entries, and sets up to which time entries
    /// may be emitted. Returns whether anything new was found.
    pub(super) fn scan(&mut self, ring: &SharedRing) -> bool {
        self.scan_number += 1;
        // The clock first: what is published after this is younger, but for interrupted log calls.
        self.scan_ticks = self.session.info.clock.ticks();
        self.last_scan = Instant::now();
        self.scan_unix_ns = crate::shm::clock::unix_ns();
        ring.header_word(header::CONSUMER_BEAT_UNIX_NS).store(self.scan_unix_ns, Ordering::Relaxed);
        self.reclaim_if_due(ring);
        let mut load = Load { free: 0, only_lane: None, several_lanes: false };
        let mut touched = false;
        for index in 0..ring.geometry().block_count {
            match ring.state(index) {
                Some(State { phase: Phase::Free, .. }) => load.free += 1,
                Some(state) if state.kind == Kind::Records => {
                    load.several_lanes |= *load.only_lane.get_or_insert(state.lane) != state.lane;
                    touched |= self.look_at(ring, index, state);
                }
                _ => {}
            }
        }
        self.scans_done = self.scan_number;
        self.free_blocks = load.free;
        self.horizon = self.horizon_for(ring, &load);
        let heads = self.heads.len();
        self.refresh_heads(ring);
        let changed = !self.dirty.is_empty() || !self.dirty_lanes.is_empty();
        if self.unacknowledged == 0 && !self.handed_out && changed {
            // Blocks and deaths without anything to give out: nobody has to acknowledge those.
            self.acknowledge_all(ring);
        }
        touched || self.heads.len() > heads
    }

    /// Brings what is known of a block of records up to date.
    fn look_at(&mut self, ring: &SharedRing, index: u32, state: State) -> bool {
        let seen = &mut self.seen[index as usize];
        let word = state.word();
        if seen.word == word && seen.sealed {
            return false;
        }
        let before = State::decode(seen.word);
        if before.is_none_or(|s| s.generation != state.generation || s.phase == Phase::Free) {
            // Nobody gives back what we have not read, but somebody may scribble over the state word.
            if let Some(queue) = before.and_then(|s| self.lanes.get_mut(s.lane as usize))
                && seen.chained
                && !seen.parsed
            {
                queue.lose(index);
            }
            let resume_at = if seen.word == 0 { seen.resume_at } else { 0 };
            *seen = BlockCursor { resume_at, ..BlockCursor::default() };
        }
        seen.word = word;
        // The state was loaded before this: if it said SEALED, this is the last `committed`.
        let limit = ring.committed(index, state.generation);
        seen.sealed = state.phase == Phase::Sealed;
        let grown = limit.unwrap_or(0) > seen.limit;
        seen.limit = seen.limit.max(limit.unwrap_or(0));
        if !seen.chained {
            let id = BlockId { index, generation: state.generation };
            match limit.and_then(|_| block_header(ring, id)) {
                Some(header) => self.chain(id, state, header),
                // Its owner died before it wrote the header: nothing was published in it.
                None if seen.sealed => {
                    seen.parsed = true;
                    seen.delivered(index, BLOCK_HEADER_SLOTS, &mut self.dirty);
                }
                None => {}
            }
        }
        grown
    }

    /// Puts a block into its lane's queue. A header that names another lane than the state word is no
    /// header: the block is skipped.
    fn chain(&mut self, id: BlockId, state: State, header: [u64; block::WORDS]) {
        let seen = &mut self.seen[id.index as usize];
        seen.chained = true;
        let (lane, _) = halves(header[block::LANE]);
        match self.lanes.get_mut(lane as usize) {
            Some(queue) if lane == state.lane && queue.passes_over.block(&header) => {
                // Its owner is known to be gone, so it is sealed.
                seen.parsed = true;
                let limit = seen.limit;
                seen.delivered(id.index, limit, &mut self.dirty);
            }
            Some(queue) if lane == state.lane => {
                queue.add(Chained { id, header: Box::new(header) });
            }
            _ => {
                // It begins with what is in shared memory, so it may be anything.
                self.damaged = self.damaged.wrapping_add(1);
                seen.parsed = true;
                let limit = seen.limit;
                seen.delivered(id.index, limit, &mut self.dirty);
            }
        }
    }

    /// Entries older than the scan, minus a grace, may be emitted. One lane alone is in order by itself
    /// and needs no grace. The more is held back the shorter the grace: waiting must neither cost a
    /// record nor drive the producers out of their caches.
    fn horizon_for(&self, ring: &SharedRing, load: &Load) -> u64 {
        if !self.is_of_this_boot {
            return u64::MAX;
        }
        if !load.several_lanes {
            return self.scan_ticks;
        }
        let geometry = ring.geometry();
        let used = u64::from(geometry.block_count - load.free.min(geometry.block_count));
        let used_bytes = used * u64::from(geometry.block_bytes);
        let ring_bytes = u64::from(geometry.block_count) * u64::from(geometry.block_bytes);
        let (mut all, mut none) = (ring_bytes / 4, ring_bytes / 4 * 3);
        if !self.prefers_order {
            (all, none) = (all.min(HELD_AT_EASE), none.min(HELD_AT_MOST));
        }
        let share = none.saturating_sub(used_bytes).min(none - all) * 1024 / (none - all).max(1);
        let ns = self.grace.as_nanos().min(u128::from(u64::MAX)) as u64 / 1024 * share;
        let ticks = (u128::from(ns) << 32) / u128::from(self.session.info.ns_per_tick.max(1));
        self.scan_ticks.saturating_sub(u64::try_from(ticks).unwrap_or(u64::MAX))
    }

    /// Lets every lane without an entry look for its next one.
    pub(super) fn refresh_heads(&mut self, ring: &SharedRing) {
        let far_future = self.far_future();
        let bound = if self.is_of_this_boot { self.scan_ticks } else { u64::MAX };
        for (lane, queue) in (0_u32..).zip(&mut self.lanes) {
            queue.bound_ticks(bound);
            if queue.head_ticks().is_some() {
                continue;
            }
            queue.advance(ring, &mut self.seen, &mut self.dirty, self.scan_number);
            if let Some(ticks) = queue.head_ticks() {
                self.heads.push(Reverse((ticks.min(far_future), lane)));
            } else if let Some(ticks) = queue.held_back_from(self.scan_number) {
                self.horizon = self.horizon.min(ticks);
            }
        }
    }
}
