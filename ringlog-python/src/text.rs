//! The bytes of Python's texts.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A text of Python with its bytes in UTF-8.
#[derive(Clone)]
pub(crate) enum Utf8<'py> {
    /// The text keeps them.
    Whole(Bound<'py, PyString>),
    /// The text has no UTF-8: half of a surrogate pair, which travels as `\udc80`.
    Escaped(Bound<'py, PyBytes>),
}

impl<'py> Utf8<'py> {
    pub(crate) fn new(text: Bound<'py, PyString>) -> PyResult<Utf8<'py>> {
        if text.to_str().is_ok() {
            return Ok(Utf8::Whole(text));
        }
        let py = text.py();
        let bytes = text.call_method1(intern!(py, "encode"), ("utf-8", "backslashreplace"))?;
        Ok(Utf8::Escaped(bytes.cast_into()?))
    }

    /// `str(object)`.
    pub(crate) fn of(object: &Bound<'py, PyAny>) -> PyResult<Utf8<'py>> {
        match object.cast_exact::<PyString>() {
            Ok(text) => Utf8::new(text.clone()),
            Err(_) => Utf8::new(object.str()?),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Utf8::Whole(text) => text.to_str().map_or(b"", str::as_bytes),
            Utf8::Escaped(bytes) => bytes.as_bytes(),
        }
    }
}
