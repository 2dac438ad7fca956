//! Writing of definitions into the ring, once for each site and process.
//!
//! A definition block belongs to the process lane. It is not freed while the process lives or a block names the
//! process, so a definition's id is its place: the number of its slot in the ring.

use std::sync::atomic::Ordering;

use crate::record::encode::Encoder;
use crate::record::record_trait::{Inferred, Record};
use crate::record::site::Site;
use crate::record::text;
use crate::record::types::Types;
use crate::ring::session::{Session, SessionState};
use crate::shm::block::{BlockId, Kind, SharedRing, publish};
use crate::shm::layout::{
    BLOCK_HEADER_SLOTS, RECORD_HEADER_BYTES, SLOT_WORDS, block, lane as lane_entry, pair,
};
use crate::shm::record_header::{Header, kind, slots_for};

/// The id of the record's definition in this process. Registers the definition if needed. `None` if there is no room
/// for it, or no number for the site: then the record has to bring it.
pub(crate) fn id_of(session: &Session, ring: &SharedRing, record: &dyn Record) -> Option<u32> {
    let (site, Inferred { types, fingerprint, .. }) = (record.site(), record.inferred());
    if std::ptr::eq(site, text::text_site()) {
        return Some(text::TEXT);
    }
    let ids = session.definition_ids();
    match ids.get(site.number(fingerprint)) {
        0 => {}
        id => return Some(id),
    }
    // Checked before a block is taken for it.
    let room = ring.geometry().block_slots() - BLOCK_HEADER_SLOTS;
    if slots_for(site.definition().payload_bytes(types)) > room {
        return None;
    }
    // The number comes first: a site without one would be registered again with each of its records.
    let number = site.assign_number(fingerprint);
    if number == 0 {
        return None;
    }
    let state = session.state();
    let shared = (0..TRIES).any(|_| state.definitions_busy.swap(1, Ordering::Acquire) == 0);
    let id = if shared {
        let id = match ids.get(number) {
            0 => append(ring, state, site, types),
            id => Some(id),
        };
        state.definitions_busy.store(0, Ordering::Release);
        id
    } else {
        // Another thread is registering, or this is a signal handler inside a registration. Instead of waiting,
        // spend a block on this one definition.
        let block = take(ring, state)?;
        let id = write(ring, block, BLOCK_HEADER_SLOTS, site, types);
        ring.seal(block, process_lane(state), Kind::Definitions);
        id
    }?;
    ids.set(number, id);
    Some(id)
}

type InferredTypes = Option<&'static Types>;

/// How often to try to lock the shared definition block before a block is spent on one definition.
const TRIES: u32 = 200;

fn process_lane(state: &SessionState) -> u32 {
    // `place` has opened the process lane before any record is written.
    state.process_lane.load(Ordering::Acquire).saturating_sub(1)
}

/// Writes the definition into the process's open definition block; the caller holds it.
fn append(ring: &SharedRing, state: &SessionState, site: &Site, types: InferredTypes) -> Option<u32> {
    let slots = slots_for(site.definition().payload_bytes(types));
    let open = state.definition_block.load(Ordering::Relaxed).checked_sub(1);
    let generation = state.definition_generation.load(Ordering::Relaxed);
    let mut next = state.definition_next.load(Ordering::Relaxed);
    let block = match open.map(|index| BlockId { index, generation }) {
        Some(block) if slots <= ring.geometry().block_slots().saturating_sub(next) => block,
        full => {
            let fresh = take(ring, state)?;
            if let Some(full) = full {
                ring.seal(full, process_lane(state), Kind::Definitions);
            }
            state.definition_block.store(fresh.index + 1, Ordering::Relaxed);
            state.definition_generation.store(fresh.generation, Ordering::Relaxed);
            next = BLOCK_HEADER_SLOTS;
            fresh
        }
    };
    state.definition_next.store(next, Ordering::Relaxed);
    let id = write(ring, block, next, site, types)?;
    state.definition_next.store(next + slots, Ordering::Relaxed);
    Some(id)
}

/// Takes a definition block; a reserved one if the ring is full, so that the first record of an urgent site still
/// gets its definition.
fn take(ring: &SharedRing, state: &SessionState) -> Option<BlockId> {
    let lane = process_lane(state);
    // From the end of the common blocks downwards: lanes search from their start.
    let common = ring.geometry().common_blocks();
    let places = (0..common).rev().chain(common..ring.geometry().block_count);
    let mut free = places.filter_map(|index| ring.take(index, lane, Kind::Definitions));
    let block = free.next()?;
    let word = |at: usize, value: u64| ring.block_word(block.index, at).store(value, Ordering::Relaxed);
    let incarnation = state.process_incarnation.load(Ordering::Relaxed);
    for at in block::LANE..block::WORDS {
        word(at, 0);
    }
    word(block::LANE, pair(lane, incarnation));
    word(block::PROCESS, pair(lane, incarnation));
    word(block::PID_TID, ring.lane_word(lane, lane_entry::PID_TID).load(Ordering::Relaxed));
    publish(ring.committed_word(block.index), pair(block.generation, BLOCK_HEADER_SLOTS));
    Some(block)
}

/// Writes and publishes the definition at slot `at` of a block that the caller owns.
#[allow(unsafe_code)]
fn write(ring: &SharedRing, block: BlockId, at: u32, site: &Site, types: InferredTypes) -> Option<u32> {
    let definition = site.definition();
    let bytes = definition.payload_bytes(types);
    let slots = slots_for(bytes);
    if slots > ring.geometry().block_slots() - at {
        return None;
    }
    let start = ring.block_start(block.index) + at as usize * SLOT_WORDS;
    let header = Header { definition: 0, length: bytes as u32, flags: kind::DEFINITION, ticks: 0 };
    for (i, word) in header.words().into_iter().enumerate() {
        ring.memory().word(start + i).store(word, Ordering::Relaxed);
    }
    let payload = ring.memory().address(start + RECORD_HEADER_BYTES / 8);
    // SAFETY: the block is the caller's, and there is room by the test above.
    let mut out = unsafe { Encoder::new(payload, 0, bytes.div_ceil(8)) };
    definition.encode(types, &mut out);
    if out.finish() != bytes {
        return None;
    }
    publish(ring.committed_word(block.index), pair(block.generation, at + slots));
    Some(block.index * ring.geometry().block_slots() + at)
}
