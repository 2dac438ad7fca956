//! The oldest record that waits to be persisted.

use super::Observer;
use crate::shm::block::{BlockId, Kind, Phase, SharedRing};
use crate::shm::clock::Anchor;
use crate::shm::layout::{BLOCK_HEADER_SLOTS, RECORD_HEADER_BYTES, SLOT_WORDS, halves};
use crate::shm::record_header::{Header, control, kind};
use crate::shm::sync::Ordering;

impl Observer {
    /// The time of the oldest published record that is not persisted yet, in nanoseconds since 1970; `None` if there is
    /// none. Reads the blocks in use that may hold it.
    pub fn oldest_waiting(&self) -> Option<u64> {
        let ring = self.ring();
        let mut oldest = None;
        for index in 0..self.info.geometry.block_count {
            let waiting =
                first_waiting(&ring, index, oldest.unwrap_or(u64::MAX), self.info.creation_anchor());
            oldest = waiting.or(oldest);
        }
        oldest.filter(|_| self.check_whole().is_ok())
    }
}

/// The time of the first record of a block that is not persisted, if it is before `before`. `None` if the block is
/// freed meanwhile: what was in it is persisted.
fn first_waiting(ring: &SharedRing, index: u32, before: u64, at_creation: Anchor) -> Option<u64> {
    let state =
        ring.state(index).filter(|state| state.phase != Phase::Free && state.kind == Kind::Records)?;
    let block = BlockId { index, generation: state.generation };
    let (of, persisted) = halves(ring.progress(index).load(Ordering::Acquire));
    let from = if of == state.generation { persisted.max(BLOCK_HEADER_SLOTS) } else { BLOCK_HEADER_SLOTS };
    let end = ring.committed(index, state.generation).filter(|end| *end > from)?;
    let anchor = ring.block_header(block).map_or(at_creation, |header| Anchor::of_block(&header));
    // A block's records are not older than its header, so most blocks need not be read.
    if anchor.unix_ns >= before {
        return None;
    }
    let mut words = Vec::new();
    ring.copy_slots(index, BLOCK_HEADER_SLOTS, end, &mut words);
    let unix_ns = time_of_first(&words, from - BLOCK_HEADER_SLOTS, anchor)?;
    let is_waiting = ring.still_holds(index, state.generation)
        && ring.state(index).is_some_and(|now| now.phase != Phase::Free);
    (is_waiting && unix_ns < before).then_some(unix_ns)
}

/// The time of the first record from the slot `from` on, in the slots of a block.
fn time_of_first(words: &[u64], from: u32, mut anchor: Anchor) -> Option<u64> {
    let mut slot = 0;
    while let Some(head) = words.get(slot as usize * SLOT_WORDS..).and_then(|rest| rest.first_chunk::<2>()) {
        let header = Header::decode(*head);
        match header.kind() {
            kind::RECORD if slot >= from => return Some(anchor.unix_ns_at(header.ticks)),
            kind::CONTROL if header.definition == control::ANCHOR => {
                let start = slot as usize * SLOT_WORDS + RECORD_HEADER_BYTES / 8;
                if let Some([ticks, unix_ns, ns_per_tick]) =
                    words.get(start..).and_then(|rest| rest.first_chunk())
                {
                    anchor = Anchor { ticks: *ticks, unix_ns: *unix_ns, ns_per_tick: *ns_per_tick };
                }
            }
            _ => {}
        }
        slot = slot.checked_add(header.slots())?;
    }
    None
}
