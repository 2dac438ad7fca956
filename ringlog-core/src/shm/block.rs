//! The protocol of blocks: which process may change which state, and how bytes become visible.
//!
//! ```text
//!            producer                    owner                     consumer, after persisting
//!  FREE(g) ------------> OPEN(g, lane) ---------> SEALED(g, lane) --------------------------> FREE(g+1)
//!     ^      CAS, RETAKE  |  |           SEAL       ^                 CAS, REUSE
//!     |                   |  |                      |
//!     |                   |  +----------------------+
//!     |                   |    consumer or the lane's next opener, only with proof of death: CAS of
//!     |                   |    the exact word that was loaded before the proof
//!     +-------------------+
//!       owner CAS to FREE(g+1): taken for a long record, not needed after all, nothing published
//! ```
//!
//! * A block belongs to the lane in its state word from OPEN until FREE. Only a live owner stores into
//!   its bytes. Every state change not made by the block's owner is a CAS of the exact word loaded before.
//! * Bytes become visible by SYNC PUBLISH alone: one release store of `committed`, the block's first
//!   word, which is `generation:32 | slots:32` and counts only if its generation is the state word's.
//!   Nothing resets it, so a stale value is never taken for a new owner's.
//! * A block is freed only if the reader's cursor equals a `committed` loaded after SYNC SEAL.
//!
//! The functions work on borrowed [`Memory`]; the models in `model.rs` drive them over loom's atomics.

use crate::shm::layout::{self, BLOCK_HEADER_SLOTS, Geometry, SLOT_WORDS, pair};
use crate::shm::memory::Memory;
use crate::shm::sync::{AtomicU64, Ordering, Sync};

/// The phase of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Free,
    Open,
    Sealed,
}

/// What a block holds. Readers ignore blocks of unknown kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Records,
    Control,
    /// Claims of a queue's getter.
    Claims,
    Unknown(u8),
}

impl Kind {
    const fn code(self) -> u64 {
        match self {
            Kind::Records => 0,
            Kind::Control => 2,
            Kind::Claims => 3,
            Kind::Unknown(code) => code as u64,
        }
    }

    const fn from_code(code: u8) -> Kind {
        match code {
            0 => Kind::Records,
            2 => Kind::Control,
            3 => Kind::Claims,
            other => Kind::Unknown(other),
        }
    }
}

/// A block's state word: `generation:32 | lane:24 | kind:4 | phase:4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) generation: u32,
    pub(crate) lane: u32,
    pub(crate) kind: Kind,
    pub(crate) phase: Phase,
}

impl State {
    pub(crate) const fn free(generation: u32) -> State {
        State { generation, lane: 0, kind: Kind::Records, phase: Phase::Free }
    }

    pub(crate) const fn word(self) -> u64 {
        let phase = match self.phase {
            Phase::Free => 0,
            Phase::Open => 1,
            Phase::Sealed => 2,
        };
        pair(self.generation, self.lane << 8 | (self.kind.code() as u32) << 4 | phase)
    }

    /// Decodes a word; `None` for a phase that this version does not know.
    pub(crate) const fn decode(word: u64) -> Option<State> {
        let (generation, low) = layout::halves(word);
        let phase = match low & 0xf {
            0 => Phase::Free,
            1 => Phase::Open,
            2 => Phase::Sealed,
            _ => return None,
        };
        Some(State { generation, lane: low >> 8, kind: Kind::from_code((low >> 4 & 0xf) as u8), phase })
    }

    pub(crate) const fn sealed(self) -> State {
        State { phase: Phase::Sealed, ..self }
    }
}

/// A block by index and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The state words and blocks of one ring over borrowed memory.
#[derive(Clone)]
#[cfg_attr(not(loom), derive(Copy))]
pub(crate) struct SharedRing {
    memory: Memory,
    geometry: Geometry,
}

