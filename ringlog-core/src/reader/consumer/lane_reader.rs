//! One lane on the consumer's side: its blocks in chain order, parsed one entry at a time.

mod hand_out;
pub(super) mod notices;
mod parse;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cursor::{Cursor, PassesOver};
use super::scan::BlockCursor;
use crate::reader::entry::{Gap, GapReason};
use crate::reader::origin::Origin;
use crate::shm::block::{BlockId, SharedRing};
use crate::shm::clock::Anchor;
use crate::shm::layout::{BLOCK_HEADER_SLOTS, block, halves, lane as lane_entry};
use crate::shm::record_header::Header;
use notices::Aside;

/// A block of the lane that has been found by a scan.
#[derive(Debug)]
pub(super) struct Chained {
    pub(super) id: BlockId,
    pub(super) header: Box<[u64; block::WORDS]>,
}

impl Chained {
    /// Place in the lane's life: incarnation, then number in the chain.
    pub(super) fn place(&self) -> (u32, u64) {
        (halves(self.header[block::LANE]).1, self.header[block::CHAIN])
    }
}

/// The block that is being parsed, and the copy of its slots.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) id: BlockId,
    /// Slot up to which the block has been copied.
    copied: u32,
    /// Word in the copy where the next record starts.
    pub(super) at: usize,
    /// Slot of the block where the copy starts.
    pub(super) from: u32,
    /// Records before this sequence were given out by an earlier consumer.
    pub(super) given_before: u64,
    pub(super) anchor: Anchor,
}

/// The lane's next entry.
#[derive(Debug)]
pub(super) enum Head {
    Record { header: Header, unix_ns: u64, sequence: u64, payload: Payload, end: (u32, u32) },
    Aside { aside: Aside, ticks: u64, unix_ns: u64 },
}

/// Where a record's payload lies.
#[derive(Debug)]
pub(super) enum Payload {
    /// Bytes of the current copy.
    Copy(Range<usize>),
    /// The assembled parts.
    Long,
}

/// What has been given out.
pub(super) enum Given {
    Record { ticks: u64 },
    Gap { damaged: bool },
    Died { process: (u32, u32) },
}

/// A record of several blocks on its way.
#[derive(Debug)]
pub(super) struct Long {
    pub(super) header: Header,
    pub(super) unix_ns: u64,
    pub(super) sequence: u64,
    pub(super) next_part: u32,
}

#[derive(Debug)]
pub(super) struct LaneQueue {
    pub(super) blocks: VecDeque<Chained>,
    pub(super) current: Option<Current>,
    pub(super) words: Vec<u64>,
    pub(super) long: Option<Long>,
    pub(super) long_bytes: Vec<u8>,
    /// Blocks that hold parts of `long`: not to be freed before it is given out.
    pub(super) long_blocks: Vec<u32>,
    pub(super) asides: VecDeque<Aside>,
    pub(super) head: Option<Head>,
    pub(super) origin: Option<Arc<Origin>>,
    /// Stands for an owner of whom this consumer has seen no block, and the lane's entry says nothing.
    pub(super) forgotten: Arc<Origin>,
    origin_words: [u64; block::WORDS],
    pub(super) incarnation: u32,
    pub(super) next_chain: u64,
    /// The scan in which the next block of the chain was missed; 0 if it was not.
    missed_in_scan: u64,
    /// Sequence of the next record to be parsed.
    pub(super) next_sequence: u64,
    /// Sequence after the last record of the incarnation that was given out.
    pub(super) given_sequence: u64,
    /// Incarnation of the last record that this consumer or its cursor knows to be given out, and the sequence
    /// after it. What the ring says of that is not for the next cursor: its two words may not belong together.
    pub(super) given: (u32, u64),
    pub(super) passes_over: PassesOver,
    /// Incarnation, next number in the chain and sequence where an earlier owner ended, until a record of a
    /// later one is given out. The next consumer has to begin there: what stands between the two may not
    /// have been given out yet.
    pub(super) ended: Option<(u32, u64, u64)>,
    /// Drops that have been parsed, and those told in entries given out.
    pub(super) heard: u64,
    pub(super) told: u64,
    /// The incarnation up to which deaths have been heard of, and up to which they were told in entries
    /// given out.
    pub(super) deaths_heard: u32,
    pub(super) deaths_told: u32,
    /// Process lanes that died without a record of their own: told if no thread of theirs is.
    pub(super) quiet_deaths: Vec<Arc<Origin>>,
    pub(super) persisted: u64,
    pub(super) last_ticks: u64,
    pub(super) last_unix_ns: u64,
    /// Something was copied since it was last made sure that the file is whole.
    unproved: bool,
    pub(super) dirty: bool,
}

