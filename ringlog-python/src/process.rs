//! The id of this process, without a system call for each record.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// 0 before [`watch_forks`].
static ID: AtomicU32 = AtomicU32::new(0);

/// The id of this process.
pub(crate) fn id() -> u32 {
    ID.load(Ordering::Relaxed)
}

/// Notes the id, now and in each child that Python forks.
pub(crate) fn watch_forks(py: Python<'_>) -> PyResult<()> {
    note();
    let note = wrap_pyfunction!(note, py)?;
    let arguments = PyDict::new(py);
    arguments.set_item("after_in_child", note)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&arguments)).map(drop)
}

#[pyfunction]
fn note() {
    ID.store(std::process::id(), Ordering::Relaxed);
}
