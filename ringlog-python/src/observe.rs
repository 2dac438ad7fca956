//! Looks at a ring from outside.

use pyo3::prelude::*;
use ringlog::reader::Observer;

use crate::exception;

/// The process that drains the ring of this name or path; `None` if there is none.
#[pyfunction]
pub(crate) fn writer_pid(py: Python<'_>, ring: &str) -> PyResult<Option<u32>> {
    let stat = py.detach(|| Observer::open(ring)?.stat());
    Ok(stat.map_err(|error| exception(&error))?.consumer.map(|consumer| consumer.pid))
}
