//! Whether a delivery is failing, and how often it was tried again, as its thread says and the loop reads it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::clock::now_unix_ns;
use crate::status::Failure;

/// Whether a delivery is failing, and how often it was tried again.
#[derive(Debug, Default)]
pub(super) struct Health {
    failure: Mutex<Option<Failure>>,
    retries: AtomicU64,
}

impl Health {
    /// Notes an error. The time of the first one since it succeeded stays.
    pub(super) fn fail(&self, error: String) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let since_unix_ns = failure.as_ref().map_or_else(now_unix_ns, |failure| failure.since_unix_ns);
        *failure = Some(Failure { error, since_unix_ns });
    }

    /// Notes that it is tried again after a failure.
    pub(super) fn retry(&self) {
        // A count that nothing else depends on.
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was tried again after a failure.
    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Notes that it has succeeded.
    pub(super) fn recover(&self) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The last error, if nothing has succeeded since.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
