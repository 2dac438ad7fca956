//! The owner of the blocks that are being read.

use std::sync::Arc;

use crate::reader::origin::Origin;
use crate::shm::layout::block;

/// The thread and process of the current block. They are decoded only where they differ from those of the block
/// before.
#[derive(Debug)]
pub(super) struct BlockOwner {
    origin: Option<Arc<Origin>>,
    words: [u64; block::WORDS],
    /// Stands for an owner of which no block has been seen.
    unknown: Arc<Origin>,
}

impl BlockOwner {
    pub(super) fn new(lane: u32, incarnation: u32) -> BlockOwner {
        let unknown = Arc::new(Origin::unknown(lane, incarnation));
        BlockOwner { origin: None, words: [0; block::WORDS], unknown }
    }

    /// Takes the owner from a block's header.
    pub(super) fn set(&mut self, header: &[u64; block::WORDS]) {
        let mut words = *header;
        // What changes from block to block is not the owner's.
        for word in [block::COMMITTED, block::CHAIN, block::FIRST_SEQUENCE, block::DROPPED] {
            words[word] = 0;
        }
        words[block::ANCHOR_TICKS..block::BOOT].fill(0);
        if self.origin.is_none() || words != self.words {
            self.origin = Some(Arc::new(Origin::from_block(header)));
            self.words = words;
        }
    }

    /// The owner, if a block has been read.
    pub(super) fn known(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }

    #[inline]
    pub(super) fn origin(&self) -> &Origin {
        self.origin.as_deref().unwrap_or(&self.unknown)
    }
}
