//! Waits that let other Python threads run, and end at a signal such as Ctrl-C.

use std::sync::OnceLock;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The time of an argument in seconds; for ever if there is none.
pub(crate) fn seconds(timeout: Option<f64>) -> PyResult<Duration> {
    let Some(timeout) = timeout else { return Ok(Duration::MAX) };
    if timeout.is_nan() || timeout < 0.0 {
        return Err(PyValueError::new_err(format!("timeout is {timeout}; expected seconds, from 0 on")));
    }
    // Longer than anybody waits.
    Ok(Duration::try_from_secs_f64(timeout).unwrap_or(Duration::MAX))
}

/// Calls `wait` while other threads run. What it gets says, each time that it is asked, whether to wait on: not once
/// a signal handler of Python has raised something. The second value is what was raised.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    wait: impl FnOnce(&dyn Fn() -> bool) -> T + Send,
) -> (T, PyResult<()>) {
    let interrupted = OnceLock::new();
    let goes_on = || {
        if interrupted.get().is_some() {
            return false;
        }
        // When the interpreter ends, what waits goes on waiting until the process has ended.
        let Some(Err(error)) = Python::try_attach(|py| py.check_signals()) else { return true };
        let _ = interrupted.set(error);
        false
    };
    let result = py.detach(|| wait(&goes_on));
    (result, interrupted.into_inner().map_or(Ok(()), Err))
}
