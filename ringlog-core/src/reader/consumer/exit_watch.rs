//! Finding owners that exited without closing their lane, taking back what they left, and reporting what no later
//! record reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lanes::LaneTable;
use super::moment::Moment;
use super::snapshot::LaneSnapshot;
use super::totals::LanelessNotices;
use crate::os::probe::Probe;
use crate::reader::origin::Origin;
use crate::ring::exit_history::{self, ExitHistory};
use crate::ring::named::is_named;
use crate::ring::reclaim;
use crate::shm::block::SharedRing;
use crate::shm::clock::{Clock, unix_ns};
use crate::shm::layout::{halves, header, lane as lane_entry, lock as lock_byte};
use crate::shm::sync::Ordering;

/// A process lane and its incarnation.
type ProcessId = (u32, u32);

/// What the consumer knows of exits, and when it looks for more.
#[derive(Debug)]
pub(super) struct ExitWatch {
    clock: Clock,
    interval: Duration,
    due: Instant,
    /// When the last look for dead owners began.
    looked: Option<Instant>,
    snapshots: Vec<LaneSnapshot>,
    /// The number of the last scan that was finished before the snapshots were taken.
    snapshots_after_scan: u64,
    laneless_drops: LanelessNotices,
    /// Processes of which a thread's exit has been given out, until their own is found.
    reported_processes: Vec<ProcessId>,
}

impl ExitWatch {
    pub(super) fn new(ring: &SharedRing, clock: Clock, interval: Duration) -> ExitWatch {
        ExitWatch {
            clock,
            interval,
            due: Instant::now(),
            looked: None,
            snapshots: vec![LaneSnapshot::default(); ring.geometry().lane_count as usize],
            snapshots_after_scan: 0,
            laneless_drops: LanelessNotices::new(ring),
            reported_processes: Vec::new(),
        }
    }

    /// Passes over drops of threads without a lane that were reported before.
    pub(super) fn resume_laneless_drops(&mut self, reported: u64) {
        self.laneless_drops.resume(reported);
    }

    /// Whether it is time to look; true once in each interval.
    pub(super) fn take_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = now >= self.due;
        if is_due {
            self.due = now + self.interval;
        }
        is_due
    }

    /// Reads what the lanes' entries say of drops and exits, and proves the exits. With Acquire: where a lock is seen
    /// free, the next scan finds every record that came before.
    pub(super) fn take_snapshots(
        &mut self,
        ring: &SharedRing,
        lanes: &LaneTable,
        probe: &Probe,
        finished_scans: u64,
    ) {
        let moment = self.now();
        for ((lane, _), snapshot) in lanes.iter().zip(&mut self.snapshots) {
            *snapshot = LaneSnapshot { moment, ..LaneSnapshot::read(ring, lane) };
            snapshot.exits = prove_exits(ring, lanes, probe, lane);
        }
        self.snapshots_after_scan = finished_scans;
        self.laneless_drops.observe(ring);
    }

    /// Queues what the snapshots say and no later record reports. Where all lanes have been scanned since and all of
    /// a lane has been given out, this is the place.
    pub(super) fn report(&mut self, ring: &SharedRing, lanes: &mut LaneTable, finished_scans: u64) {
        if finished_scans == self.snapshots_after_scan {
            return;
        }
        for ((_, reader), snapshot) in lanes.iter_mut().zip(&mut self.snapshots) {
            if reader.is_empty() {
                reader.observe_snapshot(ring, snapshot);
            }
        }
        for (reason, count) in self.laneless_drops.take_new() {
            lanes.observe_laneless_drops(count, reason, self.laneless_drops.origin());
        }
        self.report_quiet_exits(ring, lanes);
    }

    /// Queues the exits of processes of which no thread's is reported: all of their threads had ended before.
    fn report_quiet_exits(&mut self, ring: &SharedRing, lanes: &mut LaneTable) {
        for lane in 0..ring.geometry().lane_count {
            for process in lanes.reader_mut(lane).take_quiet_exits() {
                let id = process.process_lane;
                let is_reported =
                    lanes.reader(lane).exits_reported() >= id.1 || self.reported_processes.contains(&id);
                if is_reported || is_thread_reported(ring, lanes, id) {
                    lanes.reader_mut(lane).skip_exit(id.1);
                    lanes.mark_dirty(id.0);
                } else if may_be_reported(ring, lanes, id) {
                    lanes.reader_mut(lane).defer_quiet_exit(process);
                } else {
                    lanes.reader_mut(lane).report_quiet_exit(process, self.now());
                }
            }
        }
        self.reported_processes.retain(|id| lanes.reader(id.0).exits_reported() < id.1);
    }

    /// Notes that a thread's exit is given out: that of its process needs no line of its own. It counts as reported
    /// from the same acknowledgement on, unless an earlier exit of the process lane is still to be reported.
    pub(super) fn exit_given(&mut self, ring: &SharedRing, lanes: &mut LaneTable, process: ProcessId) {
        let (lane, incarnation) = process;
        let Some(reader) = lanes.get_mut(lane) else { return };
        let mut unreported = ExitHistory::of(ring, lane).between(reader.exits_reported(), incarnation);
        if unreported.next().is_none() && !reader.has_blocks_of(incarnation) {
            reader.skip_exit(incarnation);
            lanes.mark_dirty(lane);
        } else if !self.reported_processes.contains(&process) {
            self.reported_processes.push(process);
        }
    }

    /// Reclaims the blocks of dead owners. At the previous check these owners were alive or had no block, so the time
    /// since that check bounds the time since their exits.
    pub(super) fn reclaim(&mut self, ring: &SharedRing, probe: &Probe) {
        let begun = Instant::now();
        let is_alive = |lane| probe.is_held(lock_byte::lane(lane));
        // If the locks cannot be queried, all owners count as alive until the next check.
        let Ok(sealed) = reclaim::look(ring, is_alive) else { return };
        ring.header_word(header::CONSUMER_LOOKED_UNIX_NS).store(unix_ns(), Ordering::Relaxed);
        let before = self.looked.replace(begun);
        if let Some(before) = before.filter(|_| sealed > 0) {
            let within = before.elapsed().as_nanos() as u64;
            ring.header_word(header::RECLAIMED_WITHIN_NS).store(within, Ordering::Relaxed);
            ring.header_word(header::RECLAIMED_WITHIN_MAX_NS).fetch_max(within, Ordering::Relaxed);
        }
    }

    fn now(&self) -> Moment {
        Moment { ticks: self.clock.ticks(), unix_ns: unix_ns() }
    }
}

