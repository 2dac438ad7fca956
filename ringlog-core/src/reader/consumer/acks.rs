//! Giving back what is persisted, in the steps in which it was: a mark notes how things stand, and they are written
//! into the ring when it is acknowledged.

use std::sync::atomic::Ordering;

use super::Consumer;
use super::lane_reader::LaneQueue;
use super::scan::PendingAck;
use crate::error::Error;
use crate::shm::block::SharedRing;
use crate::shm::layout::{header, lane as lane_entry, pair};

/// A place in what a consumer has given out, to be acknowledged later, while more is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// How things stood at a mark, since the one before.
#[derive(Debug, Default)]
pub(super) struct AckBatch {
    mark: u64,
    entries: u64,
    lanes: Vec<(u32, Progress)>,
    blocks: Vec<(u32, PendingAck)>,
    persisted: u64,
    late: u64,
    damaged: u64,
    without_lane: u64,
}

/// How far a lane is persisted, as the words of its entry.
#[derive(Clone, Copy, Debug)]
struct Progress {
    persisted: u64,
    told: u64,
    next: u64,
    next_sequence: u64,
    deaths_told: u32,
}

impl Consumer {
    /// Everything that [`next`](Self::next) has given out is persisted: blocks are given back to the
    /// producers, and whoever waits in a flush sees it.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn ack(&mut self) -> Result<(), Error> {
        let mark = self.mark();
        self.ack_to(mark)
    }

    /// Up to here entries have been given out. For whoever goes on taking them out while these are on their way:
    /// [`ack_to`](Self::ack_to) then acknowledges them and no later ones.
    pub fn mark(&mut self) -> Mark {
        self.stage();
        Mark(self.marks)
    }

    /// What was given out up to the mark is persisted, as with [`ack`](Self::ack). Of an earlier mark than the one
    /// before nothing is left to be said.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn ack_to(&mut self, mark: Mark) -> Result<(), Error> {
        let ring = self.ring()?;
        self.acknowledge(&ring, mark.0);
        Ok(())
    }

    /// Acknowledges what needs nobody's acknowledgement.
    pub(super) fn acknowledge_all(&mut self, ring: &SharedRing) {
        self.stage();
        self.acknowledge(ring, self.marks);
    }

    /// Notes what is to be written when all that was given out is persisted.
    fn stage(&mut self) {
        self.marks += 1;
        let mut stage = self.spare.pop().unwrap_or_default();
        stage.mark = self.marks;
        stage.entries = std::mem::take(&mut self.unstaged);
        for lane in self.dirty_lanes.drain(..) {
            stage.lanes.push((lane, self.lanes[lane as usize].progress()));
        }
        for index in self.dirty.drain(..) {
            stage.blocks.push((index, self.seen[index as usize].stage()));
        }
        (stage.persisted, stage.late, stage.damaged) = (self.persisted, self.late, self.damaged);
        stage.without_lane = self.reclaim.without_lane_given;
        self.stages.push_back(stage);
    }

    fn acknowledge(&mut self, ring: &SharedRing, mark: u64) {
        let mut freed = 0;
        while self.stages.front().is_some_and(|stage| stage.mark <= mark) {
            let Some(mut stage) = self.stages.pop_front() else { break };
            self.unacknowledged -= stage.entries;
            freed += self.write_down(ring, &mut stage);
            self.spare.push(stage);
        }
        crate::ring::lane::announce_freed(ring, freed);
    }

    /// Writes a stage into the ring and empties it. Returns how many blocks were freed.
    fn write_down(&mut self, ring: &SharedRing, stage: &mut AckBatch) -> u64 {
        // The lanes first: if we die in between, some records come again. The other way round the next
        // consumer would find their blocks gone and call them missing.
        for (lane, progress) in stage.lanes.drain(..) {
            progress.write(ring, lane);
        }
        let mut freed = 0;
        for (index, staged) in stage.blocks.drain(..) {
            freed += u64::from(self.seen[index as usize].acknowledge(ring, index, staged));
        }
        let set = |offset, value| ring.header_word(offset).store(value, Ordering::Relaxed);
        set(header::CONSUMER_PERSISTED, stage.persisted);
        set(header::CONSUMER_LATE, stage.late);
        set(header::CONSUMER_DAMAGED, stage.damaged);
        set(header::DROPPED_WITHOUT_LANE_TOLD, stage.without_lane);
        freed
    }
}

impl LaneQueue {
    /// How far the lane is persisted when all that was given out is, for `stat` and for the next consumer.
    fn progress(&mut self) -> Progress {
        self.dirty = false;
        let here = (self.incarnation, self.next_chain, self.given_sequence);
        let (incarnation, next_chain, next_sequence) = self.ended.unwrap_or(here);
        Progress {
            persisted: self.persisted,
            told: self.told,
            next: pair(incarnation, next_chain as u32),
            next_sequence,
            deaths_told: self.deaths_told,
        }
    }
}

impl Progress {
    fn write(self, ring: &SharedRing, lane: u32) {
        let set = |offset, value| ring.lane_word(lane, offset).store(value, Ordering::Relaxed);
        set(lane_entry::PERSISTED, self.persisted);
        set(lane_entry::DROPPED_TOLD, self.told);
        set(lane_entry::NEXT, self.next);
        set(lane_entry::NEXT_SEQUENCE, self.next_sequence);
        set(lane_entry::DEATHS_TOLD, self.deaths_told.into());
    }
}
