//! One lane of the ring, read in order: its blocks by their chain, their records one at a time, and the notices
//! between them.

mod block_copy;
mod chain;
mod delivered;
mod hand_out;
mod long_record;
mod notices;
mod owner;
mod parse;

use std::cmp::Ordering::{Equal, Greater, Less};
use std::ops::Range;
use std::sync::Arc;

use self::block_copy::BlockCopy;
use self::chain::{Chain, ChainPlace};
use self::delivered::Delivered;
use self::long_record::LongRecord;
use self::notices::{Notice, Notices};
use self::owner::BlockOwner;
use super::blocks::{BlockTable, FoundBlock, RecordEnd};
use super::cursor::{Cursor, LaneCursor, PassesOver};
use super::moment::Moment;
use super::snapshot::LaneSnapshot;
use crate::reader::entry::{ExitCause, LaneEnd};
use crate::reader::origin::Origin;
use crate::ring::exit_history::ExitHistory;
use crate::ring::reclaim;
use crate::shm::block::SharedRing;
use crate::shm::clock::Anchor;
use crate::shm::drops::{Drops, LanelessReason};
use crate::shm::layout::{BLOCK_HEADER_SLOTS, block, halves, lane as lane_entry};
use crate::shm::record_header::Header;
use crate::shm::sync::Ordering;

pub(super) use self::delivered::LaneProgress;
pub(super) use self::hand_out::Given;
pub(super) use self::notices::OwnerExit;

/// The lane's next entry.
#[derive(Debug)]
enum Head {
    Record { header: Header, unix_ns: u64, sequence: u64, payload: Payload, end: RecordEnd },
    Notice { notice: Notice, ticks: u64, unix_ns: u64 },
}

/// Where a record's payload lies.
#[derive(Debug)]
enum Payload {
    /// Bytes of the current copy.
    Copy(Range<usize>),
    /// The parts that were put together.
    Long,
}

/// Reads one lane. Finds the lane's next entry and keeps it until it is taken.
#[derive(Debug)]
pub(super) struct LaneReader {
    lane: u32,
    chain: Chain,
    copy: BlockCopy,
    long: LongRecord,
    notices: Notices,
    head: Option<Head>,
    owner: BlockOwner,
    /// Sequence of the next record to be parsed.
    next_sequence: u64,
    passes_over: PassesOver,
    delivered: Delivered,
    /// Time of the last record given out.
    last: Moment,
    /// When the last scan began.
    scan: Moment,
    /// The next mark takes the lane's progress.
    is_dirty: bool,
}

impl LaneReader {
    /// Begins where the last consumer ended: at the position in the ring or at the cursor's, whichever is further.
    pub(super) fn new(ring: &SharedRing, lane: u32, cursor: Option<&Cursor>) -> LaneReader {
        let word = |offset| ring.lane_word(lane, offset).load(Ordering::Relaxed);
        let (incarnation, next) = halves(word(lane_entry::NEXT));
        let exits = word(lane_entry::EXITS_REPORTED) as u32;
        let cursor = cursor.and_then(|cursor| cursor.lane(lane)).unwrap_or_default();
        let given = (cursor.incarnation, cursor.sequence);
        let counted = (incarnation, word(lane_entry::NEXT_SEQUENCE));
        let ((incarnation, next_sequence), next) = if given.0 > incarnation {
            (given, 0)
        } else {
            let known = if given.0 == incarnation { given.1 } else { 0 };
            ((incarnation, word(lane_entry::NEXT_SEQUENCE).max(known)), next)
        };
        LaneReader {
            lane,
            chain: Chain::new(ChainPlace { incarnation, next: next.into() }),
            copy: BlockCopy::default(),
            long: LongRecord::default(),
            notices: Notices::new(
                Drops {
                    all: word(lane_entry::DROPPED_REPORTED).max(cursor.drops_reported),
                    reasons: word(lane_entry::DROPPED_FOR_REPORTED),
                },
                exits.max(cursor.exits_reported),
            ),
            head: None,
            owner: BlockOwner::new(lane, incarnation),
            next_sequence,
            passes_over: PassesOver { given, counted },
            delivered: Delivered::new(word(lane_entry::PERSISTED), next_sequence, given),
            last: Moment::default(),
            scan: Moment::default(),
            is_dirty: false,
        }
    }

