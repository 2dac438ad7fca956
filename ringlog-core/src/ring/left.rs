//! What is left in a ring that was removed: which records a process still waits for, and what nobody will drain.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ring::reclaim;
use crate::ring::session::Session;
use crate::shm::block::{BlockId, Kind, Phase, SharedRing, State};
use crate::shm::drops::{LanelessDrops, LanelessReason};
use crate::shm::layout::{halves, header, lane as lane_entry};

/// The end of the records that one lane of this process has published.
pub(crate) struct Goal {
    block: BlockId,
    slots: u32,
}

impl Goal {
    /// The present end of lane `lane` of this process. Blocks of a lane are persisted in order, so the last one is
    /// enough.
    pub(crate) fn of_lane(session: &Session, ring: &SharedRing, lane: u32) -> Option<Goal> {
        let block = session.local(lane).last_block()?;
        // A block of another generation was freed, and persisted before that.
        let slots = ring.committed(block.index, block.generation)?;
        Some(Goal { block, slots })
    }

    /// Whether the records are persisted.
    pub(crate) fn is_reached(&self, ring: &SharedRing) -> bool {
        let (generation, slots) = halves(ring.progress(self.block.index).load(Ordering::Acquire));
        let state = ring.state(self.block.index);
        let is_current = state.is_some_and(|state| state.generation == self.block.generation);
        !is_current || (generation == self.block.generation && slots >= self.slots)
    }
}

/// Whether every record that this process has published in the ring is persisted.
pub(crate) fn is_persisted(session: &Session, ring: &SharedRing) -> bool {
    let mut lanes = 0..ring.geometry().lane_count;
    lanes.all(|lane| Goal::of_lane(session, ring, lane).is_none_or(|goal| goal.is_reached(ring)))
}

/// Counts in the ring `to` what is left in `from`, which was removed and which no consumer can come to: published
/// records that are not persisted, and refused ones that are reported to no output. Takes each over by exchanging the
/// counter of what is reported, so that of several callers one counts it.
///
/// Whether the owners of lanes are alive does not matter: what they publish or are refused later is the next caller's.
pub(crate) fn count(from: &SharedRing, to: &SharedRing) {
    let mut left = take_over_open_blocks(from);
    let mut add = |count| left = left.saturating_add(count);
    for lane in 0..from.geometry().lane_count {
        let word = |offset| from.lane_word(lane, offset);
        let published = || word(lane_entry::PUBLISHED).load(Ordering::Relaxed);
        add(take_over(published, word(lane_entry::PERSISTED), records_max(from)));
        let dropped = || word(lane_entry::DROPPED).load(Ordering::Relaxed);
        add(take_over(dropped, word(lane_entry::DROPPED_REPORTED), DROPS_MAX));
    }
    // What no lane counts is reported by one total; those parts of it go with it.
    let total = || from.header_word(header::DROPPED_WITHOUT_LANE).load(Ordering::Relaxed);
    add(take_over(total, from.header_word(header::DROPPED_WITHOUT_LANE_REPORTED), DROPS_MAX));
    if left != 0 {
        LanelessDrops::count(to, left, LanelessReason::Left);
    }
}

/// Takes over the records in open blocks. A lane's own count has them only once its block is closed, which an owner
/// that was killed never does. Until then it is behind the counter of what is persisted, and takes over nothing.
fn take_over_open_blocks(from: &SharedRing) -> u64 {
    let mut left = 0_u64;
    for index in 0..from.geometry().block_count {
        if let Some((lane, published)) = open_block(from, index) {
            let persisted = from.lane_word(lane, lane_entry::PERSISTED);
            left = left.saturating_add(take_over(|| published, persisted, records_max(from)));
        }
    }
    left
}

/// Of an open block of records: its lane, and the number of records that the lane has published with it.
fn open_block(ring: &SharedRing, index: u32) -> Option<(u32, u64)> {
    let open = |state: &State| state.phase == Phase::Open && state.kind == Kind::Records;
    let state = ring.state(index).filter(open)?;
    Some((state.lane, reclaim::published_with(ring, index, state)?))
}

/// The number of records that [`count`] would count. Takes nothing over: a ring of this name that is made later still
/// counts them.
pub(crate) fn look(ring: &SharedRing) -> u64 {
    let difference =
        |all: u64, reported: u64, most: u64| Some(all.wrapping_sub(reported)).filter(|count| *count <= most);
    let mut left = 0_u64;
    let mut add = |count: Option<u64>| left = left.saturating_add(count.unwrap_or(0));
    for lane in 0..ring.geometry().lane_count {
        let word = |offset| ring.lane_word(lane, offset).load(Ordering::Relaxed);
        add(difference(word(lane_entry::PUBLISHED), word(lane_entry::PERSISTED), records_max(ring)));
        add(difference(word(lane_entry::DROPPED), word(lane_entry::DROPPED_REPORTED), DROPS_MAX));
    }
    let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
    let reported = word(header::DROPPED_WITHOUT_LANE_REPORTED);
    add(difference(word(header::DROPPED_WITHOUT_LANE), reported, DROPS_MAX));
    // A lane's own count has the records of an open block only once that is closed.
    for index in 0..ring.geometry().block_count {
        if let Some((lane, published)) = open_block(ring, index) {
            let word = |offset| ring.lane_word(lane, offset).load(Ordering::Relaxed);
            let known = word(lane_entry::PUBLISHED).max(word(lane_entry::PERSISTED));
            add(difference(published, known, records_max(ring)));
        }
    }
    left
}

/// More cannot have been refused; a larger difference is that of a counter that is behind.
const DROPS_MAX: u64 = u64::MAX >> 1;

/// As many records fit into the ring.
fn records_max(ring: &SharedRing) -> u64 {
    u64::from(ring.geometry().block_count) * u64::from(ring.geometry().block_slots())
}

/// Sets the counter of what is reported, or persisted, to the number of all, and returns the difference; 0 where it
/// cannot be right.
fn take_over(all: impl Fn() -> u64, reported: &AtomicU64, most: u64) -> u64 {
    let mut before = reported.load(Ordering::Relaxed);
    loop {
        let count = all().wrapping_sub(before);
        if count == 0 || count > most {
            return 0;
        }
        let taken = reported.compare_exchange(
            before,
            before.wrapping_add(count),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        match taken {
            Ok(_) => return count,
            Err(now) => before = now,
        }
    }
}
