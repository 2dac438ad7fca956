//! A lock that stores the thread that holds it, so that a signal handler never waits for its own thread.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crossbeam_utils::Backoff;

use crate::os::thread;

/// A spin lock for rare cases. Zero means free, so in memory that a fork zeroes a child never waits for a thread
/// that it does not have.
#[repr(transparent)]
pub(crate) struct OwnerLock(AtomicU32);

/// How long a thread waits for the lock, at least, and the pause between two attempts. What is done under such a lock
/// takes much less, as long as its holder is not kept from running.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_micros(50);

/// Holds the lock until it is dropped.
pub(crate) struct OwnerGuard<'a>(&'a OwnerLock);

impl OwnerLock {
    /// Waits for the lock. `None` if the calling thread holds it: it runs in a signal handler or a fork handler, and
    /// would wait forever. `None` also after [`PATIENCE`]: the holder may itself wait for something that the code
    /// holds which the caller, a signal handler, has interrupted.
    pub(crate) fn lock(&self) -> Option<OwnerGuard<'_>> {
        let me = thread::id();
        let backoff = Backoff::new();
        let mut sleeps = 0;
        loop {
            match self.0.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(OwnerGuard(self)),
                Err(holder) if holder == me || sleeps == PATIENCE.as_micros() / PAUSE.as_micros() => {
                    return None;
                }
                Err(_) if backoff.is_completed() => {
                    sleeps += 1;
                    std::thread::sleep(PAUSE);
                }
                Err(_) => backoff.snooze(),
            }
        }
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self) -> Option<OwnerGuard<'_>> {
        let taken = self.0.compare_exchange(0, thread::id(), Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then_some(OwnerGuard(self))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_thread_waits_for_the_lock_without_a_bound() {
        let lock = OwnerLock(AtomicU32::new(0));
        let held = lock.lock().expect("it is free");
        assert!(lock.lock().is_none(), "it would wait for itself");
        std::thread::scope(|scope| {
            assert!(scope.spawn(|| lock.lock().is_none()).join().unwrap(), "its holder does not go on");
        });
        drop(held);
        assert!(lock.lock().is_some());
    }
}
