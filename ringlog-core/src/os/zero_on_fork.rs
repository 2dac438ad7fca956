//! Memory that reads zero in a forked child.
//!
//! Every pointer into a ring's mapping lies in such memory. A forked child does not inherit the mapping, so it
//! finds "no block, no lane, no session" instead of its parent's, at no cost to the record path.
//!
//! Some emulators and sandboxes answer that they will wipe the memory, and do not. So a page that only tells whether it
//! was wiped is looked at in each child, by a fork handler, and where it was not, the handler wipes all pieces. A child
//! made by a raw `clone` there is not protected.
//!
//! A piece is never unmapped: when its owner drops it, it is zeroed and kept for the next owner of the same
//! size. So a stale pointer into it reads zeros and never faults.

#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use nix::errno::Errno;

/// Pieces that are free for reuse: (address, bytes).
static SPARE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// All pieces that were ever made.
struct Piece {
    base: *const u8,
    bytes: usize,
    next: *const Piece,
}

static PIECES: AtomicPtr<Piece> = AtomicPtr::new(std::ptr::null_mut());

fn pieces() -> impl Iterator<Item = &'static Piece> {
    let mut next = PIECES.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: published by `remember`, never changed after that, and never freed.
        let piece = unsafe { next.as_ref() }?;
        next = piece.next;
        Some(piece)
    })
}

fn remember(base: *const u8, bytes: usize) -> io::Result<()> {
    // Not on the heap: a signal handler may find that a ring was replaced, and begin a session.
    let piece = map_private(size_of::<Piece>())?.cast::<Piece>().as_ptr();
    // SAFETY: a fresh mapping, large enough.
    unsafe { piece.write(Piece { base, bytes, next: std::ptr::null() }) };
    let mut first = PIECES.load(Ordering::Acquire);
    loop {
        // SAFETY: made just now, and not shared before the exchange succeeds.
        unsafe { (*piece).next = first };
        match PIECES.compare_exchange(first, piece, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Ok(()),
            Err(other) => first = other,
        }
    }
}

/// A page with one word that is not zero, except in a child whose kernel wipes as it says.
static WITNESS: OnceLock<ZeroOnFork> = OnceLock::new();

fn witness() -> Option<&'static AtomicU64> {
    // SAFETY: an atomic, valid when zero, alone in its page.
    WITNESS.get().map(|page| unsafe { page.at(0) })
}

/// Makes the page by which a child sees whether the kernel wipes. Called before the first other piece is made.
pub(crate) fn prepare() {
    if WITNESS.get().is_none()
        && let Ok(page) = ZeroOnFork::new(4096)
    {
        let _ = WITNESS.set(page);
    }
    if let Some(word) = witness() {
        word.store(1, Ordering::Relaxed);
    }
}

/// Wipes every piece, if the kernel has not. For the fork handler of the child, which has one thread.
pub(crate) fn wipe_in_child() {
    let Some(word) = witness() else { return };
    if word.load(Ordering::Relaxed) != 0 {
        for piece in pieces() {
            for at in (0..piece.bytes).step_by(8) {
                // SAFETY: within the piece, which is never unmapped and changed through atomics only.
                let word = unsafe { &*piece.base.add(at).cast::<AtomicU64>() };
                // Only what is not zero, so that no page is copied without need.
                if word.load(Ordering::Relaxed) != 0 {
                    word.store(0, Ordering::Relaxed);
                }
            }
        }
    }
    // For the child's own children.
    word.store(1, Ordering::Relaxed);
}

/// Has the kernel answer as before and wipe nothing, from now on.
#[cfg(all(test, not(loom)))]
pub(crate) fn stop_wiping() {
    for piece in pieces() {
        // SAFETY: advice on a piece that is never unmapped.
        let kept = unsafe { libc::madvise(piece.base.cast_mut().cast(), piece.bytes, libc::MADV_KEEPONFORK) };
        assert_eq!(kept, 0);
    }
}

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
        let base = map_private(bytes)?;
        // SAFETY: advice on the mapping just made.
        Errno::result(unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_WIPEONFORK) })?;
        remember(base.as_ptr().cast_const(), bytes)?;
        Ok(ZeroOnFork { base, bytes })
    }

    /// The first byte. It stays mapped as long as the process.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
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

/// Maps private memory, all zero.
pub(crate) fn map_private(bytes: usize) -> io::Result<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    match NonNull::new(base) {
        Some(base) if base.as_ptr() != libc::MAP_FAILED => Ok(base.cast()),
        _ => Err(io::Error::last_os_error()),
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
