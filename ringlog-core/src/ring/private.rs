//! What a thread keeps privately about its lane, and the record path itself.
//!
//! A [`ProducerState`] lies in memory that a fork wipes. Zero means: no lane, no block, no room. So the one
//! test "is there room in my block" also answers "is this still my process", and the record path pays
//! nothing for being fork-proof.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence};

use crate::record::encode::{Encoder, Spill};
use crate::record::record_trait::Record;
use crate::ring::session::Session;
use crate::shm::block::{BlockId, publish};
use crate::shm::clock::{Anchor, Clock};
use crate::shm::layout::{RECORD_HEADER_BYTES, SLOT_BYTES, SLOT_WORDS, halves, pair};
use crate::shm::memory::store_unpublished;
use crate::shm::record_header::{Header, kind, slots_for};

/// A lane's private half. All accesses are relaxed: one thread writes (the lane's own; for a process lane, the one
/// that holds `busy`). Other threads read only `block` and `last_block`, to know what a flush waits for.
#[repr(C, align(128))]
pub(crate) struct ProducerState {
    // The record path's cache line.
    /// First word of the open block.
    pub(crate) words: AtomicPtr<AtomicU64>,
    /// What the open block's `committed` says: its generation, and the slot where the next record goes.
    pub(crate) committed: AtomicU64,
    /// The slot at which records must end: below WARN, and from WARN up. Zero sends every record to the slow path.
    pub(crate) limit: [AtomicU32; 2],
    /// Set while a record is written. Code that finds it set runs inside that record: in a signal handler, or in
    /// the `Display` of an argument.
    pub(crate) busy: AtomicU32,
    /// Records published in this block.
    pub(crate) records: AtomicU32,
    /// Ticks from which on the block needs a new anchor.
    pub(crate) anchor_due: AtomicU64,
    /// Set if the ring's clock is [`Clock::INLINED`].
    pub(crate) clock_inlined: AtomicU32,
    pub(crate) lane: AtomicU32,

    // Block changes only.
    /// The session that the lane belongs to; set while the lane is open.
    pub(crate) session_id: AtomicU64,
    pub(crate) status: AtomicU32,
    pub(crate) incarnation: AtomicU32,
    /// The open block as one word, `generation:32 | index + 1:32`; kept after the lane is closed, so
    /// that a flush can wait for it.
    pub(crate) block: AtomicU64,
    /// The last block of the lane's earlier owner in this process, for a flush as well.
    pub(crate) last_block: AtomicU64,
    pub(crate) tid: AtomicU32,
    /// Number of the next block in the lane's chain.
    pub(crate) chain: AtomicU64,
    /// Sequence of the open block's first record.
    pub(crate) sequence: AtomicU64,
    /// The dropped counter that the open block reports.
    pub(crate) reported: AtomicU64,
    pub(crate) anchor_ticks: AtomicU64,
    pub(crate) anchor_unix_ns: AtomicU64,
    pub(crate) ns_per_tick: AtomicU64,
    /// The freed counter when no block was found, for both limits. While it stays the same, nothing was freed.
    pub(crate) full_at: [AtomicU64; 2],
    /// Where the next search for a free block begins.
    pub(crate) search: AtomicU32,
    /// Set if lower levels may not write into the open block.
    pub(crate) reserved: AtomicU32,
    pub(crate) lock_page: AtomicPtr<libc::c_void>,
    /// Holds a record that the record path found longer than its block, and the record's length.
    pub(crate) spill: Spill,
    pub(crate) spilled_bytes: AtomicU64,
    /// Whether the lane counts as a user of its session; a process lane does not.
    pub(crate) is_user: AtomicU32,
    /// The session of the lane, in a slot that is never unmapped. It is not over while `status` is OPEN or CLOSING.
    pub(crate) session: AtomicPtr<Session>,
}

/// [`ProducerState::status`]: zero, in a child too, is "never opened".
pub(crate) mod status {
    pub(crate) const OPEN: u32 = 1;
    pub(crate) const CLOSING: u32 = 2;
    pub(crate) const CLOSED: u32 = 3;
}

