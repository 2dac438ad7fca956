//! Claims: items that were taken out and are not acknowledged yet. They lie in the ring, so that they outlive the
//! process that has them.
//!
//! A claim is a block, or several for a long item, of a kind that readers of records skip. Its life is that of its
//! first block: freed, it is acknowledged. Its owner is the process whose lane the block names. If the kernel says that
//! this lane has no owner any more, or the owner has let go of the claim, the next getter takes it over: one that
//! claims makes it its own where it lies, and one that does not copies the item and then frees the claim. A getter
//! writes a new claim before it acknowledges the item that it copies. So an item may come twice, and none is lost.

use std::sync::Arc;

use super::station::Station;
use super::waiting;
use crate::error::Error;
use crate::shm::block::{BlockId, Kind, Phase, SharedRing, State, publish};
use crate::shm::layout::{BLOCK_HEADER_SLOTS, SLOT_BYTES, SLOT_WORDS, block, claim, halves, header, pair};
use crate::shm::role::Holder;
use crate::shm::sync::{Ordering, Sync};
use crate::shm::wakeup;

/// An item that was taken out and is not acknowledged. Dropped without that, or left by a process that ends, it goes to
/// another getter. In a forked child it is a copy, which can only be read.
#[derive(Debug)]
#[must_use = "dropped without ack, the item goes to another getter"]
pub struct Claim {
    item: Vec<u8>,
    station: Arc<Station>,
    written: Written,
    is_acknowledged: bool,
}

impl Claim {
    pub(super) fn new(item: Vec<u8>, station: Arc<Station>, written: Written) -> Claim {
        Claim { item, station, written, is_acknowledged: false }
    }

    /// The item.
    pub fn item(&self) -> &[u8] {
        &self.item
    }

    /// The item's bytes, which leave this value.
    pub fn take_item(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.item)
    }

    /// Notes that the item is done with: it comes to no other getter.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that has claimed it; [`Error::Truncated`] once the ring's file has
    /// been truncated.
    pub fn ack(mut self) -> Result<(), Error> {
        let ring = self.station.ring().ok_or(Error::Forked)?;
        if !self.station.session().is_whole() {
            return Err(self.station.session().truncated());
        }
        self.written.free(&ring);
        self.is_acknowledged = true;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_acknowledged || !self.station.session().is_whole() {
            return;
        }
        if let Some(ring) = self.station.ring() {
            self.written.let_go(&ring);
            // A getter that sleeps takes it over.
            wakeup::wake_consumer(&ring);
        }
    }
}

/// The blocks of a claim, as one process has written them.
#[derive(Clone, Debug)]
pub(super) struct Written(Vec<(BlockId, State)>);

impl Written {
    /// Copies an item into blocks of its own. `None` if not enough are free. The caller has the role of the getter.
    pub(super) fn new(station: &Station, ring: &SharedRing, item: &[u8]) -> Option<Written> {
        let (lane, incarnation) = station.me.process();
        let per_block = (ring.geometry().block_slots() - BLOCK_HEADER_SLOTS) as usize * SLOT_BYTES;
        let count = item.len().div_ceil(per_block).max(1);
        ring.header_word(header::CLAIMS).store(1, Ordering::Relaxed);
        // From the end, where the blocks are that only records of WARN and above use: a full ring has claims too.
        let found = (0..ring.geometry().block_count).rev();
        let taken = found.filter_map(|index| ring.take(index, lane, Kind::Claims)).take(count);
        let blocks: Vec<BlockId> = taken.collect();
        if blocks.len() < count {
            blocks.iter().for_each(|block| ring.untake(*block, lane, Kind::Claims));
            wakeup::announce_freed(ring, blocks.len() as u64);
            return None;
        }
        let number = pair(blocks[0].index, blocks[0].generation);
        let ticks = station.session().info.clock.ticks();
        let mut parts = item.chunks(per_block);
        for (part, block) in blocks.iter().enumerate() {
            let set = |at, value| ring.block_word(block.index, at).store(value, Ordering::Relaxed);
            (1..block::WORDS).for_each(|at| set(at, 0));
            set(block::LANE, pair(lane, incarnation));
            set(claim::PART, part as u64);
            set(block::ANCHOR_TICKS, ticks);
            set(claim::NUMBER, number);
            set(block::PROCESS, pair(lane, incarnation));
            set(claim::BYTES, item.len() as u64);
            let bytes = parts.next().unwrap_or_default();
            let start = BLOCK_HEADER_SLOTS as usize * SLOT_WORDS;
            for (i, chunk) in bytes.chunks(8).enumerate() {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                set(start + i, u64::from_le_bytes(word));
            }
        }
        // The first part last: it makes the claim.
        for block in blocks.iter().rev() {
            publish(ring.committed_word(block.index), pair(block.generation, ring.geometry().block_slots()));
            ring.seal(*block, lane, Kind::Claims);
        }
        let sealed = |block: &BlockId| State {
            generation: block.generation,
            lane,
            kind: Kind::Claims,
            phase: Phase::Sealed,
        };
        Some(Written(blocks.iter().map(|block| (*block, sealed(block))).collect()))
    }

