//! Private memory straight from the kernel, for code that may run in a signal handler: `malloc` may not.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// A private mapping of zeroed words. Unmapped when it is dropped.
#[derive(Debug)]
pub(crate) struct Pages {
    base: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: an address of memory that belongs to this value alone.
unsafe impl Send for Pages {}

/// The smallest mapping.
const WORDS_MIN: usize = 16 * 1024 / 8;

impl Pages {
    /// Maps room for so many words at least; the error number if the kernel has no memory.
    pub(crate) fn new(words: usize) -> Result<Pages, i32> {
        let words = words.max(WORDS_MIN).checked_next_power_of_two().ok_or(libc::ENOMEM)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), words * 8, protection, flags, -1, 0) };
        Ok(Pages { base: mapped(base)?, words })
    }

    /// Makes room for so many words at least. What is there stays, perhaps at another address.
    pub(crate) fn grow(&mut self, words: usize) -> Result<(), i32> {
        if words <= self.words {
            return Ok(());
        }
        let words = words.checked_next_power_of_two().ok_or(libc::ENOMEM)?;
        let (from, to) = (self.words * 8, words * 8);
        // SAFETY: this value's own mapping, to which nothing else refers while it is borrowed.
        let base = unsafe { libc::mremap(self.base.as_ptr().cast(), from, to, libc::MREMAP_MAYMOVE) };
        (self.base, self.words) = (mapped(base)?, words);
        Ok(())
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: this value's own mapping, page-aligned and initialised with zeros.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.words) }
    }
}

fn mapped(base: *mut libc::c_void) -> Result<NonNull<AtomicU64>, i32> {
    match NonNull::new(base) {
        Some(base) if base.as_ptr() != libc::MAP_FAILED => Ok(base.cast()),
        _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOMEM)),
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: this value's own mapping; nothing refers to it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.words * 8) };
    }
}

/// A place for pages in memory that a fork zeroes. Zero means none; a child forgets its parent's, which stay mapped.
#[derive(Default)]
#[repr(C)]
pub(crate) struct KeptPages {
    base: AtomicPtr<AtomicU64>,
    words: AtomicUsize,
}

impl KeptPages {
    /// Takes the pages out. The caller is the only one that uses this place.
    pub(crate) fn take(&self) -> Option<Pages> {
        let base = NonNull::new(self.base.swap(std::ptr::null_mut(), Ordering::Relaxed))?;
        Some(Pages { base, words: self.words.load(Ordering::Relaxed) })
    }

    /// Keeps the pages, in place of those that it has.
    pub(crate) fn put(&self, pages: Pages) {
        drop(self.take());
        self.words.store(pages.words, Ordering::Relaxed);
        self.base.store(pages.base.as_ptr(), Ordering::Relaxed);
        std::mem::forget(pages);
    }
}

impl Drop for KeptPages {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_keep_their_words_when_they_grow() {
        let mut pages = Pages::new(10).unwrap();
        let last = pages.words().len() - 1;
        pages.words()[last].store(7, Ordering::Relaxed);
        pages.grow(last + 2).unwrap();
        assert_eq!(pages.words()[last].load(Ordering::Relaxed), 7);
        pages.words()[last + 1].store(8, Ordering::Relaxed);
        assert!(pages.grow(usize::MAX).is_err());
        let kept = KeptPages::default();
        assert!(kept.take().is_none());
        kept.put(pages);
        assert_eq!(kept.take().unwrap().words()[last + 1].load(Ordering::Relaxed), 8);
        assert!(kept.take().is_none());
    }
}
