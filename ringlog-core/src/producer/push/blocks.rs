//! The blocks of a long record.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::PushError;
use crate::os::pages::Pages;
use crate::shm::block::BlockId;
use crate::shm::layout::{halves, pair};

/// So many blocks need no memory of the kernel.
const INLINE_BLOCKS: usize = 32;

/// A list of blocks in memory that a signal handler may ask for.
pub(super) struct Blocks {
    inline: [AtomicU64; INLINE_BLOCKS],
    pages: Option<Pages>,
    count: Cell<usize>,
}

impl Blocks {
    /// An empty list with room for so many.
    pub(super) fn with_capacity(capacity: usize) -> Result<Blocks, PushError> {
        let pages = (capacity > INLINE_BLOCKS).then(|| Pages::new(capacity)).transpose();
        let inline = [const { AtomicU64::new(0) }; INLINE_BLOCKS];
        Ok(Blocks { inline, pages: pages.map_err(PushError::System)?, count: Cell::new(0) })
    }

    fn words(&self) -> &[AtomicU64] {
        self.pages.as_ref().map_or(&self.inline, Pages::words)
    }

    /// Appends a block, for which there is room.
    pub(super) fn push(&self, block: BlockId) {
        if let Some(word) = self.words().get(self.count.get()) {
            word.store(pair(block.generation, block.index), Ordering::Relaxed);
            self.count.set(self.count.get() + 1);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count.get()
    }

    pub(super) fn clear(&self) {
        self.count.set(0);
    }

    pub(super) fn get(&self, number: usize) -> Option<BlockId> {
        self.iter().nth(number)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = BlockId> + ExactSizeIterator + '_ {
        self.words()[..self.count.get()].iter().map(|word| {
            let (generation, index) = halves(word.load(Ordering::Relaxed));
            BlockId { index, generation }
        })
    }
}
