//! Native methods of loggers: what `Logger.info` does, without a `LogRecord`, where only handlers of this module
//! would see it. In every other case Python's own method runs.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::ptr::null_mut;
use std::slice;

use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple, PyType};
use ringlog::Level;

use crate::call::Call;
use crate::listeners::{self, LoggerAttributes, own_attributes};
use crate::rules;
use crate::stdlib::{NativeClass, Stdlib};

/// A method that is native.
struct Method {
    name: &'static CStr,
    /// Its level; `None` of `log`, whose first argument it is.
    level: Option<i64>,
}

const fn method(name: &'static CStr, level: Option<i64>) -> Method {
    Method { name, level }
}

const METHODS: [Method; 6] = [
    method(c"debug", Some(10)),
    method(c"info", Some(20)),
    method(c"warning", Some(30)),
    method(c"error", Some(40)),
    method(c"critical", Some(50)),
    method(c"log", None),
];

/// `logging.Logger`, which cannot be imported any more while the interpreter ends.
static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The classes that have the native methods: of the root, and of the others.
static CLASSES: [PyOnceLock<NativeClass>; 2] = [const { PyOnceLock::new() }; 2];

/// Gives a class of loggers the native methods. It is a subclass of `logging.Logger`.
#[pyfunction]
pub(crate) fn make_native(class: &Bound<'_, PyType>) -> PyResult<()> {
    let py = class.py();
    for (method, function) in METHODS.iter().zip(FUNCTIONS) {
        let definition = ffi::PyMethodDef {
            ml_name: method.name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
            ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
            ml_doc: c"As Python's own, and faster where only handlers of ringlog see the record.".as_ptr(),
        };
        // SAFETY: the definition is never freed, and the function has the form that the flags name.
        let descriptor = unsafe {
            let definition = Box::leak(Box::new(definition));
            let made = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
            Bound::from_owned_ptr_or_err(py, made)?
        };
        class.setattr(method.name, descriptor)?;
    }
    class.setattr("fatal", class.getattr("critical")?)?;
    LOGGER.get_or_try_init(py, || Ok::<_, PyErr>(py.import("logging")?.getattr("Logger")?.unbind()))?;
    let made = NativeClass::new(class)?;
    let is_full = CLASSES.iter().try_fold(made, |made, place| place.set(py, made).err().ok_or(())).is_ok();
    if is_full { Err(PyRuntimeError::new_err("there are two native classes already")) } else { Ok(()) }
}

type Function = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    ffi::Py_ssize_t,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// Of each of [`METHODS`] the function that Python calls.
const FUNCTIONS: [Function; METHODS.len()] =
    [called::<0>, called::<1>, called::<2>, called::<3>, called::<4>, called::<5>];

/// # Safety
/// Called by Python as `METH_FASTCALL | METH_KEYWORDS` says.
unsafe extern "C" fn called<const AT: usize>(
    logger: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let call = |py: Python<'_>, natively: bool| {
        // SAFETY: what the caller holds until this returns: `count` positional arguments, those by name behind them,
        // and a tuple of the names or null.
        let given = unsafe {
            let names = Bound::from_borrowed_ptr_or_opt(py, names).and_then(|names| names.cast_into().ok());
            let by_name = names.as_ref().map_or(0, |names: &Bound<'_, PyTuple>| names.len());
            let all: &[Borrowed<'_, '_, PyAny>] = match count as usize + by_name {
                0 => &[],
                all => slice::from_raw_parts(arguments.cast(), all),
            };
            let (positional, by_name) = all.split_at(count as usize);
            Given { logger: Borrowed::from_ptr(py, logger).to_owned(), positional, by_name, names }
        };
        match if natively { given.log(AT) } else { given.by_python(&METHODS[AT]) } {
            Ok(()) => py.None().into_ptr(),
            Err(error) => {
                error.restore(py);
                null_mut()
            }
        }
    };
    // While the interpreter ends, Python code still logs, and this module cannot attach.
    Python::try_attach(|py| call(py, true)).unwrap_or_else(|| {
        // SAFETY: Python calls this, so this thread is attached.
        call(unsafe { Python::assume_attached() }, false)
    })
}

/// A call as it was made.
struct Given<'a, 'py> {
    logger: Bound<'py, PyAny>,
    positional: &'a [Borrowed<'a, 'py, PyAny>],
    by_name: &'a [Borrowed<'a, 'py, PyAny>],
    names: Option<Bound<'py, PyTuple>>,
}

/// How far a native call has come.
enum Native {
    Done,
    /// Nothing has happened: Python is to do it.
    Left,
}

