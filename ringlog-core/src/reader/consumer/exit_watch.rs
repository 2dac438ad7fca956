//! Proving deaths, and telling what no later record has told, each at its place.

use std::sync::Arc;

use super::Consumer;
use crate::reader::origin::Origin;
use crate::ring::exit_history::{self, Deaths};
use crate::ring::reclaim::is_named;
use crate::shm::block::SharedRing;
use crate::shm::layout::{halves, lane as lane_entry, lock as lock_byte};
use crate::shm::sync::Ordering;

/// What a lane's entry said before the scans that then found nothing more in the lane.
#[derive(Clone, Debug, Default)]
pub(super) struct LaneSnapshot {
    incarnation: u32,
    /// The refused records of all owners, and of those before the last one.
    refused: u64,
    refused_before: u64,
    /// The owners that are proved to have died and not told, the older ones first.
    died: Vec<(u32, Option<Arc<Origin>>)>,
    /// When that was, in ticks and in ns since 1970.
    moment: (u64, u64),
}

impl Consumer {
    /// Reads what the lanes' entries say of refused records and of deaths, and proves those. Acquire: who sees
    /// a count, or a lock that is free, will find every record that came before it with the next scan.
    pub(super) fn remember(&mut self, ring: &SharedRing) {
        let moment = (self.session.info.clock.ticks(), crate::shm::clock::unix_ns());
        let mut remembered = std::mem::take(&mut self.reclaim.remembered);
        for (lane, remembered) in (0_u32..).zip(&mut remembered) {
            let word = |offset| ring.lane_word(lane, offset).load(Ordering::Acquire);
            *remembered = LaneSnapshot {
                incarnation: ring.lane_state(lane).incarnation,
                refused: word(lane_entry::DROPPED),
                refused_before: word(lane_entry::DROPPED_AT_OPEN),
                died: self.deaths(ring, lane),
                moment,
            };
        }
        self.reclaim.remembered = remembered;
        self.reclaim.remembered_after_scan = self.scans_done;
        self.reclaim.remember_without_lane(ring);
    }

    /// The owners of a lane that have died and not been told.
    fn deaths(&self, ring: &SharedRing, lane: u32) -> Vec<(u32, Option<Arc<Origin>>)> {
        let (state, heard) = (ring.lane_state(lane), self.lanes[lane as usize].deaths_heard);
        if state.incarnation <= heard {
            return Vec::new();
        }
        let mut died = self.lanes[lane as usize].deaths_to_tell(Deaths::of(ring, lane), state.incarnation);
        // The entry before the lock and again after it: in between, the owner may have closed the lane, and
        // somebody else may have opened it.
        if state.open
            && !self.is_alive(lane)
            && exit_history::has_died(ring, lane)
            && ring.lane_state(lane) == state
        {
            died.push(state.incarnation);
        }
        died.into_iter()
            .map(|incarnation| (incarnation, exit_history::owner(ring, lane, incarnation)))
            .collect()
    }

    /// Whether the lane's kernel lock is held. If the kernel cannot tell, its owner lives.
    pub(super) fn is_alive(&self, lane: u32) -> bool {
        self.probe.is_held(lock_byte::lane(lane)).unwrap_or(true)
    }

    /// Tells what was remembered and no later record has told. The lanes have been scanned since: what they
    /// had published before has been found, so where all of it has been given out, this is the place.
    pub(super) fn tell_remembered(&mut self, ring: &SharedRing) {
        if self.scans_done == self.reclaim.remembered_after_scan {
            return;
        }
        for (lane, (queue, remembered)) in
            (0_u32..).zip(self.lanes.iter_mut().zip(&mut self.reclaim.remembered))
        {
            if !queue.is_empty() {
                continue;
            }
            let LaneSnapshot { incarnation, refused, refused_before, moment, .. } = *remembered;
            queue.hear_drops(refused.min(refused_before), None);
            let mut died = std::mem::take(&mut remembered.died).into_iter().peekable();
            while let Some((earlier, owner)) = died.next_if(|(died, _)| *died < incarnation) {
                queue.hear_death((lane, earlier), owner, moment);
            }
            if queue.has_news_of_drops(refused) {
                let known = queue.origin.as_ref().is_some_and(|origin| origin.incarnation == incarnation);
                let owner = if known { None } else { exit_history::owner(ring, lane, incarnation) };
                queue.hear_drops(refused, owner);
            }
            for (last, owner) in died {
                queue.hear_death((lane, last), owner, moment);
            }
        }
        self.tell_drops_without_lane();
        self.tell_quiet_deaths(ring);
    }

    /// Tells the deaths of processes of which no thread's is told: theirs had all ended.
    fn tell_quiet_deaths(&mut self, ring: &SharedRing) {
        for lane in 0..self.lanes.len() {
            for process in std::mem::take(&mut self.lanes[lane].quiet_deaths) {
                let id = process.process_lane;
                let told = self.lanes[lane].deaths_told >= id.1 || self.reclaim.told_processes.contains(&id);
                if told || self.is_told(ring, id) {
                    let queue = &mut self.lanes[lane];
                    queue.deaths_told = queue.deaths_told.max(id.1);
                    self.mark_dirty(id.0);
                } else if self.may_be_told(ring, id) {
                    self.lanes[lane].quiet_deaths.push(process);
                } else {
                    let moment = (self.session.info.clock.ticks(), crate::shm::clock::unix_ns());
                    self.lanes[lane].tell_death(process, None, moment);
                }
            }
        }
        let lanes = &self.lanes;
        self.reclaim.told_processes.retain(|id| lanes[id.0 as usize].deaths_told < id.1);
    }

    /// A thread's death is given out: that of its process needs no line of its own. It counts as told from the
    /// same acknowledgement on, unless an earlier death of that lane is still to be told.
    pub(super) fn note_told_process(&mut self, ring: &SharedRing, process: (u32, u32)) {
        let Some(queue) = self.lanes.get_mut(process.0 as usize) else { return };
        let is_next = Deaths::of(ring, process.0).between(queue.deaths_told, process.1).next().is_none();
        if is_next && !queue.has_blocks_of(process.1) {
            queue.deaths_heard = queue.deaths_heard.max(process.1);
            queue.deaths_told = queue.deaths_told.max(process.1);
            self.mark_dirty(process.0);
        } else if !self.reclaim.told_processes.contains(&process) {
            self.reclaim.told_processes.push(process);
        }
    }

    /// Whether an earlier consumer has told the death of one of the process's threads.
    fn is_told(&self, ring: &SharedRing, process: (u32, u32)) -> bool {
        dead_threads(ring, process)
            .any(|(lane, incarnation)| self.lanes[lane as usize].deaths_told >= incarnation)
    }

    /// Whether a thread of the process may still be found dead, or is about to be told.
    fn may_be_told(&self, ring: &SharedRing, process: (u32, u32)) -> bool {
        dead_threads(ring, process).next().is_some()
            || self.lanes.iter().any(|queue| queue.is_telling_death_in(process))
            || (0_u32..).zip(&self.lanes).any(|(lane, queue)| {
                // Of several deaths in one lane its entry names only the last.
                Deaths::of(ring, lane)
                    .between(queue.deaths_heard, ring.lane_state(lane).incarnation)
                    .nth(1)
                    .is_some()
            })
            || is_named(ring, process)
    }
}

/// The threads of a dead process of which their lanes' entries still know: the last owners that left them
/// open, and the last ones that somebody else found dead.
fn dead_threads(ring: &SharedRing, process: (u32, u32)) -> impl Iterator<Item = (u32, u32)> {
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
