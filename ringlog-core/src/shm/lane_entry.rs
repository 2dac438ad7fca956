//! A lane's entry: its words, and the state of its owner.

use crate::shm::block::SharedRing;
use crate::shm::layout::{self, lane as lane_entry, pair};
use crate::shm::sync::{AtomicU64, Ordering};

/// The state of a lane as its entry gives it. Whether the owner is alive is known from the lane's lock alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneState {
    pub(crate) incarnation: u32,
    /// Whether the lane stands for a process and owns its definitions.
    pub(crate) process: bool,
    pub(crate) open: bool,
}

impl LaneState {
    pub(crate) const fn word(self) -> u64 {
        pair(self.incarnation, (self.process as u32) << 8 | self.open as u32)
    }

    pub(crate) const fn decode(word: u64) -> LaneState {
        let (incarnation, low) = layout::halves(word);
        LaneState { incarnation, process: low >> 8 & 0xff == 1, open: low & 0xff == 1 }
    }
}

impl SharedRing {
    /// A word of lane `lane`'s entry.
    pub(crate) fn lane_word(&self, lane: u32, offset: usize) -> &AtomicU64 {
        self.memory().word((self.geometry().lanes_offset() + lane as usize * lane_entry::BYTES + offset) / 8)
    }

    pub(crate) fn lane_state(&self, lane: u32) -> LaneState {
        LaneState::decode(self.lane_word(lane, lane_entry::STATE).load(Ordering::Acquire))
    }
}
