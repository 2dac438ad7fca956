//! The processes whose records are in the ring: those that blocks in use name.

use std::collections::HashSet;

use crate::shm::block::{Kind, Phase, SharedRing, State};
use crate::shm::layout::{block, halves, lane as lane_entry};
use crate::shm::sync::Ordering;

/// The process lane and incarnation that a block's header names; `None` if the block has no header yet.
fn process_of(ring: &SharedRing, index: u32, state: State) -> Option<(u32, u32)> {
    ring.committed(index, state.generation)?;
    Some(halves(ring.block_word(index, block::PROCESS).load(Ordering::Relaxed)))
}

/// Whether a block in use may name this lane as that of its process. Allocates nothing.
pub(crate) fn is_lane_named(ring: &SharedRing, lane: u32) -> bool {
    named_processes(ring).any(|named| named.is_none_or(|(process, _)| process == lane))
}

/// The process lanes that blocks of records name; `None` if the state of a block cannot be read.
pub(crate) fn named_lanes(ring: &SharedRing) -> Option<HashSet<u32>> {
    named_processes(ring).map(|named| named.map(|(lane, _)| lane)).collect()
}

/// The process lane and incarnation that each block of records in use names; `None` for a block whose state cannot be
/// read. For a block without a header yet, its lane's entry counts.
fn named_processes(ring: &SharedRing) -> impl Iterator<Item = Option<(u32, u32)>> {
    (0..ring.geometry().block_count).filter_map(|index| {
        let Some(state) = ring.state(index) else { return Some(None) };
        if state.phase == Phase::Free || state.kind != Kind::Records {
            return None;
        }
        let process = process_of(ring, index, state).or_else(|| {
            let entry = (state.lane < ring.geometry().lane_count).then_some(lane_entry::PROCESS)?;
            Some(halves(ring.lane_word(state.lane, entry).load(Ordering::Relaxed)))
        });
        process.map(Some)
    })
}
