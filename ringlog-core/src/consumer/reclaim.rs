//! What dead owners left behind: their open blocks, their definitions, and the drops nobody told.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::Consumer;
use super::deaths::Remembered;
use crate::entry::block_header;
use crate::layout::{block, halves, header, lane as entry};
use crate::ring::{BlockId, Kind, Phase, Ring, State};
use crate::sync::Ordering;

/// How often to look for dead owners. A probe is a system call, so this is not done with every scan.
const INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Reclaim {
    due: Instant,
    /// What the lanes' entries said before the scan that then found nothing more in the lane.
    pub(super) remembered: Vec<Remembered>,
    pub(super) remembered_after_scan: u64,
    /// Processes of which a thread's death has been given out, until their own is found.
    pub(super) told_processes: Vec<(u32, u32)>,
    /// Refusals without a lane that have been told in an entry, and those whose entry was given out.
    without_lane: u64,
    without_lane_told: u64,
    pub(super) without_lane_given: u64,
}

impl Reclaim {
    pub(super) fn new(ring: &Ring) -> Reclaim {
        let told = ring.header_word(header::DROPPED_WITHOUT_LANE_TOLD).load(Ordering::Relaxed);
        Reclaim {
            due: Instant::now(),
            remembered: vec![Remembered::default(); ring.geometry().lane_count as usize],
            remembered_after_scan: 0,
            told_processes: Vec::new(),
            without_lane: told,
            without_lane_told: told,
            without_lane_given: told,
        }
    }

    pub(super) fn remember_without_lane(&mut self, ring: &Ring) {
        self.without_lane = ring.header_word(header::DROPPED_WITHOUT_LANE).load(Ordering::Relaxed);
    }
}

impl Consumer {
    pub(super) fn reclaim_if_due(&mut self, ring: &Ring) {
        let now = Instant::now();
        if now < self.reclaim.due {
            return;
        }
        self.reclaim.due = now + INTERVAL;
        self.attachment.look_at_size(ring, &self.probe);
        self.tell_remembered(ring);
        self.remember(ring);
        self.seal_blocks_of_the_dead(ring);
        self.free_definitions_of_the_dead(ring);
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

    /// Loads a state, proves its owner's death, then CASes that exact word: in this order, so that a new
    /// owner of the lane can never be meant.
    fn seal_blocks_of_the_dead(&mut self, ring: &Ring) {
        let mut sealed = 0;
        let mut alive: Option<u32> = None;
        for index in 0..ring.geometry().block_count {
            let Some(state) = ring.state(index).filter(|state| state.phase == Phase::Open) else { continue };
            if alive == Some(state.lane) {
                continue;
            }
            if self.is_alive(state.lane) {
                alive = Some(state.lane);
            } else if ring.seal_dead(index, state) {
                sealed += 1;
            }
        }
        if sealed > 0 {
            ring.header_word(header::CONSUMER_RECLAIMED).fetch_add(sealed, Ordering::Relaxed);
            // The dead may have given blocks back and not lived to say so.
            crate::lane::announce_freed(ring, 1);
        }
    }

    /// Frees definition blocks of dead processes that no block of records names any more.
    fn free_definitions_of_the_dead(&mut self, ring: &Ring) {
        let mut dead = Vec::new();
        for index in 0..ring.geometry().block_count {
            let Some(state) = ring.state(index) else { continue };
            if state.kind == Kind::Definitions && state.phase == Phase::Sealed && !self.is_owned(ring, index, state) {
                dead.push((index, state, owner(ring, index, state)));
            }
        }
        if dead.is_empty() {
            return;
        }
        // Only after the proof of death, so that no new block can name the process. All at once, because
        // going through the ring for each block takes for ever where somebody has made them.
        let Some(named) = named_processes(ring) else { return };
        let mut freed = 0;
        for (index, state, process) in dead {
            if process.is_some_and(|process| named.contains(&process)) {
                continue;
            }
            let end = ring.committed(index, state.generation).unwrap_or(0);
            if ring.free(index, state, end) {
                freed += 1;
                if let Some(process) = process {
                    self.dictionary.forget(process);
                }
            }
        }
        crate::lane::announce_freed(ring, freed);
    }

    /// Whether the process that wrote a definition block may still live: its lane is held, and by the
    /// same incarnation.
    fn is_owned(&self, ring: &Ring, index: u32, state: State) -> bool {
        let same = owner(ring, index, state).is_none_or(|(lane, incarnation)| {
            lane == state.lane
                && lane < ring.geometry().lane_count
                && ring.lane_state(lane).incarnation == incarnation
        });
        same && self.is_alive(state.lane)
    }
}

/// The process lane and incarnation that a block's header names.
fn owner(ring: &Ring, index: u32, state: State) -> Option<(u32, u32)> {
    let header = block_header(ring, BlockId { index, generation: state.generation })?;
    Some(halves(header[block::PROCESS]))
}

/// Whether any block of records names the process, or may do so and cannot tell.
pub(super) fn is_named(ring: &Ring, process: (u32, u32)) -> bool {
    named_processes(ring).is_none_or(|named| named.contains(&process))
}

/// The processes that blocks of records name; `None` where a block may be one of those and cannot tell. A block
/// whose header is not written yet is named by its lane's entry.
fn named_processes(ring: &Ring) -> Option<HashSet<(u32, u32)>> {
    let mut named = HashSet::new();
    for index in 0..ring.geometry().block_count {
        let state = ring.state(index)?;
        if state.phase == Phase::Free || state.kind != Kind::Records {
            continue;
        }
        match owner(ring, index, state) {
            Some(process) => _ = named.insert(process),
            None if state.lane < ring.geometry().lane_count => {
                let word = ring.lane_word(state.lane, entry::PROCESS).load(Ordering::Relaxed);
                named.insert(halves(word));
            }
            None => {}
        }
    }
    Some(named)
}
