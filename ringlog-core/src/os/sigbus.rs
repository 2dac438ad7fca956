//! Surviving the truncation of a mapped ring file, which leaves pages without a file behind them.
//!
//! Touching such a page raises SIGBUS, which ends the process. [`survive_truncation`] installs a handler
//! that maps zero pages there instead, as Wayland's `wl_shm` does, and marks the mapping as lost. The access
//! continues, and [`is_whole`] returns false afterwards: the values read are meaningless.
//!
//! Everything that the handler uses is async-signal-safe: atomics and three system calls. The table of
//! mappings lies in memory that a fork wipes, because a child does not inherit them.

#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, OnceLock};

use nix::errno::Errno;

use crate::os::zero_on_fork::ZeroOnFork;

/// How many rings a process can have mapped at the same time. Each takes up to two mappings.
const RINGS_MAX: usize = 256;
const MAPPINGS_MAX: usize = 2 * RINGS_MAX;

/// One mapping of a ring; all zero if the entry is free.
struct Range {
    start: AtomicUsize,
    /// Zero while the range is entered or removed.
    bytes: AtomicUsize,
    lost: AtomicBool,
}

type Table = [Range; MAPPINGS_MAX];

/// The table, made with the first mapping and never unmapped.
static TABLE: AtomicPtr<Table> = AtomicPtr::new(std::ptr::null_mut());
/// Whether any mapping of this process was ever lost: checked first, because it costs next to nothing.
static ANY_LOST: AtomicBool = AtomicBool::new(false);

impl Range {
    /// The start of the page of `address`, and the bytes from there to the end of the mapping, if the address lies in
    /// this one.
    fn rest_from(&self, address: usize, page_bytes: usize) -> Option<(usize, usize)> {
        let start = self.start.load(Ordering::Acquire);
        let bytes = self.bytes.load(Ordering::Acquire);
        // Both belong together only if the entry has not changed hands in between.
        fence(Ordering::Acquire);
        if address.wrapping_sub(start) >= bytes || self.start.load(Ordering::Relaxed) != start {
            return None;
        }
        let page = address & !(page_bytes - 1);
        Some((page, start + bytes - page))
    }
}

fn table() -> Option<&'static Table> {
    // SAFETY: null, or a table that is never unmapped, valid when zero and changed by atomics only.
    unsafe { TABLE.load(Ordering::Acquire).as_ref() }
}

fn table_or_new() -> io::Result<&'static Table> {
    if let Some(table) = table() {
        return Ok(table);
    }
    let wiped = ZeroOnFork::new(size_of::<Table>().next_multiple_of(4096))?;
    // SAFETY: atomics only, valid when zero; first in a piece that is page-aligned and long enough.
    let fresh = std::ptr::from_ref::<Table>(unsafe { wiped.at(0) }).cast_mut();
    if TABLE.compare_exchange(std::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire).is_ok() {
        std::mem::forget(wiped);
    }
    table().ok_or_else(|| io::Error::other("no table of mappings"))
}

/// Enters a mapping into the table before it is read.
pub(crate) fn watch(base: *const u8, bytes: usize) -> io::Result<()> {
    let start = base.addr();
    let free =
        |range: &&Range| range.start.compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    let Some(range) = table_or_new()?.iter().find(free) else {
        return Err(io::Error::other(format!(
            "this process has {RINGS_MAX} rings mapped, which is the most"
        )));
    };
    range.lost.store(false, Ordering::Relaxed);
    range.bytes.store(bytes, Ordering::Release);
    Ok(())
}

/// Removes a mapping from the table before it is unmapped.
pub(crate) fn unwatch(base: *const u8) {
    if let Some(range) = range_of(base) {
        range.bytes.store(0, Ordering::Release);
        range.start.store(0, Ordering::Release);
    }
}

fn range_of(base: *const u8) -> Option<&'static Range> {
    if base.is_null() {
        return None;
    }
    table()?.iter().find(|range| range.start.load(Ordering::Acquire) == base.addr())
}

/// Whether everything that was loaded from the mapping at `base` before this call came from its file.
#[inline]
pub(crate) fn is_whole(base: *const u8) -> bool {
    // The mark is set before the page is replaced, so a thread that has read zeros sees it from here on.
    fence(Ordering::Acquire);
    !ANY_LOST.load(Ordering::Relaxed) || !is_lost(base)
}

#[cold]
fn is_lost(base: *const u8) -> bool {
    range_of(base).is_some_and(|range| range.lost.load(Ordering::Acquire))
}

/// Marks the mapping at `base` as lost, if its truncation was found without touching it.
pub(crate) fn mark_lost(base: *const u8) {
    if let Some(range) = range_of(base) {
        mark(range);
    }
}

fn mark(range: &Range) {
    range.lost.store(true, Ordering::SeqCst);
    ANY_LOST.store(true, Ordering::SeqCst);
}

/// The action for SIGBUS that was installed before, and the size of a page.
struct Earlier {
    action: libc::sigaction,
    page_bytes: usize,
}

static EARLIER: OnceLock<Earlier> = OnceLock::new();