/// The owners of a lane that exited uncleanly and have not been observed.
fn prove_exits(
    ring: &SharedRing,
    lanes: &LaneTable,
    probe: &Probe,
    lane: u32,
) -> Vec<(u32, Option<Arc<Origin>>)> {
    let (state, reader) = (ring.lane_state(lane), lanes.reader(lane));
    if state.incarnation <= reader.exits_observed() {
        return Vec::new();
    }
    let mut exits = reader.unobserved_exits(ExitHistory::of(ring, lane), state.incarnation);
    // If the lock cannot be queried, the owner counts as alive.
    let is_alive = || probe.is_held(lock_byte::lane(lane)).unwrap_or(true);
    // The entry before the lock and again after it: in between, the owner may have closed the lane, and another
    // thread may have opened it.
    if state.open
        && !is_alive()
        && exit_history::exited_uncleanly(ring, lane)
        && ring.lane_state(lane) == state
    {
        exits.push(state.incarnation);
    }
    let owner = |incarnation| (incarnation, Origin::of_incarnation(ring, lane, incarnation));
    exits.into_iter().map(owner).collect()
}

/// Whether the exit of one of the process's threads has been reported, by this consumer or an earlier one.
fn is_thread_reported(ring: &SharedRing, lanes: &LaneTable, process: ProcessId) -> bool {
    dead_threads(ring, process).any(|(lane, incarnation)| lanes.reader(lane).exits_reported() >= incarnation)
}

/// Whether a thread of the process may still be found dead, or its exit is about to be reported.
fn may_be_reported(ring: &SharedRing, lanes: &LaneTable, process: ProcessId) -> bool {
    dead_threads(ring, process).next().is_some()
        || lanes.iter().any(|(_, reader)| reader.announces_exit_in(process))
        || lanes.iter().any(|(lane, reader)| {
            // Of several exits in one lane its entry names only the last.
            let unobserved = (reader.exits_observed(), ring.lane_state(lane).incarnation);
            ExitHistory::of(ring, lane).between(unobserved.0, unobserved.1).nth(1).is_some()
        })
        || is_named(ring, process)
}

/// The threads of a dead process that their lanes' entries still name: the last owners that left them open, and the
/// last ones that another opener found dead.
fn dead_threads(ring: &SharedRing, process: ProcessId) -> impl Iterator<Item = (u32, u32)> {
    let owners = move |lane| {
        let word = |offset| ring.lane_word(lane, offset).load(Ordering::Acquire);
        let state = ring.lane_state(lane);
        let last =
            (state.open && !state.process).then(|| (state.incarnation, halves(word(lane_entry::PROCESS))));
        let dead = (word(lane_entry::DEAD_INCARNATION) as u32, halves(word(lane_entry::DEAD_PROCESS)));
        let owners = last.into_iter().chain([dead]).filter(move |(_, named)| *named == process);
        owners.map(move |(incarnation, _)| (lane, incarnation)).filter(move |owner| *owner != process)
    };
    (0..ring.geometry().lane_count).flat_map(owners)
}
