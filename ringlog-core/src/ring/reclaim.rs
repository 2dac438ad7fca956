//! Reclaims what dead owners have left: open blocks, and the definitions that no record needs any more.
//!
//! The consumer does so while one runs; without one, each process that opens the ring does. The new owner of a lane
//! seals the open blocks of that lane. Each of them loads a block's state, proves that its owner is dead, and then
//! swaps exactly the word that was loaded. The order guarantees that a block of a new owner is never sealed. Blocks of
//! records are only sealed here; the consumer frees them, because only the consumer knows what has been read.

use std::io;

use crate::ring::definition_reclaim;
use crate::ring::session::Session;
use crate::shm::block::{Kind, Phase, SharedRing, State};
use crate::shm::layout::{
    BLOCK_HEADER_SLOTS, SLOT_WORDS, block, header, lane as lane_entry, lock as lock_byte,
};
use crate::shm::record_header::{Header, kind};
use crate::shm::sync::Ordering;

/// Seals a block whose owner has been proved dead since `seen` was loaded, and adds its records to the lane's count.
/// Returns whether this call sealed it.
pub(crate) fn seal(ring: &SharedRing, index: u32, seen: State) -> bool {
    let has_records = seen.kind == Kind::Records;
    // Counted before the block is sealed: a later owner of the lane that finds it sealed finds it counted.
    if has_records && let Some(published) = published_with(ring, index, seen) {
        // Every process computes the same number, which never exceeds the count of a later owner.
        ring.lane_word(seen.lane, lane_entry::PUBLISHED).fetch_max(published, Ordering::Relaxed);
    }
    let sealed = ring.seal_dead(index, seen);
    if sealed && has_records {
        ring.header_word(header::RECLAIMED).fetch_add(1, Ordering::Relaxed);
    }
    sealed
}

/// How many records the lane has published up to the end of its open block; `None` if the block holds no record,
/// or its state has changed.
pub(crate) fn published_with(ring: &SharedRing, index: u32, open: State) -> Option<u64> {
    if open.lane >= ring.geometry().lane_count {
        return None;
    }
    let records = records_in(ring, index, open.generation);
    let first = ring.block_word(index, block::FIRST_SEQUENCE).load(Ordering::Relaxed);
    // Acquire: if a later owner has stored it, the block is seen sealed below.
    let before = ring.lane_word(open.lane, lane_entry::PUBLISHED_AT_OPEN).load(Ordering::Acquire);
    let is_open_still = ring.state(index) == Some(open);
    (records > 0 && is_open_still).then(|| before.wrapping_add(first).wrapping_add(records))
}

/// How many records a block holds. In a live block the number may grow at any time.
pub(crate) fn records_in(ring: &SharedRing, index: u32, generation: u32) -> u64 {
    let limit = ring.committed(index, generation).unwrap_or(0);
    let mut at = BLOCK_HEADER_SLOTS;
    let mut records = 0;
    while at < limit {
        let word = |i: usize| ring.block_word(index, at as usize * SLOT_WORDS + i);
        let header = Header::decode([word(0).load(Ordering::Relaxed), 0]);
        records += u64::from(header.kind() == kind::RECORD);
        at = at.saturating_add(header.slots());
    }
    records
}

/// Checks every block once: seals blocks that dead owners have left open, then empties segments of the definition
/// area, if it is short of them. Returns how many blocks of records were sealed.
///
/// `is_alive` queries a lane's lock; an error ends the check.
pub(crate) fn look(ring: &SharedRing, is_alive: impl Fn(u32) -> io::Result<bool>) -> io::Result<u64> {
    let sealed = seal_open_blocks(ring, &is_alive)?;
    definition_reclaim::empty_segments(ring, &is_alive)?;
    Ok(sealed)
}

/// One check by a process that opens a ring without a consumer. If the locks cannot be queried, the next process
/// checks.
pub(crate) fn look_without_consumer(session: &Session) {
    let Some(ring) = session.ring() else { return };
    if let Ok(probe) = session.lock_file.probe()
        && let Ok(false) = probe.is_held(lock_byte::CONSUMER)
    {
        let _ = look(&ring, |lane| probe.is_held(lock_byte::lane(lane)));
    }
}

fn seal_open_blocks(ring: &SharedRing, is_alive: impl Fn(u32) -> io::Result<bool>) -> io::Result<u64> {
    let mut sealed = 0;
    let mut alive: Option<u32> = None;
    for index in 0..ring.geometry().block_count {
        let Some(state) = ring.state(index).filter(|state| state.phase == Phase::Open) else { continue };
        if alive == Some(state.lane) {
            continue;
        }
        if is_alive(state.lane)? {
            alive = Some(state.lane);
        } else if seal(ring, index, state) {
            sealed += u64::from(state.kind == Kind::Records);
            // The dead owner may have freed blocks without announcing them.
            crate::shm::wakeup::announce_freed(ring, 1);
        }
    }
    Ok(sealed)
}