    /// Takes a block that a scan has found. Returns false for a block whose records were all given out.
    pub(super) fn accept(&mut self, ring: &SharedRing, block: FoundBlock) -> bool {
        let header = block.header();
        if !self.passes_over.block(header) {
            self.chain.insert(block);
            return true;
        }
        let records = reclaim::records_in(ring, block.id.index, block.id.generation);
        self.pass_over(block.incarnation(), header[block::FIRST_SEQUENCE], records);
        false
    }

    /// Counts records that were given out before: they are persisted, whether the ring knows that or not.
    fn pass_over(&mut self, incarnation: u32, first: u64, count: u64) {
        self.delivered.pass_over(self.passes_over.uncounted(incarnation, first, count));
    }

    /// Whether records were passed over since the last time that the lane's progress was taken.
    pub(super) fn has_passed_over(&self) -> bool {
        self.delivered.has_passed_over()
    }

    /// Removes a block that was freed or reused before it was parsed, so that the lanes never hold more blocks than
    /// the ring has.
    pub(super) fn lose(&mut self, index: u32) {
        self.chain.remove(index);
        if self.copy.index() == Some(index) {
            self.copy.close();
        }
        self.observe_damage();
    }

    /// The tick by which the next entry is merged; `None` without a next entry.
    #[inline]
    pub(super) fn head_ticks(&self) -> Option<u64> {
        match self.head.as_ref()? {
            Head::Record { header, .. } => Some(header.ticks.max(self.last.ticks)),
            Head::Notice { ticks, .. } => Some(*ticks),
        }
    }

    /// The time of the next entry.
    pub(super) fn head_unix_ns(&self) -> Option<u64> {
        match self.head.as_ref()? {
            Head::Record { unix_ns, .. } | Head::Notice { unix_ns, .. } => Some(*unix_ns),
        }
    }

    /// Whether the next entry is a record.
    pub(super) fn head_is_record(&self) -> bool {
        matches!(self.head, Some(Head::Record { .. }))
    }

    /// The tick from which on there may be entries that this scan cannot give out yet.
    pub(super) fn held_back_from(&self, scan: u64) -> Option<u64> {
        if self.head.is_some() { None } else { self.chain.held_back_from(scan) }
    }

    /// Whether the file has to be checked for truncation before the head is given out; true once for each copy.
    #[inline]
    pub(super) fn take_unchecked(&mut self) -> bool {
        self.copy.take_unchecked() || matches!(self.head, Some(Head::Notice { .. }))
    }