impl LaneQueue {
    /// Takes up where the last consumer ended: as the ring has it, or as the cursor says, if that is further.
    pub(super) fn new(ring: &SharedRing, lane: u32, cursor: Option<&Cursor>) -> LaneQueue {
        let word = |offset| ring.lane_word(lane, offset).load(Ordering::Relaxed);
        let (incarnation, next_chain) = halves(word(lane_entry::NEXT));
        let (next_sequence, told) = (word(lane_entry::NEXT_SEQUENCE), word(lane_entry::DROPPED_TOLD));
        let deaths_told = word(lane_entry::DEATHS_TOLD) as u32;
        let (cursor, begun_before) = cursor.and_then(|cursor| cursor.lane(lane)).unwrap_or_default();
        let given = (cursor.incarnation, cursor.sequence);
        let ((incarnation, next_sequence), next_chain) = if given.0 > incarnation {
            (given, 0)
        } else {
            let known = if given.0 == incarnation { given.1 } else { 0 };
            ((incarnation, next_sequence.max(known)), next_chain)
        };
        let (told, deaths_told) = (told.max(cursor.told), deaths_told.max(cursor.deaths_told));
        LaneQueue {
            blocks: VecDeque::new(),
            current: None,
            words: Vec::new(),
            long: None,
            long_bytes: Vec::new(),
            long_blocks: Vec::new(),
            asides: VecDeque::new(),
            head: None,
            origin: None,
            forgotten: Arc::new(Origin::forgotten(lane, incarnation)),
            origin_words: [0; block::WORDS],
            incarnation,
            next_chain: next_chain.into(),
            missed_in_scan: 0,
            next_sequence,
            given_sequence: next_sequence,
            ended: None,
            given,
            passes_over: PassesOver { given, begun_before },
            heard: told,
            told,
            deaths_heard: deaths_told,
            deaths_told,
            quiet_deaths: Vec::new(),
            persisted: word(lane_entry::PERSISTED),
            last_ticks: 0,
            last_unix_ns: 0,
            unproved: false,
            dirty: false,
        }
    }

    /// Adds a block that a scan has found.
    pub(super) fn add(&mut self, block: Chained) {
        let place = block.place();
        let at = self.blocks.partition_point(|other| other.place() <= place);
        self.blocks.insert(at, block);
    }

    /// Gives up a block that has become another one's before it was parsed. So there are never more blocks in
    /// the queues than in the ring.
    pub(super) fn lose(&mut self, index: u32) {
        self.blocks.retain(|block| block.id.index != index);
        if self.current.as_ref().is_some_and(|current| current.id.index == index) {
            self.current = None;
        }
        self.damaged();
    }

    /// When the next entry is to be merged, if there is one.
    pub(super) fn head_ticks(&self) -> Option<u64> {
        match self.head.as_ref()? {
            Head::Record { header, .. } => Some(header.ticks.max(self.last_ticks)),
            Head::Aside { ticks, .. } => Some(*ticks),
        }
    }

    /// The time of the next entry.
    pub(super) fn head_unix_ns(&self) -> Option<u64> {
        match self.head.as_ref()? {
            Head::Record { unix_ns, .. } | Head::Aside { unix_ns, .. } => Some(*unix_ns),
        }
    }

    /// From when on there may be entries that are not the head yet, because this scan cannot prove that the block
    /// before theirs is gone. The next one can; until then nothing younger is to be given out.
    pub(super) fn held_back_from(&self, scan: u64) -> Option<u64> {
        let next = self.blocks.front().filter(|_| self.head.is_none() && self.missed_in_scan == scan)?;
        Some(next.header[block::ANCHOR_TICKS])
    }

    /// Whether it has to be made sure that the file is whole before the head is given out; asks once. The
    /// rest of a page beyond a cut reads zero without a fault.
    pub(super) fn needs_proof(&mut self) -> bool {
        std::mem::take(&mut self.unproved) || matches!(self.head, Some(Head::Aside { .. }))
    }

