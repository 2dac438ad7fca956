//! A lock that knows its holder's thread.

use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_utils::Backoff;

use crate::os::thread;

/// For what the threads of a process share in rare cases. Zero is free, so it can lie in memory that a
/// fork wipes: a child never waits for a thread that it does not have.
#[repr(transparent)]
pub(crate) struct OwnerLock(AtomicU32);

/// Held while it lives.
pub(crate) struct OwnerGuard<'a>(&'a OwnerLock);

impl OwnerLock {
    /// Waits for the lock. `None` if this very thread holds it: then we run in a signal handler or in a
    /// fork handler, and waiting would be for ever.
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

    /// Frees the lock, whoever holds it.
    pub(crate) fn unlock(&self) {
        self.0.store(0, Ordering::Release);
    }
}

impl Drop for OwnerGuard<'_> {
    fn drop(&mut self) {
        self.0.unlock();
    }
}
