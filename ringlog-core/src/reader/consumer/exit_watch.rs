//! Finding owners that exited without closing their lane, taking back what they left, and reporting what no later
//! record reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ended::EndedProcesses;
use super::lanes::LaneTable;
use super::moment::Moment;
use super::process_watch::{ProcessId, ProcessWatch};
use super::snapshot::LaneSnapshot;
use super::totals::LanelessNotices;
use crate::os::probe::Probe;
use crate::reader::origin::Origin;
use crate::ring::exit_history::{self, ExitHistory};
use crate::ring::reclaim;
use crate::shm::block::SharedRing;
use crate::shm::clock::{Clock, unix_ns};
use crate::shm::layout::{header, lock as lock_byte};
use crate::shm::sync::Ordering;

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
    processes: ProcessWatch,
    ended: EndedProcesses,
}

impl ExitWatch {
    pub(super) fn new(
        ring: &SharedRing,
        clock: Clock,
        interval: Duration,
        processes: ProcessWatch,
    ) -> ExitWatch {
        ExitWatch {
            clock,
            interval,
            due: Instant::now(),
            looked: None,
            snapshots: vec![LaneSnapshot::default(); ring.geometry().lane_count as usize],
            snapshots_after_scan: 0,
            laneless_drops: LanelessNotices::new(ring),
            processes,
            ended: EndedProcesses::default(),
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
        for ((lane, _), snapshot) in lanes.iter().zip(&mut self.snapshots) {
            *snapshot = LaneSnapshot::read(ring, lane);
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
        let now = self.now();
        self.ended.collect(ring, lanes);
        self.ended.report(ring, lanes, &mut self.processes, now);
    }

    /// Notes that the exit of a process is given out.
    pub(super) fn exit_given(&mut self, lanes: &mut LaneTable, process: ProcessId) {
        self.ended.given(lanes, process);
    }

    /// Whether exits have been observed that are still to be reported.
    pub(super) fn is_waiting(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Begins to watch a process of which a block was found, unless it is watched.
    #[inline]
    pub(super) fn meet(&mut self, ring: &SharedRing, probe: &Probe, process: ProcessId) {
        if !self.processes.knows(process) {
            self.processes.meet(ring, probe, process);
        }
    }

    /// Looks which processes have come and gone.
    pub(super) fn look_at_processes(&mut self, ring: &SharedRing, probe: &Probe) {
        let ended = &self.ended;
        self.processes.look(ring, probe, |process| ended.contains(process));
    }

    /// Looks no sooner than another watch of the same ring would have.
    pub(super) fn keep_due_of(&mut self, before: &ExitWatch) {
        self.due = before.due;
        self.looked = before.looked;
    }

    /// Leaves what it knows of living processes to the next one.
    pub(super) fn into_processes(self) -> ProcessWatch {
        self.processes
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
