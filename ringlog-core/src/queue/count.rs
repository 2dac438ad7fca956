//! Counting the items in the ring: published records that are not acknowledged.
//!
//! The counters of the lanes are not used: after a getter was killed they may have counted a record twice. The blocks
//! show it exactly. Each says how many records of its lane come before it, so of a chain of blocks only the first and
//! the last are read.

use std::collections::HashMap;

use crate::shm::block::{Kind, Phase, SharedRing};
use crate::shm::layout::{BLOCK_HEADER_SLOTS, SLOT_WORDS, block, halves};
use crate::shm::record_header::{Header, kind};
use crate::shm::sync::Ordering;

/// A block of records, as a look found it.
#[derive(Clone, Copy)]
struct Found {
    index: u32,
    generation: u32,
    chain: u64,
    /// Records of its incarnation before it.
    first: u64,
}

/// The blocks of one incarnation of a lane.
#[derive(Clone, Copy)]
struct Run {
    first: Found,
    last: Found,
    /// Records of the incarnation that are acknowledged, as far as progress in the blocks says.
    taken: u64,
}

/// The number of records that are published and not acknowledged.
pub(super) fn items(ring: &SharedRing) -> u64 {
    let mut runs: HashMap<(u32, u32), Run> = HashMap::new();
    for index in 0..ring.geometry().block_count {
        let Some((owner, found)) = look(ring, index) else { continue };
        let run = runs.entry(owner).or_insert(Run { first: found, last: found, taken: 0 });
        if found.chain < run.first.chain {
            run.first = found;
        }
        if found.chain > run.last.chain {
            run.last = found;
        }
        if let Some(slots) = progress(ring, found) {
            run.taken = run.taken.max(found.first.wrapping_add(records(ring, found, slots)));
        }
    }
    // Of untrusted words.
    let most = u64::from(ring.geometry().block_count) * u64::from(ring.geometry().block_slots());
    let unread = runs.iter().map(|(owner, run)| unread(ring, *owner, *run).min(most));
    unread.fold(0, u64::saturating_add).min(most)
}

/// A block of records in use: the lane and the incarnation of its owner.
fn look(ring: &SharedRing, index: u32) -> Option<((u32, u32), Found)> {
    let state = ring.state(index)?;
    if state.phase == Phase::Free || state.kind != Kind::Records {
        return None;
    }
    ring.committed(index, state.generation)?;
    let word = |at| ring.block_word(index, at).load(Ordering::Relaxed);
    let owner = halves(word(block::LANE));
    let (chain, first) = (word(block::CHAIN), word(block::FIRST_SEQUENCE));
    // The words are of this owner if it still has the block.
    let found = Found { index, generation: state.generation, chain, first };
    ring.still_holds(index, state.generation).then_some((owner, found))
}

/// Up to which slot the block's records are acknowledged, if one is.
fn progress(ring: &SharedRing, found: Found) -> Option<u32> {
    let (generation, slots) = halves(ring.progress(found.index).load(Ordering::Acquire));
    (generation == found.generation && slots > BLOCK_HEADER_SLOTS).then_some(slots)
}

/// The records before this slot of the block.
fn records(ring: &SharedRing, found: Found, slot: u32) -> u64 {
    let limit = ring.committed(found.index, found.generation).unwrap_or(0).min(slot);
    let mut at = BLOCK_HEADER_SLOTS;
    let mut records = 0;
    while at < limit {
        let word = ring.block_word(found.index, at as usize * SLOT_WORDS).load(Ordering::Relaxed);
        let header = Header::decode([word, 0]);
        records += u64::from(header.kind() == kind::RECORD);
        at = at.saturating_add(header.slots());
    }
    records
}

/// The records of one incarnation that are not acknowledged.
fn unread(ring: &SharedRing, owner: (u32, u32), run: Run) -> u64 {
    let taken = run.taken.max(run.first.first);
    let mut last = run.last;
    // The last blocks may hold only the rest of a record. Of one that is not published whole, they say too much.
    loop {
        let records = records(ring, last, u32::MAX);
        if records > 0 {
            return last.first.wrapping_add(records).saturating_sub(taken);
        }
        if last.chain <= run.first.chain {
            return 0;
        }
        let before = (0..ring.geometry().block_count).filter_map(|index| look(ring, index));
        let mut before = before.filter(|(of, found)| *of == owner && found.chain < last.chain);
        let Some((_, found)) = before.by_ref().max_by_key(|(_, found)| found.chain) else { return 0 };
        last = found;
    }
}