    /// Whether nothing is left to parse in what the scans have found.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_none() && self.blocks.is_empty() && self.asides.is_empty()
    }

    /// The time of the record before, or one for what comes before the lane's first.
    fn unix_ns_before(&self) -> u64 {
        match &self.current {
            _ if self.last_unix_ns != 0 => self.last_unix_ns,
            Some(current) => current.anchor.unix_ns,
            None => crate::shm::clock::unix_ns(),
        }
    }

    /// Finds the next entry, unless there is one. `seen` says how far each block is published.
    pub(super) fn advance(
        &mut self,
        ring: &SharedRing,
        seen: &mut [BlockCursor],
        dirty: &mut Vec<u32>,
        scan: u64,
    ) {
        while self.head.is_none() {
            if let Some(aside) = self.asides.pop_front() {
                let (ticks, unix_ns) =
                    aside.moment.unwrap_or_else(|| (self.last_ticks, self.unix_ns_before()));
                self.head = Some(Head::Aside { aside, ticks: ticks.max(self.last_ticks), unix_ns });
                return;
            }
            if self.current.is_none() && !self.begin_block(ring, seen, dirty, scan) {
                return;
            }
            if self.parse_one(ring, seen, dirty)
                || self.copy_more(ring, seen)
                || self.finish_block(ring, seen, dirty)
            {
                continue;
            }
            self.deliver_rest(seen, dirty);
            return;
        }
    }

    /// Makes the next block of the chain the current one. If it is not there, that counts only after
    /// another full scan: a scan is not one moment, and may find a block but miss the one before it.
    fn begin_block(
        &mut self,
        ring: &SharedRing,
        seen: &mut [BlockCursor],
        dirty: &mut Vec<u32>,
        scan: u64,
    ) -> bool {
        let Some(next) = self.blocks.front() else { return false };
        let (incarnation, chain) = next.place();
        let expected = incarnation == self.incarnation && chain <= self.next_chain;
        if !expected && self.missed_in_scan == 0 {
            self.missed_in_scan = scan;
        }
        if !expected && scan <= self.missed_in_scan {
            return false;
        }
        self.missed_in_scan = 0;
        let Some(next) = self.blocks.pop_front() else { return false };
        if incarnation != self.incarnation {
            self.abandon_long(seen, dirty);
        }
        let header = &next.header;
        let earlier = self.origin.clone();
        self.adopt_origin(header);
        if incarnation != self.incarnation {
            self.end_incarnation(ring, header, earlier);
        }
        let given_before = self.passes_over.sequence(header);
        self.next_sequence = self.next_sequence.max(given_before);
        // Where no block is missing, a sequence that is passed over is that of a long record that was given up
        // before its first part was published.
        if header[block::FIRST_SEQUENCE] > self.next_sequence && chain > self.next_chain {
            let count = header[block::FIRST_SEQUENCE] - self.next_sequence;
            self.asides.push_back(Aside::gap(Gap { count, reason: GapReason::Missing }, None, self.heard));
        }
        self.hear_drops(next.header[block::DROPPED], None);
        let header = &next.header;
        self.next_chain = chain.wrapping_add(1);
        self.next_sequence = header[block::FIRST_SEQUENCE];
        self.current = Some(Current {
            id: next.id,
            copied: BLOCK_HEADER_SLOTS,
            at: 0,
            from: BLOCK_HEADER_SLOTS,
            given_before,
            anchor: Anchor::of_block(header),
        });
        self.words.clear();
        // So that a flush sees that the lane's earlier blocks are done.
        seen[next.id.index as usize].delivered(next.id.index, BLOCK_HEADER_SLOTS, dirty);
        true
    }

    fn adopt_origin(&mut self, header: &[u64; block::WORDS]) {
        let mut words = *header;
        // What changes from block to block is not who wrote it.
        for word in [block::COMMITTED, block::CHAIN, block::FIRST_SEQUENCE, block::DROPPED] {
            words[word] = 0;
        }
        words[block::ANCHOR_TICKS..block::THREAD_NAME].fill(0);
        if self.origin.is_none() || words != self.origin_words {
            self.origin = Some(Arc::new(Origin::from_block(header)));
            self.origin_words = words;
        }
    }

    /// Copies what has been published in the current block since; false if nothing has.
    fn copy_more(&mut self, ring: &SharedRing, seen: &[BlockCursor]) -> bool {
        let Some(current) = &mut self.current else { return false };
        let limit = seen[current.id.index as usize].limit;
        if limit <= current.copied {
            return false;
        }
        self.words.clear();
        ring.copy_slots(current.id.index, current.copied, limit, &mut self.words);
        current.from = current.copied;
        current.copied = limit;
        current.at = 0;
        self.unproved = true;
        true
    }

    /// What follows the last record of the copy, control records and the like, needs nobody's
    /// acknowledgement; a flush may be waiting for it.
    fn deliver_rest(&self, seen: &mut [BlockCursor], dirty: &mut Vec<u32>) {
        if let Some(current) = &self.current
            && self.long.is_none()
            && self.asides.is_empty()
            && !self.long_blocks.contains(&current.id.index)
        {
            seen[current.id.index as usize].deliver_up_to(current.id.index, current.copied, dirty);
        }
    }

    /// Ends a sealed block that has been parsed to its end; false if more may come.
    fn finish_block(&mut self, ring: &SharedRing, seen: &mut [BlockCursor], dirty: &mut Vec<u32>) -> bool {
        let Some(current) = &self.current else { return false };
        let (index, known) = (current.id.index, &mut seen[current.id.index as usize]);
        if !known.sealed {
            return false;
        }
        known.parsed = true;
        let closed = ring.block_word(index, block::CLOSED).load(Ordering::Relaxed) == 1;
        if !self.long_blocks.contains(&index) {
            known.delivered(index, known.limit, dirty);
        }
        self.current = None;
        if closed {
            self.hear_closed();
        }
        true
    }

    /// Gives up a record whose end will never come.
    pub(super) fn abandon_long(&mut self, seen: &mut [BlockCursor], dirty: &mut Vec<u32>) {
        if self.long.take().is_some() {
            self.damaged();
            self.release_long_blocks(seen, dirty);
        }
    }

    pub(super) fn release_long_blocks(&mut self, seen: &mut [BlockCursor], dirty: &mut Vec<u32>) {
        for index in self.long_blocks.drain(..) {
            let block = &mut seen[index as usize];
            if block.parsed {
                block.delivered(index, block.limit, dirty);
            }
        }
    }
}
