//! Sleeping on a word of shared memory, across processes. (nix has no futex.)

#![allow(unsafe_code)]

use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The low half of a word, which is what the kernel compares: little-endian machines only.
fn low_half(word: &AtomicU64) -> *const u32 {
    std::ptr::from_ref(word).cast()
}

/// Sleeps until woken, for `timeout` at most. Returns at once if the low half of `word` is no longer
/// `expected`. May return early, so the caller checks its condition again.
pub(crate) fn wait(word: &AtomicU64, expected: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the address is that of a live atomic and `timeout` outlives the call. FUTEX_WAIT without
    // the private flag, because the waker is another process.
    unsafe { libc::syscall(libc::SYS_futex, low_half(word), libc::FUTEX_WAIT, expected, &raw const timeout) };
}

/// Wakes up to `count` sleepers.
pub(crate) fn wake(word: &AtomicU64, count: i32) {
    // SAFETY: the address is that of a live atomic; waking has no other effect.
    unsafe { libc::syscall(libc::SYS_futex, low_half(word), libc::FUTEX_WAKE, count) };
}