    /// Frees the blocks, the first one first: without it there is no claim.
    fn free(&self, ring: &SharedRing) {
        let freed = self.0.iter().filter(|(block, state)| ring.free(block.index, *state, u32::MAX)).count();
        wakeup::announce_freed(ring, freed as u64);
    }

    /// Leaves the claim to other getters.
    fn let_go(&self, ring: &SharedRing) {
        if let Some((block, state)) = self.0.first()
            && ring.state(block.index) == Some(*state)
        {
            // SYNC ROLE is not needed: the blocks were published by their seal.
            ring.block_word(block.index, claim::LET_GO).store(1, Sync::Seal.release());
        }
    }
}

/// A block of a claim, as a look found it.
#[derive(Clone, Copy, Debug)]
struct Part {
    block: BlockId,
    state: State,
    owner: (u32, u32),
    part: u64,
    number: u64,
    /// When it was claimed.
    ticks: u64,
    bytes: u64,
    is_let_go: bool,
}

/// The blocks of claims that are published.
fn parts(ring: &SharedRing) -> impl Iterator<Item = Part> {
    (0..ring.geometry().block_count).filter_map(|index| {
        let state = ring.state(index).filter(|state| state.kind == Kind::Claims)?;
        if state.phase == Phase::Free {
            return None;
        }
        ring.committed(index, state.generation)?;
        let word = |at| ring.block_word(index, at).load(Ordering::Relaxed);
        let part = Part {
            block: BlockId { index, generation: state.generation },
            state,
            owner: halves(word(block::LANE)),
            part: word(claim::PART),
            number: word(claim::NUMBER),
            ticks: word(block::ANCHOR_TICKS),
            bytes: word(claim::BYTES),
            is_let_go: word(claim::LET_GO) == 1,
        };
        ring.still_holds(index, state.generation).then_some(part)
    })
}

/// Whether there may be claims.
pub(super) fn may_exist(ring: &SharedRing) -> bool {
    ring.header_word(header::CLAIMS).load(Ordering::Relaxed) != 0
}

/// The number of claims that are not acknowledged.
pub(super) fn count(ring: &SharedRing) -> u64 {
    if !may_exist(ring) {
        return 0;
    }
    parts(ring).filter(|part| part.part == 0).count() as u64
}

/// A claim whose owner is dead or has let go of it.
pub(super) struct Orphan {
    pub(super) item: Vec<u8>,
    written: Written,
}

impl Orphan {
    /// Acknowledges the claim.
    pub(super) fn free(&self, ring: &SharedRing) {
        self.written.free(ring);
    }

    /// Makes the claim this process's own, where it lies: there may be no room for a copy. The caller has the role of
    /// the getter.
    pub(super) fn take_over(self, station: &Station, ring: &SharedRing) -> Written {
        let (lane, incarnation) = station.me.process();
        let owner = pair(lane, incarnation);
        // The first block last: it names the claim's owner. Killed before that, the claim has still lost its owner.
        for (block, _) in self.written.0.iter().rev() {
            ring.block_word(block.index, block::PROCESS).store(owner, Ordering::Relaxed);
            ring.block_word(block.index, block::LANE).store(owner, Sync::Seal.release());
        }
        if let Some((first, _)) = self.written.0.first() {
            ring.block_word(first.index, claim::LET_GO).store(0, Sync::Seal.release());
        }
        self.written
    }
}