/// The outcome of the record path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FastPath {
    /// The record is published.
    Done,
    /// Not written: no room, an anchor due, a record inside a record, or another length than announced. The slow
    /// path finds out which.
    Slow,
    /// Not written: it may go the same way, but by a call. See `Logger::push_outlined`.
    Outlined,
    /// Not written: it is longer than the rest of the block. It lies whole in the lane's spill, and `busy` stays set,
    /// so that no record of a signal handler uses the spill meanwhile.
    Spilled,
}

/// Clears `busy` when the record is written, and when its encoding panics.
pub(crate) struct Busy<'a>(pub(crate) &'a ProducerState);

impl Drop for Busy<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Last of all, so that a signal handler never finds the private state half-changed. Release
        // for the process lane, which changes hands by this flag.
        self.0.busy.store(0, Ordering::Release);
    }
}

impl ProducerState {
    /// The ring's clock.
    #[inline]
    pub(crate) fn clock(&self) -> Clock {
        match (self.clock_is_inlined(), Clock::INLINED) {
            (true, inlined) => inlined,
            (false, Clock::Tsc) => Clock::Monotonic,
            (false, Clock::Monotonic) => Clock::Tsc,
        }
    }

    /// Whether [`Clock::INLINED`] is the clock to give to `push`.
    #[inline(always)]
    pub(crate) fn clock_is_inlined(&self) -> bool {
        self.clock_inlined.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn anchor(&self) -> Anchor {
        Anchor {
            ticks: self.anchor_ticks.load(Ordering::Relaxed),
            unix_ns: self.anchor_unix_ns.load(Ordering::Relaxed),
            ns_per_tick: self.ns_per_tick.load(Ordering::Relaxed),
        }
    }

    /// Begins a record, unless one is being written. Called before anything else of the lane is read: a signal
    /// handler that logs before it changes where the next record goes.
    #[inline(always)]
    fn begin(&self) -> Option<Busy<'_>> {
        if self.busy.load(Ordering::Relaxed) != 0 {
            return None;
        }
        self.busy.store(1, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        Some(Busy(self))
    }

    /// Writes one record into the open block: the record path. No read-modify-write, no call, and three branches:
    /// is there room, is a record being written, is the anchor still valid. `clock` is the ring's.
    ///
    /// # Safety
    /// The calling thread owns this lane, and its mapping stays valid during the call.
    #[inline(always)]
    pub(crate) unsafe fn push<R: Record + ?Sized>(
        &self,
        record: &R,
        definition: u32,
        urgent: bool,
        clock: Clock,
    ) -> FastPath {
        let bytes = record.payload_bytes();
        let Some(slots) = slots_at_once(bytes) else { return FastPath::Slow };
        let Some(busy) = self.begin() else { return FastPath::Slow };
        let committed = self.committed.load(Ordering::Relaxed);
        let limit = self.limit[usize::from(urgent)].load(Ordering::Relaxed);
        if u64::from(committed as u32) + slots > limit.into() {
            return FastPath::Slow;
        }
        // After space is secured, so that time stamps in a block never go back.
        let ticks = clock.ticks();
        if ticks >= self.anchor_due.load(Ordering::Relaxed) {
            return FastPath::Slow;
        }
        let words = self.words.load(Ordering::Relaxed).cast_const();
        let after = committed + slots;
        prefetch_ahead_of(words.wrapping_add(after as u32 as usize * SLOT_WORDS));
        let header = Header { definition, length: bytes as u32, flags: kind::RECORD, ticks };
        // SAFETY: there is room for `slots`, and the block is this thread's.
        let written = unsafe {
            let start = words.add(committed as u32 as usize * SLOT_WORDS);
            let mut out = begin_record(start, slots as usize, header);
            record.encode(&mut out);
            out.finish()
        };
        if written != bytes {
            return FastPath::Slow;
        }
        // SAFETY: as above.
        publish(unsafe { &*words }, after);
        self.committed.store(after, Ordering::Relaxed);
        self.records.store(self.records.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        drop(busy);
        FastPath::Done
    }

    /// Writes a record of unknown length into the open block, with the rest of the block as its room.
    ///
    /// # Safety
    /// As for `push`.
    #[inline(always)]
    pub(crate) unsafe fn push_formatting<R: Record + ?Sized>(
        &self,
        record: &R,
        definition: u32,
        urgent: bool,
        clock: Clock,
    ) -> FastPath {
        let Some(busy) = self.begin() else { return FastPath::Slow };
        let at = self.next();
        let limit = self.limit[usize::from(urgent)].load(Ordering::Relaxed);
        if limit <= at {
            return FastPath::Slow;
        }
        let room = limit - at;
        let ticks = clock.ticks();
        if ticks >= self.anchor_due.load(Ordering::Relaxed) {
            return FastPath::Slow;
        }
        let flags = kind::RECORD | record.inferred().flags;
        let header = Header { definition, length: 0, flags, ticks };
        // SAFETY: the block is this thread's, and this is its room.
        if let Err(bytes) = unsafe { self.write_formatting(at, room, header, |out| record.encode(out)) } {
            self.spilled_bytes.store(bytes as u64, Ordering::Relaxed);
            std::mem::forget(busy);
            return FastPath::Spilled;
        }
        compiler_fence(Ordering::SeqCst);
        drop(busy);
        FastPath::Done
    }

    /// Writes and publishes a record of up to `room` slots. Fails with the bytes that it needs if `room` is too small:
    /// then the payload lies in the spill, if there was memory for it.
    ///
    /// # Safety
    /// The block is owned by the caller and has room for `room` slots, one at least, at `at`.
    unsafe fn write_formatting(
        &self,
        at: u32,
        room: u32,
        header: Header,
        encode: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<(), usize> {
        let room_words = room as usize * SLOT_WORDS - RECORD_HEADER_BYTES / 8;
        let words = self.words.load(Ordering::Relaxed).cast_const();
        // SAFETY: the caller's promise.
        let start = unsafe { words.add(at as usize * SLOT_WORDS) };
        // SAFETY: as above; the caller holds `busy`, and nothing else uses the spill.
        let mut out = unsafe {
            store_unpublished(&*start.add(1), header.ticks);
            Encoder::growing(start.add(RECORD_HEADER_BYTES / 8), room_words, &self.spill)
        };
        encode(&mut out);
        let written = out.finish();
        if written > room_words * 8 {
            return Err(written);
        }
        let [first, _] = Header { length: written as u32, ..header }.words();
        // SAFETY: the record's first word, in the caller's block.
        unsafe {
            store_unpublished(&*start, first);
            self.publish(at + slots_for(written));
        }
        self.records.store(self.records.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        Ok(())
    }

    /// Writes header and payload from slot `at` on, unpublished. Returns the number of bytes that `encode` wrote,
    /// which may differ from the header's length. Nothing is stored beyond `slots`.
    ///
    /// # Safety
    /// The block is owned by the caller and has room for `slots`, one at least, at `at`.
    #[inline(always)]
    pub(crate) unsafe fn write(
        &self,
        at: u32,
        slots: u32,
        header: Header,
        encode: impl FnOnce(&mut Encoder<'_>),
    ) -> usize {
        let words = self.words.load(Ordering::Relaxed).cast_const();
        // SAFETY: the caller's promise.
        let mut out = unsafe { begin_record(words.add(at as usize * SLOT_WORDS), slots as usize, header) };
        encode(&mut out);
        out.finish()
    }

    /// Publishes the open block up to slot `next`.
    ///
    /// # Safety
    /// The block is owned by the caller.
    #[inline(always)]
    pub(crate) unsafe fn publish(&self, next: u32) {
        let (generation, _) = halves(self.committed.load(Ordering::Relaxed));
        // SAFETY: the caller's promise.
        let committed = unsafe { &*self.words.load(Ordering::Relaxed) };
        publish(committed, pair(generation, next));
        self.go_on_at(next);
    }

    /// The slot where the next record goes.
    #[inline(always)]
    pub(crate) fn next(&self) -> u32 {
        self.committed.load(Ordering::Relaxed) as u32
    }

    /// Records that the open block is published up to slot `next`.
    #[inline(always)]
    pub(crate) fn go_on_at(&self, next: u32) {
        let (generation, _) = halves(self.committed.load(Ordering::Relaxed));
        self.committed.store(pair(generation, next), Ordering::Relaxed);
    }

    /// The open block, or the last one of a lane that is closed.
    pub(crate) fn block(&self) -> Option<BlockId> {
        block_id(self.block.load(Ordering::Relaxed))
    }

    /// The last block that any thread of this process has written in this lane.
    pub(crate) fn last_block(&self) -> Option<BlockId> {
        self.block().or_else(|| block_id(self.last_block.load(Ordering::Relaxed)))
    }
}

/// Slots that a record with this payload takes. `None` if their number would overflow.
#[inline(always)]
fn slots_at_once(payload_bytes: usize) -> Option<u64> {
    let rounded_up = (payload_bytes as u64).checked_add((RECORD_HEADER_BYTES + SLOT_BYTES - 1) as u64)?;
    Some(rounded_up / SLOT_BYTES as u64)
}

/// Writes a record's header, unpublished. Returns the encoder of its payload, which stores nothing beyond `slots`.
///
/// # Safety
/// At `start` are `slots` slots, one at least, which the caller owns while it encodes.
#[inline(always)]
unsafe fn begin_record<'a>(start: *const AtomicU64, slots: usize, header: Header) -> Encoder<'a> {
    // SAFETY: the caller's promise; a record's header is two words, its payload follows.
    unsafe {
        let [first, ticks] = header.words();
        store_unpublished(&*start, first);
        store_unpublished(&*start.add(1), ticks);
        Encoder::new(start.add(RECORD_HEADER_BYTES / 8), 0, slots * SLOT_WORDS - RECORD_HEADER_BYTES / 8)
    }
}

/// How far ahead of the next record cache lines are prefetched. The consumer's core has read them since they were
/// last written, so they have to be fetched from there: without prefetching a burst runs at the speed of those
/// fetches. Measured on a 2-core EPYC with a consumer draining, medians of bursts of 20 pushes:
/// 34 to 43 ns without, 12 to 17 ns with 8 slots, 12 to 19 ns with 16.
///
/// At a block's end this leads into the next block, which is most often the one that the lane takes next.
const PREFETCH_SLOTS: usize = 8;

/// Prefetches the cache line [`PREFETCH_SLOTS`] after `slot` for writing. Never faults, also at an invalid address.
#[inline(always)]
fn prefetch_ahead_of(slot: *const AtomicU64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that reads and writes nothing; processors without it take it for a no-op.
    unsafe {
        core::arch::asm!(
            "prefetchw [{slot} + {ahead}]",
            slot = in(reg) slot,
            ahead = const PREFETCH_SLOTS * SLOT_BYTES,
            options(nostack, preserves_flags, readonly)
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = slot;
}

/// A block as one word: `generation:32 | index + 1:32`; zero for none.
fn block_id(word: u64) -> Option<BlockId> {
    let (generation, after) = halves(word);
    Some(BlockId { index: after.checked_sub(1)?, generation })
}

/// A process's definition ids by site number. In memory that a fork wipes, because ids belong to a process lane.
#[repr(transparent)]
pub(crate) struct DefinitionIds([AtomicU32; crate::record::site::SITES_MAX as usize]);

impl DefinitionIds {
    /// The id under which the site of this number is registered; 0 if it is not.
    #[inline(always)]
    pub(crate) fn get(&self, number: u32) -> u32 {
        // SYNC DEFINE (acquire end): the definition is published.
        self.0.get(number as usize).map_or(0, |id| id.load(crate::shm::sync::Sync::Define.acquire()))
    }

    pub(crate) fn set(&self, number: u32, id: u32) {
        // Entry 0 stands for the sites without a number and stays 0.
        if let Some(entry) = self.0.get(number as usize).filter(|_| number != 0) {
            // SYNC DEFINE (release end).
            entry.store(id, crate::shm::sync::Sync::Define.release());
        }
    }
}
