//! The attributes of a `LogRecord`, read in one pass over its `__dict__`.

#![allow(unsafe_code)]

use std::ptr::null_mut;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

/// An attribute that each record has.
#[derive(Clone, Copy)]
pub(crate) enum Own {
    Name,
    Msg,
    Args,
    LevelName,
    LevelNumber,
    PathName,
    FileName,
    Module,
    ExcInfo,
    ExcText,
    StackInfo,
    Line,
    Function,
    Created,
    Milliseconds,
    RelativeCreated,
    Thread,
    ThreadName,
    ProcessName,
    Process,
    TaskName,
}

/// Their names, in the order of [`Own`], and two that formatters add. Others are fields of the user.
const NAMES: [&str; 23] = [
    "name",
    "msg",
    "args",
    "levelname",
    "levelno",
    "pathname",
    "filename",
    "module",
    "exc_info",
    "exc_text",
    "stack_info",
    "lineno",
    "funcName",
    "created",
    "msecs",
    "relativeCreated",
    "thread",
    "threadName",
    "processName",
    "process",
    "taskName",
    "message",
    "asctime",
];

/// What this process knows of Python's `logging`.
pub(crate) struct Logging {
    /// The class of its records.
    pub record: Py<PyType>,
    /// Its `getMessage`; `None` if that was Python's own no more when this module first looked.
    pub get_message: Option<Py<PyAny>>,
    /// A formatter, for tracebacks.
    pub formatter: Py<PyAny>,
    /// The names of a new record's attributes in their order, and which each is.
    order: Vec<(Py<PyString>, Option<usize>)>,
}

impl Logging {
    pub fn get(py: Python<'_>) -> PyResult<&'static Logging> {
        static LOGGING: PyOnceLock<Logging> = PyOnceLock::new();
        LOGGING.get_or_try_init(py, || {
            let logging = py.import("logging")?;
            let sample = logging.call_method1("makeLogRecord", (PyDict::new(py),))?;
            let mut order = Vec::new();
            for (name, _) in sample.getattr("__dict__")?.cast_into::<PyDict>()? {
                let name = name.cast_into::<PyString>()?;
                let number = number_of(&name);
                order.push((name.unbind(), number));
            }
            let record = logging.getattr("LogRecord")?.cast_into::<PyType>()?;
            let get_message = record.getattr("getMessage")?;
            let module = get_message.getattr("__module__").and_then(|module| module.extract::<String>());
            let is_pythons = module.is_ok_and(|module| module == "logging");
            Ok(Logging {
                record: record.unbind(),
                get_message: is_pythons.then(|| get_message.unbind()),
                formatter: logging.getattr("Formatter")?.call0()?.unbind(),
                order,
            })
        })
    }
}

/// Which attribute has this name.
fn number_of(name: &Bound<'_, PyString>) -> Option<usize> {
    let name = name.to_str().ok()?;
    NAMES.iter().position(|own| *own == name)
}

/// The values of a record's attributes.
pub(crate) struct Attributes<'py> {
    record: Bound<'py, PyAny>,
    own: [Option<Bound<'py, PyAny>>; NAMES.len()],
    /// The user's: `extra`, and what filters have set.
    pub extra: Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>,
}

impl Logging {
    /// Whether the record's message is made as Python does it.
    pub fn makes_message_of(&self, attributes: &Attributes<'_>) -> bool {
        let record = &attributes.record;
        let is_replaced = || attributes.extra.iter().any(|(name, _)| name == "getMessage");
        let of_class = || self.record.bind(record.py()).getattr(intern!(record.py(), "getMessage"));
        record.get_type().is(&self.record)
            && !is_replaced()
            && self.get_message.as_ref().is_some_and(|own| of_class().is_ok_and(|now| now.is(own)))
    }
}

impl<'py> Attributes<'py> {
    pub fn read(record: &Bound<'py, PyAny>, logging: &Logging) -> PyResult<Attributes<'py>> {
        let py = record.py();
        // SAFETY: the record is an object; the result is a new reference or an error.
        let dict = unsafe {
            let dict = ffi::PyObject_GenericGetDict(record.as_ptr(), null_mut());
            Bound::from_owned_ptr_or_err(py, dict)?.cast_into::<PyDict>()?
        };
        let mut attributes =
            Attributes { record: record.clone(), own: [const { None }; NAMES.len()], extra: Vec::new() };
        let (mut position, mut at) = (0, 0);
        let (mut name, mut value) = (null_mut(), null_mut());
        // SAFETY: no Python code runs in this loop, so the dictionary stays as it is; what it gives is borrowed of it.
        while unsafe {
            ffi::PyDict_Next(dict.as_ptr(), &raw mut position, &raw mut name, &raw mut value) != 0
        } {
            // SAFETY: as above.
            let (name, value) =
                unsafe { (Borrowed::from_ptr(py, name), Borrowed::from_ptr(py, value).to_owned()) };
            let number = match logging.order.get(at) {
                Some((usual, number)) if usual.as_ptr() == name.as_ptr() => *number,
                _ => name.cast::<PyString>().ok().and_then(|name| number_of(&name)),
            };
            at += 1;
            if let Some(number) = number {
                attributes.own[number] = Some(value);
            } else if let Ok(name) = name.cast::<PyString>() {
                attributes.extra.push((name.to_owned(), value));
            }
        }
        Ok(attributes)
    }

    /// The value, if the record has the attribute.
    pub fn get(&self, which: Own) -> Option<&Bound<'py, PyAny>> {
        self.own[which as usize].as_ref()
    }

    /// The value.
    ///
    /// # Errors
    /// `AttributeError` if the record does not have it.
    pub fn require(&mut self, which: Own) -> PyResult<&Bound<'py, PyAny>> {
        let slot = &mut self.own[which as usize];
        match slot {
            Some(value) => Ok(value),
            // A class can have it as a property.
            None => Ok(slot.insert(self.record.getattr(NAMES[which as usize])?)),
        }
    }
}
