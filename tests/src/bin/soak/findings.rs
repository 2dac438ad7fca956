//! The list of errors found.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many findings are kept: the first ones.
const TOLD_MAX: usize = 20;

/// A list that all parts of the soak share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Arc<List>);

#[derive(Debug, Default)]
struct List {
    findings: Mutex<Vec<String>>,
    is_closed: AtomicBool,
}

impl Findings {
    pub(crate) fn report(&self, what: impl Display) {
        let mut list = self.0.findings.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() < TOLD_MAX && !self.0.is_closed.load(Ordering::Relaxed) {
            list.push(what.to_string());
        }
    }

    pub(crate) fn any(&self) -> bool {
        !self.list().is_empty()
    }

    pub(crate) fn list(&self) -> Vec<String> {
        self.0.findings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ignores further findings: from here on all processes are killed, which causes errors.
    pub(crate) fn close(&self) {
        self.0.is_closed.store(true, Ordering::Relaxed);
    }
}
