//! Rings that are removed after their last user.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use ringlog::{Error, Hold, Ring};

use crate::exception;

/// Whether, and by which descriptor, this process holds a ring.
#[derive(Default)]
pub(crate) struct Held(Mutex<Option<Hold>>);

impl Held {
    /// In a forked child: holds the ring by a descriptor of its own, if it does at all.
    pub fn renew(&self, ring: &Ring) -> PyResult<()> {
        let mut hold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hold.is_some()
            && let Some(own) = ring.hold().map_err(|error| exception(&error))?
        {
            *hold = Some(own);
        }
        Ok(())
    }

    /// Holds the ring no longer. Returns whether it did.
    pub fn let_go(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}

/// Opens what uses a ring, and holds the ring if `is_held`.
pub(crate) fn opened<T: Send>(
    py: Python<'_>,
    name: &str,
    is_held: bool,
    open: impl Fn() -> Result<(T, Ring), Error> + Sync,
) -> PyResult<(T, Held)> {
    // It may be removed between being opened and being held.
    for _ in 0..8 {
        let opened = py.detach(|| {
            let (user, ring) = open()?;
            let hold = if is_held { ring.hold()? } else { None };
            Ok((user, hold))
        });
        let (user, hold) = opened.map_err(|error: Error| exception(&error))?;
        if hold.is_some() == is_held {
            return Ok((user, Held(Mutex::new(hold))));
        }
    }
    Err(PyRuntimeError::new_err(format!("the ring {name} is removed again and again")))
}
