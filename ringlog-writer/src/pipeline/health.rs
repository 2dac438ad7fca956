//! Whether a delivery is failing, as its thread says and the loop reads it.

use std::sync::{Mutex, PoisonError};

use crate::clock::now_unix_ns;
use crate::status::Failure;

/// Whether a delivery is failing.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Option<Failure>>);

impl Health {
    /// Notes an error. The time of the first one since it succeeded stays.
    pub(super) fn fail(&self, error: String) {
        let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since_unix_ns = failure.as_ref().map_or_else(now_unix_ns, |failure| failure.since_unix_ns);
        *failure = Some(Failure { error, since_unix_ns });
    }

    /// Notes that it has succeeded.
    pub(super) fn recover(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The last error, if nothing has succeeded since.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
