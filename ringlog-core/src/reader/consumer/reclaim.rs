//! What dead owners left behind: their open blocks, their definitions, and the drops nobody told.

use std::time::{Duration, Instant};

use super::Consumer;
use super::exit_watch::LaneSnapshot;
use crate::ring::reclaim;
use crate::shm::block::SharedRing;
use crate::shm::clock::unix_ns;
use crate::shm::layout::{header, lock as lock_byte};
use crate::shm::sync::Ordering;

#[derive(Debug)]
pub(super) struct Reclaim {
    due: Instant,
    /// When the last look for dead owners began.
    looked: Option<Instant>,
    /// What the lanes' entries said before the scan that then found nothing more in the lane.
    pub(super) remembered: Vec<LaneSnapshot>,
    pub(super) remembered_after_scan: u64,
    /// Processes of which a thread's death has been given out, until their own is found.
    pub(super) told_processes: Vec<(u32, u32)>,
    /// Refusals without a lane that have been told in an entry, and those whose entry was given out.
    without_lane: u64,
    without_lane_told: u64,
    pub(super) without_lane_given: u64,
}

impl Reclaim {
    pub(super) fn new(ring: &SharedRing) -> Reclaim {
        let told = ring.header_word(header::DROPPED_WITHOUT_LANE_TOLD).load(Ordering::Relaxed);
        Reclaim {
            due: Instant::now(),
            looked: None,
            remembered: vec![LaneSnapshot::default(); ring.geometry().lane_count as usize],
            remembered_after_scan: 0,
            told_processes: Vec::new(),
            without_lane: told,
            without_lane_told: told,
            without_lane_given: told,
        }
    }

    /// Refusals of threads without a lane were told before, up to this count.
    pub(super) fn pass_over_without_lane(&mut self, told: u64) {
        for count in [&mut self.without_lane, &mut self.without_lane_told, &mut self.without_lane_given] {
            *count = told.max(*count);
        }
    }

    pub(super) fn remember_without_lane(&mut self, ring: &SharedRing) {
        self.without_lane = ring.header_word(header::DROPPED_WITHOUT_LANE).load(Ordering::Relaxed);
    }
}

impl Consumer {
    /// How often a consumer looks for dead owners, as long as it is asked for entries. A probe is a system
    /// call, so this is not done with every scan.
    pub const RECLAIM_INTERVAL: Duration = Duration::from_millis(200);

    pub(super) fn reclaim_if_due(&mut self, ring: &SharedRing) {
        let now = Instant::now();
        if now < self.reclaim.due {
            return;
        }
        self.reclaim.due = now + Consumer::RECLAIM_INTERVAL;
        self.session.look_at_size(ring, &self.probe);
        self.tell_remembered(ring);
        self.remember(ring);
        self.look_for_the_dead(ring);
    }

    /// Tells the drops of threads without a lane. They have no place among any lane's records; the first
    /// lane's queue carries them.
    pub(super) fn tell_drops_without_lane(&mut self) {
        let Reclaim { without_lane, without_lane_told, .. } = &mut self.reclaim;
        if *without_lane > *without_lane_told {
            if let Some(queue) = self.lanes.first_mut() {
                queue.carry_gap(*without_lane - *without_lane_told, self.nobody.clone());
            }
            *without_lane_told = *without_lane;
        }
    }

    /// Takes back what the dead left. Their moment of death nobody knows, but at the look before they
    /// were alive, or had no block: so it is not longer ago than that one.
    fn look_for_the_dead(&mut self, ring: &SharedRing) {
        let begun = Instant::now();
        let (probe, dictionary) = (&self.probe, &mut self.dictionary);
        let is_alive = |lane| probe.is_held(lock_byte::lane(lane));
        // If the kernel cannot tell, everybody lives until the next look.
        let Ok(sealed) = reclaim::look(ring, is_alive, |process| dictionary.forget(process)) else { return };
        ring.header_word(header::CONSUMER_LOOKED_UNIX_NS).store(unix_ns(), Ordering::Relaxed);
        let before = self.reclaim.looked.replace(begun);
        if let Some(before) = before.filter(|_| sealed > 0) {
            let within = before.elapsed().as_nanos() as u64;
            ring.header_word(header::RECLAIMED_WITHIN_NS).store(within, Ordering::Relaxed);
            ring.header_word(header::RECLAIMED_WITHIN_MAX_NS).fetch_max(within, Ordering::Relaxed);
        }
    }
}
