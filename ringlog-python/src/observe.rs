//! Looks at a ring from outside.

use pyo3::prelude::*;
use ringlog::reader::Observer;

use crate::exception;

/// The id of the writer's process for the ring of this name or path; `None` if no writer runs.
#[pyfunction]
pub(crate) fn writer_pid(py: Python<'_>, ring: &str) -> PyResult<Option<u32>> {
    let stat = py.detach(|| Observer::open(ring)?.stat());
    Ok(stat.map_err(|error| exception(&error))?.consumer.map(|consumer| consumer.pid))
}
