//! A lock that stores the thread that holds it, so that a signal handler never waits for its own thread.

use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_utils::Backoff;

use crate::os::thread;

/// A spin lock for rare cases. Zero means free, so in memory that a fork zeroes a child never waits for a thread
/// that it does not have.
#[repr(transparent)]
pub(crate) struct OwnerLock(AtomicU32);

/// Holds the lock until it is dropped.
pub(crate) struct OwnerGuard<'a>(&'a OwnerLock);

impl OwnerLock {
    /// Waits for the lock. `None` if the calling thread holds it: it runs in a signal handler or a fork handler, and
    /// would wait forever.
    pub(crate) fn lock(&self) -> Option<OwnerGuard<'_>> {
        let me = thread::id();
        let backoff = Backoff::new();
        loop {
            match self.0.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(OwnerGuard(self)),
                Err(holder) if holder == me => return None,
                Err(_) if backoff.is_completed() => std::thread::sleep(std::time::Duration::from_micros(50)),
                Err(_) => backoff.snooze(),
            }
        }
    }

    /// Frees the lock, whichever thread holds it.
    pub(crate) fn unlock(&self) {
        self.0.store(0, Ordering::Release);
    }
}

impl Drop for OwnerGuard<'_> {
    fn drop(&mut self) {
        self.0.unlock();
    }
}