impl SharedRing {
    pub(crate) fn new(memory: Memory, geometry: Geometry) -> SharedRing {
        SharedRing { memory, geometry }
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// A word of the file header.
    pub(crate) fn header_word(&self, offset: usize) -> &AtomicU64 {
        self.memory.word(offset / 8)
    }

    /// The flags in the header: words of other processes that the file may have been removed.
    pub(crate) fn flags(&self) -> u64 {
        self.header_word(layout::header::FLAGS).load(Ordering::Relaxed)
    }

    /// Whether the ring's file was removed or replaced.
    pub(crate) fn is_retired(&self) -> bool {
        self.flags() & layout::header::FLAG_RETIRED != 0
    }

    fn state_word(&self, index: u32) -> &AtomicU64 {
        self.memory.word(self.geometry.states_offset() / 8 + index as usize)
    }

    /// How far the consumer has persisted block `index`: `generation:32 | slots:32`.
    pub(crate) fn progress(&self, index: u32) -> &AtomicU64 {
        self.memory.word(self.geometry.progress_offset() / 8 + index as usize)
    }

    /// Index of the block's first word. `index` must be below the geometry's block count.
    pub(crate) fn block_start(&self, index: u32) -> usize {
        (self.geometry.blocks_offset() + index as usize * self.geometry.block_bytes as usize) / 8
    }

    /// Word `word` of the block, its header included.
    pub(crate) fn block_word(&self, index: u32, word: usize) -> &AtomicU64 {
        self.memory.word(self.block_start(index) + word)
    }

    pub(crate) fn committed_word(&self, index: u32) -> &AtomicU64 {
        self.block_word(index, layout::block::COMMITTED)
    }

    /// Takes block `index` if it is free. The new owner writes its bytes only after this.
    pub(crate) fn take(&self, index: u32, lane: u32, kind: Kind) -> Option<BlockId> {
        let word = self.state_word(index);
        // Relaxed: only a hint, the CAS decides.
        let seen = word.load(Ordering::Relaxed);
        let State { generation, phase: Phase::Free, .. } = State::decode(seen)? else { return None };
        let open = State { generation, lane, kind, phase: Phase::Open };
        // SYNC REUSE (acquire end): the consumer has finished its loads of these bytes.
        // SYNC OWN (release end): a thread that sees this OPEN sees that the lane's lock is held.
        word.compare_exchange(seen, open.word(), Sync::Reuse.and_release(Sync::Own), Ordering::Relaxed)
            .ok()?;
        // SYNC RETAKE (release end): a thread that sees any byte stored from here on also sees OPEN.
        Sync::Retake.release_fence();
        Some(BlockId { index, generation })
    }

    /// Gives back a block into which its owner, the caller, has published nothing.
    pub(crate) fn untake(&self, block: BlockId, lane: u32, kind: Kind) {
        let open = State { generation: block.generation, lane, kind, phase: Phase::Open };
        let free = State::free(block.generation.wrapping_add(1));
        // A failure means that the state word was changed from outside; the block is left as it is then.
        let _ = self.state_word(block.index).compare_exchange(
            open.word(),
            free.word(),
            Ordering::Release,
            Ordering::Relaxed,
        );
    }

    /// Seals the caller's own block: nothing more will be published in it. A plain store: while the owner is alive,
    /// no other process changes an OPEN word.
    pub(crate) fn seal(&self, block: BlockId, lane: u32, kind: Kind) {
        let sealed = State { generation: block.generation, lane, kind, phase: Phase::Sealed };
        // SYNC SEAL (release end): the last `committed` comes before.
        self.state_word(block.index).store(sealed.word(), Sync::Seal.release());
    }

    /// The state of block `index`, for a reader; `None` for a phase that this version does not know.
    pub(crate) fn state(&self, index: u32) -> Option<State> {
        // SYNC SEAL (acquire end): a `committed` loaded after SEALED was seen is the last one.
        // SYNC OWN (acquire end): a lock probed after OPEN was seen is the lock of that owner or a later one.
        State::decode(self.state_word(index).load(Sync::Seal.acquire()))
    }

    /// Seals a block whose owner is dead. `seen` is the state that was loaded before the owner was proved
    /// dead; if it is not open, or has changed since, nothing happens. Returns whether this call sealed it.
    pub(crate) fn seal_dead(&self, index: u32, seen: State) -> bool {
        // SYNC SEAL (both ends): the owner's death was proved after all of its stores.
        seen.phase == Phase::Open
            && self
                .state_word(index)
                .compare_exchange(seen.word(), seen.sealed().word(), Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Frees a sealed block of which the caller has persisted `cursor` slots. Refuses if `seen` is not a sealed state,
    /// as after a process has scribbled over it, or if `committed`, loaded after SEALED was seen, is beyond the cursor.
    pub(crate) fn free(&self, index: u32, seen: State, cursor: u32) -> bool {
        if seen.phase != Phase::Sealed || self.committed(index, seen.generation).unwrap_or(0) > cursor {
            return false;
        }
        let free = State::free(seen.generation.wrapping_add(1));
        // SYNC REUSE (release end): the bytes have been read before the block is freed.
        self.state_word(index)
            .compare_exchange(seen.word(), free.word(), Sync::Reuse.release(), Ordering::Relaxed)
            .is_ok()
    }

    /// The number of published slots of the block, its header included; `None` if nothing of this
    /// generation is published, or if the number is impossible.
    pub(crate) fn committed(&self, index: u32, generation: u32) -> Option<u32> {
        // SYNC PUBLISH (acquire end).
        let (of, slots) = layout::halves(self.committed_word(index).load(Sync::Publish.acquire()));
        (of == generation && (BLOCK_HEADER_SLOTS..=self.geometry.block_slots()).contains(&slots))
            .then_some(slots)
    }

    /// The words of a block's header; `None` if nothing of this generation is published.
    pub(crate) fn block_header(&self, block: BlockId) -> Option<[u64; layout::block::WORDS]> {
        self.committed(block.index, block.generation)?;
        let mut copy = Vec::with_capacity(layout::block::WORDS);
        self.memory.copy_words(self.block_start(block.index), layout::block::WORDS, &mut copy);
        copy.try_into().ok()
    }

    /// For a reader that owns nothing: whether block `index` still held the bytes of `generation` when
    /// everything loaded before this call was loaded. A freed block keeps them until it is taken again.
    pub(crate) fn still_holds(&self, index: u32, generation: u32) -> bool {
        // SYNC RETAKE (acquire end): if a byte of the next owner was read before, its OPEN is visible now.
        Sync::Retake.acquire_fence();
        if !self.memory.is_whole() {
            return false;
        }
        match State::decode(self.state_word(index).load(Ordering::Relaxed)) {
            Some(State { phase: Phase::Free, generation: next, .. }) => next == generation.wrapping_add(1),
            Some(state) => state.generation == generation,
            None => false,
        }
    }

    /// Copies the slots `from..to` of the block into `into`. The caller has them from `committed`.
    pub(crate) fn copy_slots(&self, index: u32, from: u32, to: u32, into: &mut Vec<u64>) {
        let start = self.block_start(index) + from as usize * SLOT_WORDS;
        let len = to.saturating_sub(from) as usize * SLOT_WORDS;
        self.memory.copy_published(start, len, into);
    }
}

/// Makes everything stored in the block so far visible, up to the slot in `generation:32 | slots:32`. Nothing
/// else makes bytes visible.
#[inline(always)]
pub(crate) fn publish(committed: &AtomicU64, up_to: u64) {
    // SYNC PUBLISH (release end).
    committed.store(up_to, Sync::Publish.release());
}

#[cfg(all(test, loom))]
mod model;
