//! Memory that reads zero in a forked child.
//!
//! Every pointer into a ring's mapping lies in such memory. A forked child does not inherit the mapping, so it
//! finds "no block, no lane, no session" instead of its parent's, at no cost to the record path.
//!
//! A piece is never unmapped: when its owner drops it, it is zeroed and kept for the next owner of the same
//! size. So a stale pointer into it reads zeros and never faults.

#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;
use std::sync::Mutex;

use nix::errno::Errno;

/// Pieces that are free for reuse: (address, bytes).
static SPARE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// One piece, all zero at first.
#[derive(Debug)]
pub(crate) struct ZeroOnFork {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: an address; the memory there is used through atomics only.
unsafe impl Send for ZeroOnFork {}
// SAFETY: as for Send.
unsafe impl Sync for ZeroOnFork {}

impl ZeroOnFork {
    pub(crate) fn new(bytes: usize) -> io::Result<ZeroOnFork> {
        // Never waits: in a forked child, another thread of the parent may have held the lock.
        if let Ok(mut spare) = SPARE.try_lock()
            && let Some(at) = spare.iter().position(|(_, size)| *size == bytes)
        {
            let (address, bytes) = spare.swap_remove(at);
            if let Some(base) = NonNull::new(std::ptr::with_exposed_provenance_mut(address)) {
                return Ok(ZeroOnFork { base, bytes });
            }
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        let base = match NonNull::new(base) {
            Some(base) if base.as_ptr() != libc::MAP_FAILED => base,
            _ => return Err(io::Error::last_os_error()),
        };
        // SAFETY: advice on the mapping just made.
        Errno::result(unsafe { libc::madvise(base.as_ptr(), bytes, libc::MADV_WIPEONFORK) })?;
        Ok(ZeroOnFork { base: base.cast(), bytes })
    }

    /// The `T` at byte `offset`.
    ///
    /// # Safety
    /// `T` lies within the piece, is aligned and valid when all zero, and is changed only through
    /// atomics; nothing else is kept at these bytes.
    #[inline(always)]
    pub(crate) unsafe fn at<T>(&self, offset: usize) -> &T {
        debug_assert!(offset + size_of::<T>() <= self.bytes && offset.is_multiple_of(align_of::<T>()));
        // SAFETY: never unmapped; the rest is the caller's contract.
        unsafe { &*self.base.as_ptr().add(offset).cast() }
    }
}

impl Drop for ZeroOnFork {
    fn drop(&mut self) {
        // SAFETY: our own private pages; dropping their content makes them zero again.
        let wiped = unsafe { libc::madvise(self.base.as_ptr().cast(), self.bytes, libc::MADV_DONTNEED) };
        if wiped == 0
            && let Ok(mut spare) = SPARE.try_lock()
        {
            spare.push((self.base.as_ptr().expose_provenance(), self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn a_child_reads_zero() {
        let wiped = ZeroOnFork::new(4096).unwrap();
        // SAFETY: an atomic, valid when zero, alone at its place.
        let word: &AtomicU64 = unsafe { wiped.at(64) };
        word.store(7, Ordering::SeqCst);
        // SAFETY: the child only reads an atomic and ends.
        match unsafe { libc::fork() } {
            // SAFETY: ends the child at once, as it must after a fork of a process with threads.
            0 => unsafe { libc::_exit(word.load(Ordering::SeqCst) as i32) },
            child => {
                let mut status = -1;
                // SAFETY: our own child, a local for its status.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 0));
            }
        }
        assert_eq!(word.load(Ordering::SeqCst), 7);
    }
}