/// Lets this process survive the truncation of a ring file that it has mapped. Without it the kernel ends the process
/// with SIGBUS at its next access to a page that is gone.
///
/// Afterwards readers of such a ring get [`Error::Truncated`](crate::Error::Truncated), and producers
/// [`PushError::Gone`](crate::PushError::Gone) at their next block; the records that they log up to there are lost
/// with the file. Once the ring has been made again, it can be opened as usual.
///
/// This installs a handler for SIGBUS in the whole process, which is why the library does not call it by itself. The
/// handler acts on faults within mapped rings only; every other SIGBUS goes to the handler that was installed
/// before. Call it early, before starting threads that block all signals: a blocked SIGBUS ends the process.
///
/// ```
/// ringlog::survive_truncation()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system's error, if the process may not handle signals.
pub fn survive_truncation() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    // A panic cannot have left the flag wrong, so a poisoned lock is as good as any.
    let mut installed = INSTALLED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    // SAFETY: asks for the present action, into a plain C struct that is valid when zero.
    let earlier = unsafe {
        let mut earlier: libc::sigaction = std::mem::zeroed();
        Errno::result(libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut earlier))?;
        earlier
    };
    // SAFETY: has no preconditions.
    let page_bytes = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let earlier = EARLIER.get_or_init(|| Earlier { action: earlier, page_bytes });
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_sigbus;
    let mut action = earlier.action;
    action.sa_sigaction = handler as libc::sighandler_t;
    // On the signal stack, because the thread's own may be exhausted. The other flags stay as they were: the
    // earlier handler is called from this one.
    action.sa_flags = earlier.action.sa_flags & !libc::SA_RESETHAND | libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: a handler that is async-signal-safe, in a struct that outlives the call.
    Errno::result(unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) })?;
    *installed = true;
    Ok(())
}

extern "C" fn on_sigbus(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the kernel hands us a valid siginfo; a fault's has an address.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    if code != libc::BUS_ADRERR || !replace(address) {
        pass_on(signal, info, context);
    }
    Errno::set_raw(errno);
}

/// Maps private zero pages in place of a page that is gone and of all pages behind it in the same mapping, which
/// cannot be trusted either. Returns false if the address lies in no watched mapping.
fn replace(address: usize) -> bool {
    let (Some(table), Some(Earlier { page_bytes, .. })) = (table(), EARLIER.get()) else { return false };
    for range in table {
        let Some((page, bytes)) = range.rest_from(address, *page_bytes) else { continue };
        mark(range);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
        let page = std::ptr::without_provenance_mut(page);
        // SAFETY: replaces pages of a watched mapping, which is accessed through atomics only. As before, children
        // do not inherit them.
        return unsafe {
            let replaced = libc::mmap(page, bytes, protection, flags, -1, 0) == page;
            libc::madvise(page, bytes, libc::MADV_DONTFORK);
            replaced
        };
    }
    false
}

/// Passes the signal on to the action that was installed before.
fn pass_on(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(Earlier { action, .. }) = EARLIER.get() else { return };
    // SAFETY: the kernel hands us a valid siginfo.
    let is_fault = unsafe { (*info).si_code } > 0;
    match action.sa_sigaction {
        // A sent signal is ignored. A fault cannot be ignored: it ends the process, as by default.
        libc::SIG_IGN if !is_fault => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: the default action. A fault occurs again when the handler returns; a sent signal is raised
            // again and delivered then.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                if !is_fault {
                    libc::raise(signal);
                }
            }
        }
        handler if action.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: installed with SA_SIGINFO, so it is a function of these arguments.
            unsafe {
                let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
        }
        handler => {
            // SAFETY: installed without SA_SIGINFO, so it is a function of the signal alone.
            unsafe {
                let handler: extern "C" fn(i32) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    fn range(start: usize, bytes: usize) -> Range {
        Range { start: start.into(), bytes: bytes.into(), lost: false.into() }
    }

    #[test]
    fn a_range_ends_with_its_last_byte() {
        let range = range(8 * PAGE, 3 * PAGE);
        assert_eq!(range.rest_from(8 * PAGE, PAGE), Some((8 * PAGE, 3 * PAGE)));
        assert_eq!(range.rest_from(9 * PAGE - 1, PAGE), Some((8 * PAGE, 3 * PAGE)));
        assert_eq!(range.rest_from(9 * PAGE, PAGE), Some((9 * PAGE, 2 * PAGE)));
        assert_eq!(range.rest_from(11 * PAGE - 1, PAGE), Some((10 * PAGE, PAGE)));
        for outside in [0, 8 * PAGE - 1, 11 * PAGE, usize::MAX] {
            assert_eq!(range.rest_from(outside, PAGE), None, "{outside:x}");
        }
    }

    #[test]
    fn an_empty_entry_covers_nothing() {
        for start in [0, PAGE] {
            for address in [0, PAGE, usize::MAX] {
                assert_eq!(range(start, 0).rest_from(address, PAGE), None);
            }
        }
    }

    #[test]
    fn a_mapping_is_watched_until_unwatch() {
        // Addresses at which nothing is mapped; the test does not touch them.
        let (one, other) = (std::ptr::without_provenance(1 << 46), std::ptr::without_provenance(2 << 46));
        watch(one, 4 * PAGE).unwrap();
        watch(other, 4 * PAGE).unwrap();
        assert!(is_whole(one) && is_whole(other));
        mark_lost(one);
        assert!(!is_whole(one) && is_whole(other));
        unwatch(one);
        watch(one, PAGE).unwrap();
        assert!(is_whole(one), "a new mapping at the same address has lost nothing yet");
        unwatch(one);
        unwatch(other);
        assert!(range_of(one).is_none() && range_of(other).is_none());
    }

    #[test]
    fn a_child_does_not_inherit_watched_mappings() {
        let base = std::ptr::without_provenance(3 << 46);
        watch(base, PAGE).unwrap();
        // SAFETY: the child only reads atomics and ends.
        let status = match unsafe { libc::fork() } {
            // SAFETY: ends the child at once, as it must after a fork of a process with threads.
            0 => unsafe { libc::_exit(i32::from(range_of(base).is_some())) },
            child => {
                let mut status = -1;
                // SAFETY: our own child, a local for its status.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                status
            }
        };
        assert_eq!(status, 0, "the child has no mapping at that address");
        assert!(range_of(base).is_some());
        unwatch(base);
    }
}