    /// Whether nothing that the scans have found is left to parse.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_none() && self.chain.is_empty() && self.notices.is_empty()
    }

    /// Whether nothing comes from it until a block is found or a notice is queued.
    pub(super) fn is_resting(&self) -> bool {
        self.is_empty() && self.copy.index().is_none() && !self.has_passed_over()
    }

    /// Marks the lane's progress for the next mark. Returns whether it was marked before.
    #[inline]
    pub(super) fn mark_dirty(&mut self) -> bool {
        std::mem::replace(&mut self.is_dirty, true)
    }

    /// The lane's progress once everything given out so far is persisted.
    pub(super) fn take_progress(&mut self) -> LaneProgress {
        self.is_dirty = false;
        let (drops, exits) = (self.notices.drops_reported(), self.notices.exits_reported());
        self.delivered.progress(self.chain.place(), drops, exits)
    }

    /// How far the lane has been given out.
    pub(super) fn cursor(&self) -> LaneCursor {
        let (incarnation, sequence) = self.delivered.last();
        LaneCursor {
            lane: self.lane,
            incarnation,
            sequence,
            drops_reported: self.notices.drops_reported().all,
            exits_reported: self.notices.exits_reported(),
        }
    }

    /// Finds the next entry, unless the head holds one.
    #[inline]
    pub(super) fn advance(&mut self, ring: &SharedRing, blocks: &mut BlockTable, scan: u64) {
        while self.head.is_none() {
            if let Some(notice) = self.notices.pop() {
                self.head = Some(self.head_of(notice));
                return;
            }
            if self.copy.index().is_none() && !self.begin_block(ring, blocks, scan) {
                return;
            }
            if self.parse_next(ring, blocks)
                || self.copy.refill(ring, blocks)
                || self.finish_block(ring, blocks)
            {
                continue;
            }
            self.deliver_rest(blocks);
            return;
        }
    }

    fn head_of(&self, notice: Notice) -> Head {
        let Moment { ticks, unix_ns } = notice.moment.unwrap_or_else(|| self.moment_before());
        Head::Notice { notice, ticks: ticks.max(self.last.ticks), unix_ns }
    }

    /// The moment of the previous record. Before the first one that is given out: its block's anchor, else the last
    /// scan. Both clocks are of one moment, so that the notice is merged at the time that it shows.
    fn moment_before(&self) -> Moment {
        match self.last.unix_ns {
            0 => self
                .copy
                .anchor()
                .map_or(self.scan, |anchor| Moment { ticks: anchor.ticks, unix_ns: anchor.unix_ns }),
            _ => self.last,
        }
    }

    /// Makes the next block of the chain the current one. Returns false if that block has not been found yet.
    fn begin_block(&mut self, ring: &SharedRing, blocks: &mut BlockTable, scan: u64) -> bool {
        let Some(next) = self.chain.take_next(scan) else { return false };
        let (id, header) = (next.block.id, next.block.header());
        if next.block.incarnation() != next.before.incarnation {
            self.abandon_long(blocks);
            let earlier = self.owner.known().cloned();
            self.owner.set(header);
            self.end_incarnation(ring, header, next.before, earlier);
        } else {
            self.owner.set(header);
        }
        let given_before = self.passes_over.sequence(header);
        self.next_sequence = self.next_sequence.max(given_before);
        // Where no block is missing, a sequence that is passed over is that of a long record that was given up
        // before its first part was published.
        if next.follows_missing && header[block::FIRST_SEQUENCE] > self.next_sequence {
            self.notices.observe_missing(header[block::FIRST_SEQUENCE] - self.next_sequence);
        }
        let reasons = header[block::DROPPED_FOR];
        self.notices.observe_drops(Drops { all: header[block::DROPPED], reasons }, None);
        self.next_sequence = header[block::FIRST_SEQUENCE];
        self.copy.open(id, given_before, Anchor::of_block(header));
        // So that a flush sees that the lane's earlier blocks are delivered.
        blocks.deliver(RecordEnd { block: id.index, slot: BLOCK_HEADER_SLOTS });
        true
    }

    /// Reports the drops and unclean exits of earlier owners, all of whose records have been read, up to `end`. The
    /// owner of this block header found these owners dead when it opened the lane.
    fn end_incarnation(
        &mut self,
        ring: &SharedRing,
        header: &[u64; block::WORDS],
        end: ChainPlace,
        earlier: Option<Arc<Origin>>,
    ) {
        let (_, incarnation) = halves(header[block::LANE]);
        let earlier = earlier.or_else(|| Origin::of_incarnation(ring, self.lane, end.incarnation));
        let counter = Drops { all: header[block::DROPPED], reasons: header[block::DROPPED_FOR] };
        self.notices.observe_earlier_drops(header[block::DROPPED_AT_LANE_OPEN], counter, earlier.clone());
        let history = ExitHistory::decode(header[block::UNCLEAN_EXITS]);
        for exited in self.notices.unobserved_exits(history, end.incarnation, incarnation) {
            let owner = earlier.clone().filter(|owner| owner.incarnation == exited);
            let owner = owner.or_else(|| Origin::of_incarnation(ring, self.lane, exited));
            self.observe_exit(exited, owner, end.incarnation);
        }
        self.delivered.end_incarnation(end);
        self.next_sequence = 0;
    }

    /// Notes the exit of an incarnation. `read` is the incarnation whose blocks were read last.
    fn observe_exit(&mut self, incarnation: u32, owner: Option<Arc<Origin>>, read: u32) {
        let of_blocks = self.owner.known().filter(|origin| origin.incarnation == incarnation);
        let owner = owner.or_else(|| of_blocks.cloned());
        let last_sequence = match incarnation.cmp(&read) {
            // The consumer before had read the records of a later owner.
            Less => None,
            Equal => Some(self.delivered.last_sequence()),
            Greater => Some(None),
        };
        self.notices.observe_exit(OwnerExit { incarnation, owner, last_sequence });
    }

    /// Delivers what follows the last record of the copy, such as control records. It needs no acknowledgement, and
    /// a flush may be waiting for it.
    fn deliver_rest(&self, blocks: &mut BlockTable) {
        if let Some(end) = self.copy.copied()
            && !self.long.is_unfinished()
            && self.notices.is_empty()
            && !self.long.holds(end.block)
        {
            blocks.deliver_up_to(end);
        }
    }

    /// Ends a sealed block that has been parsed to its end. Returns false if the block may still grow.
    fn finish_block(&mut self, ring: &SharedRing, blocks: &mut BlockTable) -> bool {
        let Some(index) = self.copy.index() else { return false };
        if !blocks.finish_parsing(index) {
            return false;
        }
        let closes_lane = ring.block_word(index, block::CLOSED).load(Ordering::Relaxed) == 1;
        if !self.long.holds(index) {
            blocks.deliver_parsed(index);
        }
        self.copy.close();
        if closes_lane {
            // This exit was clean, also if the lane's history no longer covers it.
            self.notices.skip_exit(self.chain.place().incarnation);
        }
        true
    }

    fn observe_damage(&mut self) {
        self.notices.observe_damage(self.owner.known().cloned());
    }

    /// Gives up a long record whose last part will never be published.
    #[inline]
    fn abandon_long(&mut self, blocks: &mut BlockTable) {
        if self.long.finish().is_some() {
            self.observe_damage();
            self.long.release(blocks);
        }
    }
}