impl<'py> Given<'_, 'py> {
    /// Logs by the method of this number.
    fn log(&self, at: usize) -> PyResult<()> {
        match self.natively(at) {
            Ok(Native::Done) => Ok(()),
            // What goes wrong before anything is logged goes wrong in Python's way.
            Err(error) if !error.is_instance_of::<PyException>(self.logger.py()) => Err(error),
            Ok(Native::Left) | Err(_) => self.by_python(&METHODS[at]),
        }
    }

    /// Calls the method that `logging.Logger` has.
    fn by_python(&self, method: &Method) -> PyResult<()> {
        let py = self.logger.py();
        let Some(class) = LOGGER.get(py) else { return Ok(()) };
        let positional = std::iter::once(&self.logger).chain(self.positional.iter().map(|value| &**value));
        let positional = PyTuple::new(py, positional.collect::<Vec<_>>())?;
        let function = class.bind(py).getattr(method.name)?;
        function.call(positional, self.by_name()?.as_ref()).map(drop)
    }

    /// Logs to the handlers for which a level rule from outside enables this level, if the logger refuses it.
    fn by_rule(&self, level: &Bound<'py, PyAny>, rest: &[Borrowed<'_, 'py, PyAny>]) -> PyResult<Native> {
        let py = self.logger.py();
        if self.logger.call_method1(intern!(py, "isEnabledFor"), (level,))?.is_truthy()? {
            return Ok(Native::Left);
        }
        let helper = py.import(intern!(py, "ringlog.logger"))?.getattr(intern!(py, "_by_rule"))?;
        let enabled = helper.call1((&self.logger, level))?;
        if enabled.is_none() {
            return Ok(Native::Done);
        }
        let positional = std::iter::once(level).chain(rest.iter().map(|value| &**value));
        let positional = PyTuple::new(py, positional.collect::<Vec<_>>())?;
        enabled.getattr(intern!(py, "log"))?.call(positional, self.by_name()?.as_ref())?;
        Ok(Native::Done)
    }

    /// The arguments that were given by name.
    fn by_name(&self) -> PyResult<Option<Bound<'py, PyDict>>> {
        let by_name = self.names.as_ref().map(|names| {
            let by_name = PyDict::new(names.py());
            let mut pairs = names.iter().zip(self.by_name);
            pairs.try_for_each(|(name, value)| by_name.set_item(name, value)).map(|()| by_name)
        });
        by_name.transpose()
    }

    fn natively(&self, at: usize) -> PyResult<Native> {
        let (py, logger) = (self.logger.py(), &self.logger);
        let (level, rest) = match (METHODS[at].level, self.positional) {
            (Some(level), rest) => (PyInt::new(py, level).into_any(), rest),
            (None, [level, rest @ ..]) if level.is_exact_instance_of::<PyInt>() => {
                ((*level).to_owned(), rest)
            }
            _ => return Ok(Native::Left),
        };
        let [message, arguments @ ..] = rest else { return Ok(Native::Left) };
        let stdlib = Stdlib::get(py)?;
        let attributes = own_attributes(logger)?;
        if !stdlib.has_own_levels(py) || !is_native(logger)? {
            return Ok(Native::Left);
        }
        let mut known = is_enabled(&attributes, &level)?;
        // An enabled call looks for overriding methods below.
        if known != Some(true) && attributes.contains(intern!(py, "isEnabledFor"))? {
            known = None;
        }
        if known != Some(true) && rules::are_there() {
            return self.by_rule(&level, rest);
        }
        match known {
            Some(true) => {}
            Some(false) => return Ok(Native::Done),
            None => return Ok(Native::Left),
        }
        let Some(attributes) = LoggerAttributes::of(&attributes)?.filter(|logger| !logger.has_methods) else {
            return Ok(Native::Left);
        };
        let is_own = self.by_name.is_empty() && stdlib.is_as_found(py, at);
        let has_filters = attributes.filters.is_truthy()?;
        let number: i64 = level.extract()?;
        let (Ok(message), false, true, 1..=255) =
            (message.cast_exact::<PyString>(), has_filters, is_own, number)
        else {
            return Ok(Native::Left);
        };
        let Some(handlers) = listeners::of_record(&attributes, number, stdlib)? else {
            return Ok(Native::Left);
        };
        let ringlog_level = Level::from_number(number as u8);
        let Ok(name) = attributes.name.cast_into_exact::<PyString>() else { return Ok(Native::Left) };
        let (logger, message) = (logger.clone(), message.to_owned());
        let call = Call { logger, name, level, ringlog_level, message, arguments };
        Ok(if call.log(&handlers, stdlib)? { Native::Done } else { Native::Left })
    }
}

/// Whether the logger is of a class that has the native methods.
fn is_native(logger: &Bound<'_, PyAny>) -> PyResult<bool> {
    for class in &CLASSES {
        if class.get(logger.py()).map_or(Ok(false), |class| class.is_class_of(logger))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `Logger.isEnabledFor(level)`, of a logger with these attributes; `None` if Python has to find out.
fn is_enabled(attributes: &Bound<'_, PyDict>, level: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    let py = attributes.py();
    // SAFETY: a dictionary and texts, and this thread is attached. What is found is borrowed, and no Python code runs
    // before the last use.
    unsafe {
        let get =
            |name: &Bound<'_, PyString>| ffi::PyDict_GetItemWithError(attributes.as_ptr(), name.as_ptr());
        let (disabled, cache) = (get(intern!(py, "disabled")), get(intern!(py, "_cache")));
        if cache.is_null() || ffi::PyDict_CheckExact(cache) == 0 {
            return Ok(None);
        }
        if disabled != ffi::Py_False() {
            return Ok((disabled == ffi::Py_True()).then_some(false));
        }
        let known = ffi::PyDict_GetItemWithError(cache, level.as_ptr());
        let is_bool = known == ffi::Py_True() || known == ffi::Py_False();
        Ok(is_bool.then_some(known == ffi::Py_True()))
    }
}
