//! Empties segments of the definition area that no process uses any more.
//!
//! A process uses the segments that its process lane pins, as long as it lives, and after that as long as a block in
//! use names the lane: its records are still to be read. Segments are emptied only when few are left empty, so that an
//! application that starts again finds its definitions still there.
//!
//! The order makes it right. First a segment is marked as closing, for good; then the pins are read; then the blocks. A
//! process that uses the segment has pinned it before, so its pin is seen. If the process has died by then, everything
//! that it has published is seen in the blocks.

use std::io;

use crate::ring::named::{is_lane_named, named_lanes};
use crate::shm::block::SharedRing;
use crate::shm::sync::Ordering;

/// Empties what can be emptied, if less than a quarter of the segments is empty. `is_alive` queries a lane's lock.
pub(crate) fn empty_segments(
    ring: &SharedRing,
    is_alive: impl Fn(u32) -> io::Result<bool>,
) -> io::Result<()> {
    let area = &ring.geometry().definitions;
    let segments = 0..area.segments();
    let is_usable = |segment: &u32| !area.is_worn_out(ring.segment(*segment).generation);
    let empty = segments.clone().filter(is_usable).filter(|segment| {
        let state = ring.segment(*segment);
        state.tail == 0 && !state.closing
    });
    let wanted = (area.segments().div_ceil(4) as usize).saturating_sub(empty.count());
    let closing = || segments.clone().filter(|segment| ring.segment(*segment).closing);
    let missing = wanted.saturating_sub(closing().count());
    if missing > 0 {
        let used = used_segments(ring, u64::MAX, &is_alive)?;
        let mut unused: Vec<_> = segments.clone().filter(|segment| used >> segment & 1 == 0).collect();
        // The one with the most room left is being filled, and goes last.
        unused.sort_by_key(|segment| std::cmp::Reverse(ring.segment(*segment).tail));
        let unused = unused.into_iter().map(|segment| (segment, ring.segment(segment)));
        let unused = unused.filter(|(_, state)| state.tail > 0 && !state.closing);
        unused.take(missing).for_each(|(segment, state)| ring.close_segment(segment, state));
    }
    let closing: Vec<_> = closing().map(|segment| (segment, ring.segment(segment))).collect();
    if closing.is_empty() {
        return Ok(());
    }
    ring.fence_before_pins();
    let concerned = closing.iter().fold(0, |bits, (segment, _)| bits | 1 << segment);
    let used = used_segments(ring, concerned, &is_alive)?;
    for (segment, state) in closing {
        if state.closing && used >> segment & 1 == 0 {
            ring.empty_segment(segment, state);
        }
    }
    Ok(())
}

/// Which segments processes use, by their pins. Those not `concerned` may be missing.
fn used_segments(
    ring: &SharedRing,
    concerned: u64,
    is_alive: impl Fn(u32) -> io::Result<bool>,
) -> io::Result<u64> {
    let mut used = 0;
    let mut dead = Vec::new();
    for lane in 0..ring.geometry().lane_count {
        // Acquire: a new pin comes after the lane's state.
        let pins = ring.pins(lane).load(Ordering::Acquire);
        if pins & concerned == 0 {
            continue;
        }
        // A thread's lane has the pins of a process that had it before.
        if ring.lane_state(lane).process && is_alive(lane)? {
            used |= pins;
        } else {
            dead.push((lane, pins));
        }
    }
    // Last, because a process that has just died may have published something until then.
    if dead.iter().any(|(_, pins)| pins & concerned & !used != 0) {
        let Some(named) = named_lanes(ring) else { return Ok(u64::MAX) };
        used |= dead.iter().filter(|(lane, _)| named.contains(lane)).fold(0, |bits, (_, pins)| bits | pins);
    }
    Ok(used)
}

/// Clears the pins of the lane's earlier owners, as its new owner, which holds the lane's lock. They stay while a block
/// in use names the lane.
pub(crate) fn clear_pins(ring: &SharedRing, lane: u32) {
    if ring.pins(lane).load(Ordering::Relaxed) != 0 && !is_lane_named(ring, lane) {
        ring.pins(lane).store(0, Ordering::Release);
    }
}
