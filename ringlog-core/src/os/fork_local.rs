//! A value of which each process has its own: a forked child finds none and makes a new one.
//!
//! The child never touches its parent's value, of which a thread that the child does not have may hold a lock. It is
//! left as it is, and not dropped.

#![allow(unsafe_code)]

use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::os::zero_on_fork::ZeroOnFork;

/// A value of this process, made by `Default` when it is first asked for.
#[derive(Debug)]
pub(crate) struct ForkLocal<T> {
    /// One pointer: to the value, null until it is made.
    place: ZeroOnFork,
    of: PhantomData<T>,
}

// SAFETY: gives out shared references to a `T`, and drops it in whichever thread drops this value.
unsafe impl<T: Send + Sync> Sync for ForkLocal<T> {}

impl<T: Default + Send + Sync> ForkLocal<T> {
    pub(crate) fn new() -> io::Result<ForkLocal<T>> {
        Ok(ForkLocal { place: ZeroOnFork::new(4096)?, of: PhantomData })
    }

    fn pointer(&self) -> &AtomicPtr<T> {
        // SAFETY: an atomic, valid when zero, alone in its piece.
        unsafe { self.place.at(0) }
    }

    pub(crate) fn get(&self) -> &T {
        let pointer = self.pointer();
        let mut value = pointer.load(Ordering::Acquire);
        if value.is_null() {
            let new = Box::into_raw(Box::<T>::default());
            match pointer.compare_exchange(value, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => value = new,
                Err(other) => {
                    value = other;
                    // SAFETY: made just now, and not shared.
                    drop(unsafe { Box::from_raw(new) });
                }
            }
        }
        // SAFETY: made in this process, because a fork zeroes the pointer; it is dropped with `self` only.
        unsafe { &*value }
    }
}

impl<T> Drop for ForkLocal<T> {
    fn drop(&mut self) {
        // SAFETY: as in `pointer`.
        let pointer: &AtomicPtr<T> = unsafe { self.place.at(0) };
        let value = pointer.swap(std::ptr::null_mut(), Ordering::AcqRel);
        if !value.is_null() {
            // SAFETY: from `get` in this process; nothing borrows it any more.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_child_has_a_value_of_its_own() {
        let value = ForkLocal::<Mutex<u32>>::new().unwrap();
        let mut held = value.get().lock().unwrap();
        *held = 7;
        // SAFETY: the child looks at its own memory and ends.
        match unsafe { libc::fork() } {
            0 => {
                let found = value.get().try_lock().map_or(1, |own| *own);
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(found as i32) }
            }
            child => {
                let mut status = -1;
                // SAFETY: our own child, a local for its status.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 0));
            }
        }
        drop(held);
        assert_eq!(*value.get().lock().unwrap(), 7);
    }
}
