//! A queue of bytes, which the classes of Python are made of.

use std::sync::{Mutex, PoisonError};

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ringlog::admin;
use ringlog::queue::{Claim, Full, PutError, Queue};
use ringlog::schema::Value;

use crate::exception;
use crate::hold::{self, Held};
use crate::wait::{detached, seconds};

create_exception!(ringlog, QueueFull, PyException, "A queue has no room. The first argument says of what.");

/// A queue in a ring.
#[pyclass(frozen, module = "ringlog._ringlog")]
pub(crate) struct NativeQueue {
    queue: Queue,
    /// Of one that is removed after its last user.
    hold: Held,
}

#[pymethods]
impl NativeQueue {
    /// Opens the queue, or makes it with this size and bound. `is_held`: it is removed after its last user.
    #[new]
    #[pyo3(signature = (name, *, size=None, bound=0, is_held=false))]
    fn new(
        py: Python<'_>,
        name: &str,
        size: Option<&str>,
        bound: u64,
        is_held: bool,
    ) -> PyResult<NativeQueue> {
        let open = || {
            let queue = match size {
                Some(size) => Queue::options().size(size).bound(bound).create_or_open(name),
                None => Queue::open(name),
            }?;
            let ring = queue.ring().clone();
            Ok((queue, ring))
        };
        let (queue, hold) = hold::opened(py, name, is_held, open)?;
        Ok(NativeQueue { queue, hold })
    }

    /// Puts an item in; without a timeout waits for ever.
    #[pyo3(signature = (item, timeout=None))]
    fn put(&self, py: Python<'_>, item: &[u8], timeout: Option<f64>) -> PyResult<()> {
        let patience = seconds(timeout)?;
        let (put, interrupted) = detached(py, |goes_on| self.queue.put_while(item, patience, goes_on));
        match put {
            Ok(()) => interrupted,
            Err(PutError::Full(what)) => interrupted.and_then(|()| {
                let is_bound = matches!(what, Full::Bound(_));
                Err(QueueFull::new_err((is_bound, format!("the queue is full: {what}"))))
            }),
            Err(PutError::Ring(error)) => Err(exception(&error)),
            Err(error @ PutError::TooLong { .. }) => Err(PyValueError::new_err(error.to_string())),
            Err(error) => Err(crate::Error::new_err(error.to_string())),
        }
    }

    /// The next item, `None` if none came in time; without a timeout waits for ever.
    #[pyo3(signature = (timeout=None))]
    fn get<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let patience = seconds(timeout)?;
        let (item, interrupted) = detached(py, |goes_on| self.queue.get_while(patience, goes_on));
        match item.map_err(|error| exception(&error))? {
            Some(item) => Ok(Some(PyBytes::new(py, &item))),
            None => interrupted.map(|()| None),
        }
    }

    /// The next item, claimed.
    #[pyo3(signature = (timeout=None))]
    fn claim(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<NativeClaim>> {
        let patience = seconds(timeout)?;
        let (claim, interrupted) = detached(py, |goes_on| self.queue.claim_while(patience, goes_on));
        match claim.map_err(|error| exception(&error))? {
            Some(claim) => Ok(Some(NativeClaim { claim: Mutex::new(Some(claim)) })),
            None => interrupted.map(|()| None),
        }
    }

    /// Waits until there is an item, and leaves it there.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let patience = seconds(timeout)?;
        let (waited, interrupted) = detached(py, |goes_on| self.queue.wait(patience, goes_on));
        interrupted?;
        waited.map_err(|error| exception(&error))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.queue.len().map(|items| items as usize).map_err(|error| exception(&error))
    }

    fn unacked(&self) -> PyResult<u64> {
        self.queue.unacked().map_err(|error| exception(&error))
    }

    fn clear(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| self.queue.clear()).map_err(|error| exception(&error))
    }

    /// How many items it takes at most; 0: as many as the ring holds.
    #[getter]
    fn bound(&self) -> u64 {
        self.queue.bound().unwrap_or(0)
    }

    #[getter]
    fn path(&self) -> String {
        self.queue.ring().path().display().to_string()
    }

    #[getter]
    fn uuid(&self) -> String {
        Value::Uuid(self.queue.ring().info().uuid).to_string()
    }

    /// In a forked child: holds the queue by a descriptor of its own.
    fn hold_again(&self) -> PyResult<()> {
        self.hold.renew(self.queue.ring())
    }

    /// Holds the queue no longer, and removes it if nobody else does.
    fn let_go(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.hold.let_go() {
            return Ok(false);
        }
        remove_unheld(py, &self.path())
    }
}

/// Removes the ring at this path, unless somebody holds it; false then, or if it is not there.
#[pyfunction]
pub(crate) fn remove_unheld(py: Python<'_>, path: &str) -> PyResult<bool> {
    py.detach(|| admin::remove_unheld(path)).map_err(|error| exception(&error))
}

/// Removes the ring of this name, with what is in it.
#[pyfunction]
pub(crate) fn remove(py: Python<'_>, name: &str) -> PyResult<()> {
    py.detach(|| admin::remove(name, true)).map(drop).map_err(|error| exception(&error))
}

/// The directory in which a queue of this name lies.
#[pyfunction]
pub(crate) fn path_of(name: &str) -> PyResult<String> {
    let path = admin::resolve(name).map_err(|error| exception(&error))?;
    Ok(path.display().to_string())
}

/// An item that was taken out and is not acknowledged.
#[pyclass(frozen, module = "ringlog._ringlog")]
pub(crate) struct NativeClaim {
    claim: Mutex<Option<Claim>>,
}

#[pymethods]
impl NativeClaim {
    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        let claim = claim.as_ref().ok_or_else(acknowledged)?;
        Ok(PyBytes::new(py, claim.item()))
    }

    fn ack(&self) -> PyResult<()> {
        let claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner).take();
        claim.ok_or_else(acknowledged)?.ack().map_err(|error| exception(&error))
    }
}

fn acknowledged() -> PyErr {
    PyValueError::new_err("the item has been acknowledged")
}
