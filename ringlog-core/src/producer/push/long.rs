//! Records that need several blocks.

use std::sync::atomic::Ordering;

use super::Push;
use super::blocks::Blocks;
use crate::error::PushError;
use crate::record::encode::Encoder;
use crate::record::record_trait::Record;
use crate::shm::block::{BlockId, Kind, publish};
use crate::shm::layout::{BLOCK_HEADER_SLOTS, RECORD_HEADER_BYTES, SLOT_WORDS, lane as lane_entry, pair};
use crate::shm::record_header::{Header, flag, kind, slots_for};
use crate::shm::wakeup;

impl Push<'_> {
    /// Pushes a record that needs several blocks. All are taken before the first byte is written, and the first is
    /// published last: so readers see the record whole or not at all.
    ///
    /// `bytes` is the announced length. A record that writes another length is refused.
    pub(super) fn push_long(
        &self,
        record: &dyn Record,
        bytes: usize,
        flags: u8,
        definition: u32,
        urgent: bool,
    ) -> Result<(), PushError> {
        let per_block = self.ring.geometry().payload_per_block();
        let count = bytes.div_ceil(per_block);
        let blocks = Blocks::with_capacity(count)?;
        self.waiting(|| self.take_many(&blocks, count, urgent))?;
        self.seal_open_block();
        let mut parts = Parts { push: self, blocks, urgent, begun: 0, published: false };
        let mut ticks = 0;
        let mut written = bytes;
        for number in 0..count {
            if number == 1 {
                // The record counts as the first block's.
                let sequence = self.local.sequence.load(Ordering::Relaxed);
                self.local.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
            }
            let Some(fresh) = parts.begin_next() else { break };
            if number == 0 {
                ticks = self.session.info.clock.ticks();
            }
            let length = (bytes - number * per_block).min(per_block) as u32;
            let more = if number + 1 < count { flag::MORE } else { 0 };
            let header = if number == 0 {
                Header { definition, length, flags: kind::RECORD | flags | more, ticks }
            } else {
                Header { definition: number as u32, length, flags: kind::CONTINUATION | more, ticks }
            };
            // SAFETY: the block was taken by this lane; the part fits by `per_block`.
            written = unsafe { self.write_part(fresh, header, number * per_block / 8, record) };
        }
        if written == bytes {
            self.publish_parts(&parts.blocks, bytes, per_block);
            parts.published = true;
            // The open block's records are counted when it is closed, and this one is not among them.
            let count = self.ring.lane_word(self.local.lane.load(Ordering::Relaxed), lane_entry::PUBLISHED);
            count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
        drop(parts);
        self.restore_limits();
        wakeup::wake_consumer(self.ring);
        if written == bytes { Ok(()) } else { Err(PushError::Mismatch) }
    }

    /// # Safety
    /// `block` is owned by this lane and empty but for its header; the part fits.
    unsafe fn write_part(
        &self,
        block: BlockId,
        header: Header,
        from_word: usize,
        record: &dyn Record,
    ) -> usize {
        let start = self.ring.block_start(block.index) + BLOCK_HEADER_SLOTS as usize * SLOT_WORDS;
        for (i, word) in header.words().into_iter().enumerate() {
            self.ring.memory().word(start + i).store(word, Ordering::Relaxed);
        }
        let payload = self.ring.memory().address(start + RECORD_HEADER_BYTES / 8);
        let to_word = from_word + (header.length as usize).div_ceil(8);
        // SAFETY: the caller's promise.
        let mut out = unsafe { Encoder::new(payload, from_word, to_word) };
        record.encode(&mut out);
        out.finish()
    }

    /// Publishes the last part first. The first part's publish makes the record visible.
    fn publish_parts(&self, blocks: &Blocks, bytes: usize, per_block: usize) {
        for (number, part) in blocks.iter().enumerate().rev() {
            let length = (bytes - number * per_block).min(per_block);
            let slots = BLOCK_HEADER_SLOTS + slots_for(length);
            publish(self.ring.committed_word(part.index), pair(part.generation, slots));
            if number + 1 == blocks.len() {
                self.local.go_on_at(slots);
            }
        }
    }

    /// Takes `count` blocks or none.
    fn take_many(&self, blocks: &Blocks, count: usize, urgent: bool) -> Option<()> {
        while blocks.len() < count {
            let Some(block) = self.take_one(urgent) else {
                let lane = self.local.lane.load(Ordering::Relaxed);
                let given_back = blocks.len() as u64;
                blocks.iter().for_each(|block| self.ring.untake(block, lane, Kind::Records));
                blocks.clear();
                // Other threads may have found the ring full meanwhile.
                wakeup::announce_freed(self.ring, given_back);
                self.given_back.set(given_back);
                return None;
            };
            blocks.push(block);
        }
        Some(())
    }
}

/// The blocks of a long record. Dropped when the record is published or refused, or when its encoding panicked.
///
/// Drop seals the blocks that were begun and gives back the others: a block left open would stop the consumer there
/// as long as the thread lives. The last block of a published record stays open, and the lane continues in it. The
/// sequence of a record that is not published goes to the next one, so sequences have no holes.
struct Parts<'a> {
    push: &'a Push<'a>,
    blocks: Blocks,
    urgent: bool,
    begun: usize,
    published: bool,
}

impl Parts<'_> {
    fn begin_next(&mut self) -> Option<BlockId> {
        let block = self.blocks.get(self.begun)?;
        self.push.begin_block(block, self.urgent);
        self.begun += 1;
        Some(block)
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        let lane = self.push.local.lane.load(Ordering::Relaxed);
        for block in self.blocks.iter().take(self.begun.saturating_sub(self.published.into())) {
            self.push.ring.seal(block, lane, Kind::Records);
        }
        if !self.published && self.begun > 0 {
            self.push.local.leave_block();
        }
        if !self.published && self.begun > 1 {
            let sequence = self.push.local.sequence.load(Ordering::Relaxed);
            self.push.local.sequence.store(sequence.wrapping_sub(1), Ordering::Relaxed);
        }
        for block in self.blocks.iter().skip(self.begun) {
            self.push.ring.untake(block, lane, Kind::Records);
        }
        wakeup::announce_freed(self.push.ring, self.blocks.len().saturating_sub(self.begun) as u64);
    }
}
