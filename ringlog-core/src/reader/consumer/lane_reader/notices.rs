//! What stands between a lane's records: gaps, and its owners' deaths.

use std::sync::Arc;

use super::{Head, LaneQueue};
use crate::reader::entry::{Died, Gap, GapReason};
use crate::reader::origin::Origin;
use crate::ring::exit_history::{self, Deaths};
use crate::shm::block::SharedRing;
use crate::shm::layout::{block, halves};

/// What is no record, and stands between two.
#[derive(Debug)]
pub(in crate::reader::consumer) struct Aside {
    pub(in crate::reader::consumer) what: What,
    /// Whose it is; the owner's of the current block if `None`.
    pub(in crate::reader::consumer) origin: Option<Arc<Origin>>,
    /// When it was noticed, in ticks and in ns since 1970; with the record before it if `None`.
    pub(in crate::reader::consumer) moment: Option<(u64, u64)>,
}

#[derive(Debug)]
pub(in crate::reader::consumer) enum What {
    /// And the lane's counter of refused records as it tells it.
    Gap(Gap, u64),
    Died(Died),
}

impl Aside {
    pub(in crate::reader::consumer) fn gap(gap: Gap, origin: Option<Arc<Origin>>, told: u64) -> Aside {
        Aside { what: What::Gap(gap, told), origin, moment: None }
    }

    /// Whether it tells the death of one of the process's threads.
    fn is_death_in(&self, process: (u32, u32)) -> bool {
        let died = matches!(self.what, What::Died(_));
        died && self.origin.as_ref().is_some_and(|origin| origin.process_lane == process)
    }
}

impl LaneQueue {
    /// Tells drops that no later record has told: of a lane that is quiet, or gone.
    pub(in crate::reader::consumer) fn hear_drops(&mut self, dropped: u64, whose: Option<Arc<Origin>>) {
        if self.has_news_of_drops(dropped) {
            let gap = Gap { count: dropped - self.heard, reason: GapReason::Dropped };
            self.heard = dropped;
            self.asides.push_back(Aside::gap(gap, whose, dropped));
        }
    }

    /// Half of all numbers lie behind: a counter that somebody set back tells nothing.
    pub(in crate::reader::consumer) fn has_news_of_drops(&self, dropped: u64) -> bool {
        dropped > self.heard && dropped - self.heard < 1 << 63
    }

    /// Takes a gap of nobody's into the output.
    pub(in crate::reader::consumer) fn carry_gap(&mut self, count: u64, nobody: Arc<Origin>) {
        self.asides.push_back(Aside::gap(
            Gap { count, reason: GapReason::Dropped },
            Some(nobody),
            self.heard,
        ));
    }

    pub(in crate::reader::consumer) fn damaged(&mut self) {
        let gap = Gap { count: 1, reason: GapReason::Damaged };
        self.asides.push_back(Aside::gap(gap, self.origin.clone(), self.heard));
    }

    /// Tells that an owner died, behind all that he published. One of whom nothing is known and nothing is
    /// there is not worth a line; a process lane without records waits for its threads.
    pub(in crate::reader::consumer) fn hear_death(
        &mut self,
        (lane, incarnation): (u32, u32),
        owner: Option<Arc<Origin>>,
        moment: (u64, u64),
    ) {
        if incarnation <= self.deaths_heard {
            return;
        }
        self.deaths_heard = incarnation;
        let last_sequence = self.last_sequence(incarnation);
        let of_blocks = self.origin.clone().filter(|origin| origin.incarnation == incarnation);
        match (owner.or(of_blocks), last_sequence) {
            (None, None) => {}
            (Some(process), None) if process.is_process() => self.quiet_deaths.push(process),
            (owner, _) => {
                let origin = owner.unwrap_or_else(|| Arc::new(Origin::forgotten(lane, incarnation)));
                self.tell_death(origin, last_sequence, moment);
            }
        }
    }

    pub(in crate::reader::consumer) fn tell_death(
        &mut self,
        origin: Arc<Origin>,
        last_sequence: Option<u64>,
        moment: (u64, u64),
    ) {
        let what = What::Died(Died { last_sequence });
        self.asides.push_back(Aside { what, origin: Some(origin), moment: Some(moment) });
    }

    /// Who died before the owner whose incarnation this is, and has not been heard of. The owner of the blocks
    /// that have been given out is among them also where the lane has forgotten how he ended: had he closed
    /// it, they would have said so.
    pub(in crate::reader::consumer) fn deaths_to_tell(&self, deaths: Deaths, before: u32) -> Vec<u32> {
        let mut died = Vec::new();
        if self.incarnation > self.deaths_heard
            && self.incarnation < before
            && deaths.has_forgotten(self.incarnation)
        {
            died.push(self.incarnation);
        }
        died.extend(deaths.between(self.deaths_heard, before));
        died
    }

    /// The owner has closed the lane with a block that has been read to its end: whatever its entry forgets,
    /// this was no death.
    pub(in crate::reader::consumer) fn hear_closed(&mut self) {
        self.deaths_heard = self.deaths_heard.max(self.incarnation);
        self.deaths_told = self.deaths_told.max(self.incarnation);
    }

    /// Whether the incarnation has blocks, given out or not.
    pub(in crate::reader::consumer) fn has_blocks_of(&self, incarnation: u32) -> bool {
        self.incarnation == incarnation || self.blocks.iter().any(|block| block.place().0 == incarnation)
    }

    /// Sequence of the last record that has been given out of this incarnation.
    fn last_sequence(&self, incarnation: u32) -> Option<u64> {
        if self.incarnation == incarnation { self.given_sequence.checked_sub(1) } else { None }
    }

    /// Whether a death in this process is about to be told.
    pub(in crate::reader::consumer) fn is_telling_death_in(&self, process: (u32, u32)) -> bool {
        let head = match &self.head {
            Some(Head::Aside { aside, .. }) => Some(aside),
            _ => None,
        };
        head.into_iter().chain(&self.asides).any(|aside| aside.is_death_in(process))
    }

    /// All that earlier owners published has been given out: tells what they were refused, and which of them
    /// died. They were found dead when the owner of this block header opened the lane.
    pub(in crate::reader::consumer) fn end_incarnation(
        &mut self,
        ring: &SharedRing,
        header: &[u64; block::WORDS],
        earlier: Option<Arc<Origin>>,
    ) {
        let (lane, incarnation) = halves(header[block::LANE]);
        let earlier = earlier.or_else(|| exit_history::owner(ring, lane, self.incarnation));
        let refused = header[block::DROPPED_AT_LANE_OPEN].min(header[block::DROPPED]);
        self.hear_drops(refused, earlier.clone());
        let moment = (header[block::ANCHOR_TICKS], header[block::ANCHOR_UNIX_NS]);
        for died in self.deaths_to_tell(Deaths::decode(header[block::DEATHS]), incarnation) {
            let owner = earlier.clone().filter(|owner| owner.incarnation == died);
            self.hear_death((lane, died), owner.or_else(|| exit_history::owner(ring, lane, died)), moment);
        }
        self.ended.get_or_insert((self.incarnation, self.next_chain, self.given_sequence));
        self.incarnation = incarnation;
        self.next_chain = 0;
        self.next_sequence = 0;
        self.given_sequence = 0;
    }
}
