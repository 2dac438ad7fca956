//! The statement that calls: what `Logger.findCaller` finds with a stack level of 1.

#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::stdlib::Stdlib;

// Part of the stable interface since Python 3.10; the bindings list it only for the full one.
unsafe extern "C" {
    fn PyFrame_GetCode(frame: *mut ffi::PyFrameObject) -> *mut ffi::PyObject;
    fn PyFrame_GetLineNumber(frame: *mut ffi::PyFrameObject) -> std::ffi::c_int;
}

/// The place in the code that is running.
pub(crate) struct Caller<'py> {
    frame: Bound<'py, PyAny>,
    pub code: Bound<'py, PyAny>,
}

impl<'py> Caller<'py> {
    /// The code that a frame runs.
    fn of_frame(frame: Bound<'py, PyAny>) -> Caller<'py> {
        // SAFETY: each frame has its code; a new reference.
        let code = unsafe { Bound::from_owned_ptr(frame.py(), PyFrame_GetCode(frame.as_ptr().cast())) };
        Caller { frame, code }
    }

    /// The line. Takes the longer the further down in its function it is.
    pub fn line(&self) -> u32 {
        // SAFETY: a frame.
        let line = unsafe { PyFrame_GetLineNumber(self.frame.as_ptr().cast()) };
        u32::try_from(line).unwrap_or(0)
    }

    /// The number of the instruction: one statement's in its code.
    pub fn instruction(&self) -> PyResult<u32> {
        self.frame.getattr(intern!(self.frame.py(), "f_lasti"))?.extract()
    }

    /// The file that its code comes from.
    pub fn file(&self) -> PyResult<Bound<'py, PyString>> {
        Ok(self.code.getattr(intern!(self.code.py(), "co_filename"))?.cast_into()?)
    }

    /// The function's name.
    pub fn function(&self) -> PyResult<Bound<'py, PyString>> {
        Ok(self.code.getattr(intern!(self.code.py(), "co_name"))?.cast_into()?)
    }

    /// Whether this very object is one of the code's constants, and so the same at each call.
    pub fn has_constant(&self, object: &Bound<'py, PyAny>) -> PyResult<bool> {
        let constants = self.code.getattr(intern!(self.code.py(), "co_consts"))?;
        for constant in constants.try_iter()? {
            if constant?.is(object) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The code that runs at the moment; `None` if none does.
    pub fn here(py: Python<'py>) -> Option<Caller<'py>> {
        // SAFETY: the frame is borrowed of the running thread; it is kept here.
        let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
        frame.map(Caller::of_frame)
    }

    /// The first caller that is not part of `logging` itself, from the running code on; `None` if there is none.
    pub fn outside(py: Python<'py>, stdlib: &Stdlib) -> PyResult<Option<Caller<'py>>> {
        let mut caller = Caller::here(py);
        while let Some(found) = caller {
            if !stdlib.is_internal(found.file()?.to_str()?) {
                return Ok(Some(found));
            }
            let back = found.frame.getattr(intern!(py, "f_back"))?;
            caller = (!back.is_none()).then(|| Caller::of_frame(back));
        }
        Ok(None)
    }
}
