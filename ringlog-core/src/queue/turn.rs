//! Turns of the threads of one process: each waits for as long as its caller wants to.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::patience::Patience;

/// A value that one thread at a time has.
#[derive(Debug)]
pub(super) struct Turn<T> {
    is_taken: Mutex<bool>,
    is_back: Condvar,
    /// Locked by the thread that has set `is_taken`.
    value: Mutex<T>,
}

impl<T> Turn<T> {
    pub(super) fn new(value: T) -> Turn<T> {
        Turn { is_taken: Mutex::new(false), is_back: Condvar::new(), value: Mutex::new(value) }
    }

    fn is_taken(&self) -> MutexGuard<'_, bool> {
        self.is_taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, once no other thread has it.
    pub(super) fn take(&self, patience: &Patience<'_>) -> Option<Taken<'_, T>> {
        let mut is_taken = self.is_taken();
        while *is_taken {
            let slice = patience.slice(Duration::MAX)?;
            let waited = self.is_back.wait_timeout(is_taken, slice);
            is_taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *is_taken = true;
        drop(is_taken);
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Taken { value, _back: GiveBack(self) })
    }
}

/// The value, given back when this is dropped.
pub(super) struct Taken<'a, T> {
    // Before the note that it is back.
    value: MutexGuard<'a, T>,
    _back: GiveBack<'a, T>,
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

struct GiveBack<'a, T>(&'a Turn<T>);

impl<T> Drop for GiveBack<'_, T> {
    fn drop(&mut self) {
        *self.0.is_taken() = false;
        self.0.is_back.notify_one();
    }
}