/// Looks for a claim whose owner is dead or has let go of it, the one that was claimed first. Frees what
/// dead owners have left of claims that they acknowledged, or had not published. The caller has the role of the getter.
pub(super) fn find_orphan(station: &Station, ring: &SharedRing) -> Option<Orphan> {
    if !may_exist(ring) {
        return None;
    }
    let word = ring.header_word(header::CLAIMS);
    let found: Vec<Part> = parts(ring).collect();
    let mut known = Vec::new();
    let mut is_dead = |owner: (u32, u32)| {
        if let Some((_, is_dead)) = known.iter().find(|(known, _)| *known == owner) {
            return *is_dead;
        }
        let holder = Holder::new(owner.0, owner.1);
        let is_dead = holder != station.me && !waiting::is_alive(station, ring, holder);
        known.push((owner, is_dead));
        is_dead
    };
    let mut has_claims = false;
    let mut oldest: Option<&Part> = None;
    for first in found.iter().filter(|part| part.part == 0) {
        has_claims = true;
        if (first.is_let_go || is_dead(first.owner)) && oldest.is_none_or(|oldest| first.ticks < oldest.ticks)
        {
            oldest = Some(first);
        }
    }
    if let Some(oldest) = oldest {
        return Some(adopt(ring, &found, oldest));
    }
    let has_first = |part: &Part| found.iter().any(|first| first.part == 0 && first.number == part.number);
    for rest in found.iter().filter(|part| part.part != 0) {
        // The first block was freed by an owner that was killed then.
        if is_dead(rest.owner) && !has_first(rest) && free(ring, rest) {
            wakeup::announce_freed(ring, 1);
        } else {
            has_claims = true;
        }
    }
    let unpublished = free_unpublished(station, ring);
    if !has_claims && !unpublished {
        // Claims are made under the role of the getter, which the caller has.
        word.store(0, Ordering::Relaxed);
    }
    None
}

/// Whether there is a claim whose owner is dead or has let go of it.
pub(super) fn has_orphan(station: &Station, ring: &SharedRing) -> bool {
    let is_dead = |owner: (u32, u32)| {
        let holder = Holder::new(owner.0, owner.1);
        holder != station.me && !waiting::is_alive(station, ring, holder)
    };
    may_exist(ring)
        && parts(ring).filter(|part| part.part == 0).any(|part| part.is_let_go || is_dead(part.owner))
}

/// Copies the item of a claim. Its blocks were published whole before the first of them was.
fn adopt(ring: &SharedRing, found: &[Part], first: &Part) -> Orphan {
    let mut blocks: Vec<&Part> = found.iter().filter(|part| part.number == first.number).collect();
    blocks.sort_by_key(|part| part.part);
    let most = blocks.len() * ring.geometry().block_bytes as usize;
    let mut item = Vec::new();
    let mut words = Vec::new();
    for part in &blocks {
        words.clear();
        ring.copy_slots(part.block.index, BLOCK_HEADER_SLOTS, ring.geometry().block_slots(), &mut words);
        words.iter().for_each(|word| item.extend_from_slice(&word.to_le_bytes()));
    }
    // The length is untrusted.
    item.truncate(usize::try_from(first.bytes).unwrap_or(usize::MAX).min(most));
    let blocks = blocks.iter().map(|part| (part.block, sealed(ring, part)));
    Orphan { item, written: Written(blocks.collect()) }
}

/// The sealed state of a block; seals one that its dead owner has left open.
fn sealed(ring: &SharedRing, part: &Part) -> State {
    if part.state.phase == Phase::Open {
        ring.seal_dead(part.block.index, part.state);
    }
    part.state.sealed()
}

fn free(ring: &SharedRing, part: &Part) -> bool {
    ring.free(part.block.index, sealed(ring, part), u32::MAX)
}

/// Frees blocks that dead owners took for a claim and never published. Returns whether there are others that their
/// owners may still publish.
fn free_unpublished(station: &Station, ring: &SharedRing) -> bool {
    let mut has_others = false;
    for index in 0..ring.geometry().block_count {
        let Some(state) = ring.state(index) else { continue };
        let is_used = state.kind == Kind::Claims && state.phase != Phase::Free;
        if !is_used || ring.committed(index, state.generation).is_some() {
            continue;
        }
        // An owner publishes before it seals, so a sealed one is that of a dead owner. Of an open one the lane's
        // present owner counts: a later one than that of the block would have sealed it.
        let incarnation = ring.lane_state(state.lane.min(ring.geometry().lane_count - 1)).incarnation;
        let holder = Holder::new(state.lane, incarnation);
        // This process makes no claim now: the caller has its turn.
        let is_sealed = state.phase == Phase::Sealed;
        if is_sealed || holder == station.me || !waiting::is_alive(station, ring, holder) {
            if !is_sealed {
                ring.seal_dead(index, state);
            }
            if ring.free(index, state.sealed(), u32::MAX) {
                wakeup::announce_freed(ring, 1);
            }
        } else {
            has_others = true;
        }
    }
    has_others
}
