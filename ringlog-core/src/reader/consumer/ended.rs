//! Processes that exited without closing their lanes: each is reported once, behind the last records of all its
//! threads.
//!
//! The exit of each lane's owner is proved and observed by itself, in the order of its lane. Here they wait for the
//! other owners of the same process: as long as a lane of it may still have records, or an exit that has not been
//! observed, nothing is reported. The entry of the process's own lane says whether the process is reported. The entries
//! of its threads' lanes are updated together with it, so a consumer that begins before that observes their exits
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cursor::Cursor;
use super::lane_reader::OwnerExit;
use super::lanes::LaneTable;
use super::moment::Moment;
use super::process_watch::{ProcessId, ProcessWatch};
use super::unobserved::Unobserved;
use crate::reader::entry::{ExitCause, LaneEnd};
use crate::reader::origin::Origin;
use crate::ring::exit_history::ExitHistory;
use crate::shm::block::SharedRing;
use crate::shm::layout::lane as lane_entry;
use crate::shm::sync::Ordering;

/// How long the report waits for the kernel to tell the cause. A process whose locks are gone ends within moments.
const CAUSE_WITHIN: Duration = Duration::from_secs(1);

/// The processes whose exits are observed and not given out.
#[derive(Debug, Default)]
pub(super) struct EndedProcesses(BTreeMap<ProcessId, Ended>);

#[derive(Debug, Default)]
struct Ended {
    /// The process by its own lane, or by one of its threads; `None` if no name is known.
    origin: Option<Arc<Origin>>,
    lanes: Vec<LaneEnd>,
    /// Since when only the cause is missing.
    is_complete_since: Option<Instant>,
    /// The report is queued.
    is_queued: bool,
}

impl EndedProcesses {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, process: ProcessId) -> bool {
        self.0.contains_key(&process)
    }

    /// Takes the exits that the lanes have observed.
    pub(super) fn collect(&mut self, ring: &SharedRing, lanes: &mut LaneTable) {
        for lane in 0..lanes.len() {
            for exit in lanes.reader_mut(lane).take_exits() {
                self.add(ring, lanes, lane, exit);
            }
        }
    }

    fn add(&mut self, ring: &SharedRing, lanes: &mut LaneTable, lane: u32, exit: OwnerExit) {
        let OwnerExit { incarnation, owner, last_sequence } = exit;
        let process = owner.as_ref().map_or((lane, incarnation), |owner| owner.process_lane);
        // Where the name is damaged, or not known any more, the lane stands for a process.
        let has_been =
            process.0 < lanes.len() && (1..=ring.lane_state(process.0).incarnation).contains(&process.1);
        let process = if has_been { process } else { (lane, incarnation) };
        let is_own = process == (lane, incarnation);
        if !lanes.reader_mut(process.0).await_report(process.1) {
            // Reported by a consumer that did not settle this lane any more.
            lanes.reader_mut(lane).settle_exit(incarnation);
            return lanes.mark_dirty(lane);
        }
        let ended = self.0.entry(process).or_default();
        if let Some(last_sequence) = last_sequence {
            let (tid, thread) = owner.as_ref().map_or((0, ""), |owner| (owner.tid, &*owner.thread));
            let thread = thread.to_owned();
            ended.lanes.push(LaneEnd { lane, incarnation, tid, thread, last_sequence });
        }
        if let Some(owner) = owner.filter(|_| is_own || ended.origin.is_none()) {
            let named = if is_own { owner } else { Arc::new(owner.of_process()) };
            ended.origin = Some(named);
        }
    }

    /// Queues the reports of processes of which nothing more can come. Those that had a lane as their own one after
    /// another are reported in this order: the lane's entry says up to which they are.
    pub(super) fn report(
        &mut self,
        ring: &SharedRing,
        lanes: &mut LaneTable,
        processes: &mut ProcessWatch,
        now: Moment,
    ) {
        if self.0.values().all(|ended| ended.is_queued) {
            return;
        }
        let unobserved = Unobserved::find(ring, lanes);
        let mut waits = None;
        let mut unnamed = Vec::new();
        for (id, ended) in &mut self.0 {
            if ended.is_queued || waits == Some(id.0) {
                continue;
            }
            if unobserved.may_be_of(*id) {
                waits = Some(id.0);
                continue;
            }
            if ended.origin.is_none() && ended.lanes.iter().all(|lane| lane.last_sequence.is_none()) {
                // Neither a name nor a record of it is known.
                unnamed.push(*id);
                continue;
            }
            let since = *ended.is_complete_since.get_or_insert_with(Instant::now);
            let cause = processes.cause(*id);
            let Some(cause) = cause.or((since.elapsed() > CAUSE_WITHIN).then_some(ExitCause::Unknown)) else {
                waits = Some(id.0);
                continue;
            };
            ended.is_queued = true;
            let origin = ended.origin.clone().unwrap_or_else(|| Arc::new(Origin::unknown(id.0, id.1)));
            // The process's own lane comes first.
            ended
                .lanes
                .sort_by_key(|lane| ((lane.lane, lane.incarnation) != *id, lane.lane, lane.incarnation));
            lanes.reader_mut(id.0).push_exit(origin, cause, ended.lanes.clone(), now);
            processes.forget(*id);
        }
        for id in unnamed {
            self.given(lanes, id);
        }
    }

    /// Notes that the report of a process is given out, or needless: its threads' exits are reported with it.
    pub(super) fn given(&mut self, lanes: &mut LaneTable, process: ProcessId) {
        let threads = self.0.remove(&process).map_or(Vec::new(), |ended| ended.lanes);
        let of_threads = threads.iter().map(|end| (end.lane, end.incarnation));
        for (lane, incarnation) in of_threads.chain([process]) {
            lanes.reader_mut(lane).settle_exit(incarnation);
            lanes.mark_dirty(lane);
        }
    }
}

/// The number of processes that the cursor has as reported, and the ring has not: the consumer before was killed
/// before it counted them. Their cause is not known any more.
pub(super) fn count_uncounted(ring: &SharedRing, cursor: &Cursor) -> u64 {
    let of_lane = |lane| {
        let from = ring.lane_word(lane, lane_entry::EXITS_REPORTED).load(Ordering::Relaxed) as u32;
        let to = cursor.lane(lane).map_or(0, |known| known.exits_reported);
        let state = ring.lane_state(lane);
        let last =
            (state.open && from < state.incarnation && state.incarnation <= to).then_some(state.incarnation);
        let earlier = ExitHistory::of(ring, lane).between(from, to.saturating_add(1).min(state.incarnation));
        let ends =
            earlier.chain(last).filter_map(|incarnation| Origin::of_incarnation(ring, lane, incarnation));
        ends.filter(|owner| owner.is_process()).count() as u64
    };
    cursor.lanes(ring.geometry().lane_count).map(of_lane).sum()
}
