//! Borrowed memory: the ring as an array of 64-bit atomic words.
//!
//! The algorithm never owns its memory. In a process the words lie in a mapped file; in the models
//! each word is one of loom's atomics. Both are reached through the same [`Memory::word`], so the
//! models check the code that runs.

#![allow(unsafe_code)]

#[cfg(not(loom))]
use crate::os::mapping::Mapping;
use crate::shm::sync::{AtomicU64, Ordering};

/// The words of one ring. Cheap to copy; the code that made it keeps the memory alive.
#[cfg(not(loom))]
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    base: *const AtomicU64,
    words: usize,
}

// SAFETY: Memory hands out only shared references to atomics, which any thread may use.
#[cfg(not(loom))]
unsafe impl Send for Memory {}
// SAFETY: as for Send.
#[cfg(not(loom))]
unsafe impl std::marker::Sync for Memory {}

#[cfg(not(loom))]
impl Memory {
    /// Borrows `words` words that start at `base`.
    ///
    /// # Safety
    /// `base` is aligned to 8 and points to `words` words that stay mapped as long as this value and
    /// its copies are used. Other processes may change them at any time, but no Rust reference other than to
    /// atomics may exist to them.
    pub(crate) const unsafe fn borrow(base: *const AtomicU64, words: usize) -> Self {
        Memory { base, words }
    }

    /// The words of a mapping.
    ///
    /// # Safety
    /// The mapping must outlive the value and its copies.
    pub(crate) unsafe fn of_mapping(mapping: &Mapping) -> Self {
        // SAFETY: a mapping is page-aligned; that it stays is the caller's contract. It is accessed through atomics
        // only.
        unsafe { Memory::borrow(mapping.base().cast(), mapping.bytes() / 8) }
    }

    /// The word at `index`. Panics when out of bounds: every index is computed from the geometry that
    /// was checked at open, so that is a defect here, never a state of the memory.
    #[inline]
    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.words, "word {index} of {}", self.words);
        // SAFETY: in bounds by the assertion; the rest is `borrow`'s contract.
        unsafe { &*self.base.add(index) }
    }

    /// Whether everything that was loaded before this call came from the ring's file.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        crate::os::sigbus::is_whole(self.base.cast())
    }

    /// The address of the word at `index`, for the record path and for futexes.
    pub(crate) fn address(&self, index: usize) -> *const AtomicU64 {
        std::ptr::from_ref(self.word(index))
    }
}

/// The words of one modelled ring. Only the words that the model accesses exist: loom makes every atomic
/// anew for each interleaving, and the header and the lanes would need a thousand of them.
///
/// Shared by std's `Arc`: loom would permute the counts of its own `Arc`, which are no part of the protocol.
#[cfg(loom)]
#[derive(Clone)]
pub(crate) struct Memory {
    words: std::sync::Arc<std::collections::BTreeMap<usize, AtomicU64>>,
}

#[cfg(loom)]
impl Memory {
    pub(crate) fn zeroed(words: impl IntoIterator<Item = usize>) -> Self {
        let words = words.into_iter().map(|index| (index, AtomicU64::new(0))).collect();
        Memory { words: std::sync::Arc::new(words) }
    }

    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        &self.words[&index]
    }

    pub(crate) fn is_whole(&self) -> bool {
        true
    }
}

/// Stores a word that readers do not use before a later publish. Relaxed: readers may still be reading the
/// previous value.
#[inline(always)]
pub(crate) fn store_unpublished(word: &AtomicU64, value: u64) {
    #[cfg(not(races))]
    word.store(value, Ordering::Relaxed);
    // A build for ThreadSanitizer, which notices a missing order only between plain accesses.
    #[cfg(races)]
    // SAFETY: a valid word. That no other thread accesses it now is what the sanitizer checks.
    unsafe {
        word.as_ptr().write(value);
    }
}

/// Loads a word stored by [`store_unpublished`] and published since.
#[inline(always)]
fn load_published(word: &AtomicU64) -> u64 {
    #[cfg(not(races))]
    return word.load(Ordering::Relaxed);
    #[cfg(races)]
    // SAFETY: as for `store_unpublished`.
    return unsafe { word.as_ptr().read() };
}

impl Memory {
    /// Copies `len` words from `start` into `into`. Relaxed: what makes the bytes right is the
    /// acquire that came before (SYNC PUBLISH) and, for an observer, the re-check after (SYNC RETAKE).
    pub(crate) fn copy_words(&self, start: usize, len: usize, into: &mut Vec<u64>) {
        into.extend((start..start + len).map(|i| self.word(i).load(Ordering::Relaxed)));
    }

    /// The same for words that [`store_unpublished`] has written.
    pub(crate) fn copy_published(&self, start: usize, len: usize, into: &mut Vec<u64>) {
        into.extend((start..start + len).map(|i| load_published(self.word(i))));
    }
}