/// The interface for the exit watch.
impl LaneReader {
    /// Queues the drops and exits that the lane's entry named when the snapshot was taken. The caller has given out
    /// all records that were published before the snapshot, so that the notices follow them.
    pub(super) fn observe_snapshot(&mut self, ring: &SharedRing, snapshot: &mut LaneSnapshot) {
        let LaneSnapshot { incarnation, drops, drops_before, history, .. } = *snapshot;
        let read = self.chain.place().incarnation;
        self.notices.observe_earlier_drops(drops_before, drops, None);
        // The snapshot may have been taken before the blocks of an owner were read that the history no longer covers.
        let is_known = snapshot.exits.iter().any(|(exited, _)| *exited == read);
        if !is_known && self.unobserved_exits(history, incarnation).first() == Some(&read) {
            self.observe_exit(read, None, read);
        }
        let mut exits = std::mem::take(&mut snapshot.exits).into_iter().peekable();
        while let Some((earlier, owner)) = exits.next_if(|(exited, _)| *exited < incarnation) {
            self.observe_exit(earlier, owner, read);
        }
        if self.notices.has_new_drops(drops.all) {
            let is_known = self.owner.known().is_some_and(|origin| origin.incarnation == incarnation);
            let owner = if is_known { None } else { Origin::of_incarnation(ring, self.lane, incarnation) };
            self.notices.observe_drops(drops, owner);
        }
        for (last, owner) in exits {
            self.observe_exit(last, owner, read);
        }
    }

    /// The incarnations before `before` that exited uncleanly and have not been observed.
    pub(super) fn unobserved_exits(&self, history: ExitHistory, before: u32) -> Vec<u32> {
        self.notices.unobserved_exits(history, self.chain.place().incarnation, before)
    }

    pub(super) fn exits_observed(&self) -> u32 {
        self.notices.exits_observed()
    }

    /// The exits observed since the last call, in order.
    pub(super) fn take_exits(&mut self) -> Vec<OwnerExit> {
        self.notices.take_exits()
    }

    /// Notes that the exit of this incarnation is to be reported. Returns false if it has been.
    pub(super) fn await_report(&mut self, incarnation: u32) -> bool {
        self.notices.await_report(incarnation)
    }

    /// Notes that nothing of the exit of this incarnation is left to be reported.
    pub(super) fn settle_exit(&mut self, incarnation: u32) {
        self.notices.settle_exit(incarnation);
    }

    /// Queues the report of a process, of which this is the lane.
    pub(super) fn push_exit(
        &mut self,
        process: Arc<Origin>,
        cause: ExitCause,
        lanes: Vec<LaneEnd>,
        moment: Moment,
    ) {
        self.notices.push_exit(process, cause, lanes, moment);
    }

    /// Queues drops of threads that have no lane. They have no position among the records of any lane.
    pub(super) fn observe_laneless_drops(&mut self, count: u64, reason: LanelessReason, origin: Arc<Origin>) {
        self.notices.observe_laneless_drops(count, reason, origin);
    }

    /// The processes of which records are still to be given out, as far as their exits have not been observed.
    pub(super) fn unread_processes(&self) -> impl Iterator<Item = (u32, u32)> {
        let observed = self.notices.exits_observed();
        let owner = self.owner.known().filter(|_| !self.is_empty());
        let owner = owner.map(|owner| (owner.incarnation, owner.process_lane));
        let found = self.chain.found().map(|block| (block.incarnation(), block.process()));
        let unread = owner.into_iter().chain(found);
        unread.filter(move |(incarnation, _)| *incarnation > observed).map(|(_, process)| process)
    }
}
