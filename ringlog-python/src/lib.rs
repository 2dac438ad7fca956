//! The native part of the Python package `ringlog`: what a log call runs.
//!
//! A log record of Python becomes a record of the ring: place and logger in its definition, the message and what
//! else Python's formatters can name in its fields. `handler` is called by `logging`; `record` takes a `LogRecord`
//! apart; `sites` finds the definition again. `logger` is called in place of a method of `logging`, and makes no
//! `LogRecord`. No lock of this module is held while Python code runs, because that code may log.

mod attributes;
mod call;
mod caller;
mod context;
mod fields;
mod handler;
mod hold;
mod listeners;
mod logger;
mod observe;
mod payload;
mod percent;
mod place;
mod plain;
mod process;
mod queue;
mod record;
mod rules;
mod shared;
mod sites;
mod stdlib;
mod text;
mod wait;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(ringlog, Error, PyException, "A ring cannot be opened, made or used.");
create_exception!(ringlog, NoSuchRing, Error, "There is no ring of this name.");

/// The exception for an error of the library.
fn exception(error: &ringlog::Error) -> PyErr {
    match error {
        ringlog::Error::NoSuchRing { .. } => NoSuchRing::new_err(error.to_string()),
        _ => Error::new_err(error.to_string()),
    }
}

/// Native parts of `ringlog`.
// Dictionaries are read by borrowed references, which the global lock keeps valid.
#[pymodule(gil_used = true)]
fn _ringlog(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("Error", py.get_type::<Error>())?;
    module.add("NoSuchRing", py.get_type::<NoSuchRing>())?;
    process::watch_forks(py)?;
    module.add_function(wrap_pyfunction!(logger::make_native, module)?)?;
    module.add_function(wrap_pyfunction!(observe::writer_pid, module)?)?;
    module.add("QueueFull", py.get_type::<queue::QueueFull>())?;
    module.add_function(wrap_pyfunction!(queue::remove, module)?)?;
    module.add_function(wrap_pyfunction!(queue::remove_unheld, module)?)?;
    module.add_function(wrap_pyfunction!(queue::path_of, module)?)?;
    module.add_class::<queue::NativeQueue>()?;
    module.add_class::<queue::NativeClaim>()?;
    module.add_class::<handler::NativeHandler>()
}
