//! What a lane's entry said at one moment.

use std::sync::Arc;

use crate::reader::origin::Origin;
use crate::ring::exit_history::ExitHistory;
use crate::shm::block::SharedRing;
use crate::shm::drops::Drops;
use crate::shm::layout::lane as lane_entry;
use crate::shm::sync::Ordering;

/// A lane's drops and unclean exits, read before the scans that then find nothing more in the lane.
#[derive(Clone, Debug, Default)]
pub(super) struct LaneSnapshot {
    pub(super) incarnation: u32,
    /// The counters of drops, of all owners.
    pub(super) drops: Drops,
    /// All drops when the last owner opened the lane.
    pub(super) drops_before: u64,
    /// The owners proved to have exited uncleanly that have not been observed, the older ones first.
    pub(super) exits: Vec<(u32, Option<Arc<Origin>>)>,
    pub(super) history: ExitHistory,
}

impl LaneSnapshot {
    /// Reads the counters with Acquire: every record that came before a count is found by the next scan.
    pub(super) fn read(ring: &SharedRing, lane: u32) -> LaneSnapshot {
        let word = |offset| ring.lane_word(lane, offset).load(Ordering::Acquire);
        LaneSnapshot {
            incarnation: ring.lane_state(lane).incarnation,
            drops: Drops::read(ring, lane),
            drops_before: word(lane_entry::DROPPED_AT_OPEN),
            history: ExitHistory::of(ring, lane),
            ..LaneSnapshot::default()
        }
    }
}
