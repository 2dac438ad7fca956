//! What is still to be observed of processes that ended: records, and exits of their lanes' owners.

use std::collections::BTreeSet;

use super::lanes::LaneTable;
use super::process_watch::ProcessId;
use crate::ring::exit_history::{self, ExitHistory};
use crate::shm::block::SharedRing;
use crate::shm::layout::{halves, lane as lane_entry};
use crate::shm::sync::Ordering;

/// The processes of which records have not been given out, or exits of lanes' owners not been observed. Living ones are
/// among them.
#[derive(Debug)]
pub(super) struct Unobserved {
    processes: BTreeSet<ProcessId>,
    /// Exits in a lane's past that no entry names any more may be of any process.
    has_unnamed: bool,
}

impl Unobserved {
    /// Every record that was published before the snapshots has been found: the lanes have been scanned since.
    pub(super) fn find(ring: &SharedRing, lanes: &LaneTable) -> Unobserved {
        let mut found = Unobserved { processes: BTreeSet::new(), has_unnamed: false };
        for (lane, reader) in lanes.iter() {
            found.processes.extend(reader.unread_processes());
            let observed = reader.exits_observed();
            let word = |offset| ring.lane_word(lane, offset).load(Ordering::Acquire);
            let state = ring.lane_state(lane);
            if state.incarnation > observed && exit_history::exited_uncleanly(ring, lane) {
                found.processes.insert(halves(word(lane_entry::PROCESS)));
            }
            if word(lane_entry::DEAD_INCARNATION) as u32 > observed {
                found.processes.insert(halves(word(lane_entry::DEAD_PROCESS)));
            }
            // Of several exits in one lane its entry names only the last.
            let history = ExitHistory::of(ring, lane);
            found.has_unnamed |= history.between(observed, state.incarnation).nth(1).is_some();
        }
        found
    }

    /// Whether anything is still to be observed of the process, or of an earlier one with the same lane: that one is
    /// reported first.
    pub(super) fn may_be_of(&self, (lane, incarnation): ProcessId) -> bool {
        self.has_unnamed || self.processes.range((lane, 0)..=(lane, incarnation)).next().is_some()
    }
}
