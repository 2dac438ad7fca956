//! What the native loggers know of Python's standard library, and whether it is still as Python made it.
//!
//! A native logger does what `logging` would do. Where a program has put something of its own in the place of a part
//! of it (a record factory, a method, green threads), Python's own code runs. A clock is called, whatever it is.

#![allow(unsafe_code)]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

/// The methods by which a log method does its work.
pub(crate) const INSIDE: [&str; 7] =
    ["isEnabledFor", "_log", "findCaller", "makeRecord", "handle", "callHandlers", "filter"];
/// What the class of loggers must have of Python's own for every call. Behind them stand the methods that are called.
const FOR_EACH_CALL: usize = 6;
const OF_LOGGERS: [&str; FOR_EACH_CALL + 6] = [
    "isEnabledFor",
    "_log",
    "findCaller",
    "makeRecord",
    "handle",
    "callHandlers",
    "debug",
    "info",
    "warning",
    "error",
    "critical",
    "log",
];
/// What its base must have.
const OF_FILTERERS: [&str; 1] = ["filter"];
/// What a record's class must have of Python's own.
const OF_RECORDS: [&str; 2] = ["__init__", "getMessage"];
/// What a module must have of Python's own.
const OF_LOGGING: [&str; 9] = [
    "getLevelName",
    "currentframe",
    "_is_internal_frame",
    "_logRecordFactory",
    "logThreads",
    "logMultiprocessing",
    "logProcesses",
    "logAsyncioTasks",
    "_srcfile",
];
const OF_THREADING: [&str; 2] = ["get_ident", "current_thread"];

/// Where names are looked up (a module or a class), and what some of them meant when this module first looked.
struct Names {
    dict: Py<PyDict>,
    known: Vec<Known>,
}

struct Known {
    name: Py<PyString>,
    value: Py<PyAny>,
    /// Where in the dictionary it was found last. A look there is a third of a search.
    place: AtomicIsize,
}

impl Known {
    /// Whether it means the same in its dictionary.
    fn means_the_same(&self, dict: &Bound<'_, PyDict>) -> bool {
        let (mut name, mut value) = (null_mut(), null_mut());
        let mut next = self.place.load(Ordering::Relaxed);
        // SAFETY: a dictionary, and this thread is attached. Wherever the search begins, it finds what is there, and
        // that is borrowed and only compared.
        let is_there =
            unsafe { ffi::PyDict_Next(dict.as_ptr(), &raw mut next, &raw mut name, &raw mut value) != 0 };
        if is_there && name == self.name.as_ptr() {
            return value == self.value.as_ptr();
        }
        self.find(dict)
    }

    /// As `means_the_same`, and notes the place.
    #[cold]
    fn find(&self, dict: &Bound<'_, PyDict>) -> bool {
        let (mut name, mut value) = (null_mut(), null_mut());
        let mut next = 0;
        loop {
            let place = next;
            // SAFETY: as above.
            unsafe {
                if ffi::PyDict_Next(dict.as_ptr(), &raw mut next, &raw mut name, &raw mut value) == 0 {
                    // Under an equal name that is another object, at best.
                    let found = ffi::PyDict_GetItemWithError(dict.as_ptr(), self.name.as_ptr());
                    return found == self.value.as_ptr();
                }
            }
            if name == self.name.as_ptr() {
                self.place.store(place, Ordering::Relaxed);
                return value == self.value.as_ptr();
            }
        }
    }
}

impl Names {
    fn of_module(module: &Bound<'_, PyModule>, names: &[&str]) -> PyResult<Names> {
        Names::in_dict(module.dict(), names)
    }

    /// Those of a class, which are functions of this file.
    fn of_class(class: &Bound<'_, PyAny>, names: &[&str], file: &str) -> PyResult<Names> {
        let names = Names::in_dict(members_of(class)?, names)?;
        for Known { name, value, .. } in &names.known {
            if !is_of_file(value.bind(class.py()), file) {
                return Err(PyRuntimeError::new_err(format!("{name} of {class} is not Python's own")));
            }
        }
        Ok(names)
    }

    fn in_dict(dict: Bound<'_, PyDict>, names: &[&str]) -> PyResult<Names> {
        let py = dict.py();
        let mut known = Vec::with_capacity(names.len());
        for name in names {
            if let Some(value) = dict.get_item(*name)? {
                let (name, value) = (PyString::intern(py, name).unbind(), value.unbind());
                known.push(Known { name, value, place: AtomicIsize::new(0) });
            }
        }
        Ok(Names { dict: dict.unbind(), known })
    }

    /// Whether these of the names mean what they did.
    fn mean_the_same(&self, py: Python<'_>, which: std::ops::Range<usize>) -> bool {
        let dict = self.dict.bind(py);
        self.known[which].iter().all(|known| known.means_the_same(dict))
    }

    fn all_mean_the_same(&self, py: Python<'_>) -> bool {
        self.mean_the_same(py, 0..self.known.len())
    }
}

/// The dictionary behind a class's `__dict__`.
pub(crate) fn members_of<'py>(class: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let proxy = class.getattr(intern!(class.py(), "__dict__"))?;
    let behind = class.py().import("gc")?.call_method1("get_referents", (proxy,))?;
    Ok(behind.get_item(0)?.cast_into()?)
}

/// How `LogRecord` computes its times from the wall clock.
#[derive(Clone, Copy)]
enum Times {
    /// From seconds as a float; `start` likewise.
    Seconds(Seconds),
    /// From nanoseconds; `start` likewise.
    Nanoseconds { start: i128 },
}

#[derive(Clone, Copy)]
struct Seconds {
    start: f64,
    has_whole_milliseconds: bool,
}

/// The times of a record.
pub(crate) struct RecordTimes {
    pub created: f64,
    pub milliseconds: f64,
    pub relative: f64,
}

/// Python's standard library as it was found.
pub(crate) struct Stdlib {
    /// Of the class of loggers, `isEnabledFor` first.
    loggers: Names,
    /// What records are made by.
    makers: [Names; 4],
    /// The module `time`, and the name of its function that tells when a record is made.
    time: (Py<PyDict>, Py<PyString>),
    pub modules: Py<PyDict>,
    pub null_handler: Py<PyType>,
    pub active_threads: Py<PyDict>,
    pub thread_name: Py<PyAny>,
    pub level_names: Py<PyDict>,
    /// The class of mappings: one as the only argument is what the format's names are looked up in.
    pub mapping: Py<PyAny>,
    source_file: String,
    /// Whether frames of the import system are passed over, as since Python 3.11.
    skips_importing: bool,
    pub has_tasks: bool,
    times: Times,
}

impl Stdlib {
    /// The library as it was when this was first asked.
    ///
    /// # Errors
    /// If a part is not Python's own: then Python's own code is to run.
    pub fn get(py: Python<'_>) -> PyResult<&'static Stdlib> {
        static STDLIB: PyOnceLock<Stdlib> = PyOnceLock::new();
        STDLIB.get_or_try_init(py, || Stdlib::find(py))
    }

    fn find(py: Python<'_>) -> PyResult<Stdlib> {
        let module = |name| py.import(name);
        let (logging, threading, time) = (module("logging")?, module("threading")?, module("time")?);
        let source_file: String = logging.getattr("_srcfile")?.extract()?;
        let class = |name, names| Names::of_class(&logging.getattr(name)?, names, &source_file);
        for flag in ["logThreads", "logMultiprocessing", "logProcesses", "logAsyncioTasks"] {
            if logging.hasattr(flag)? && !logging.getattr(flag)?.is_truthy()? {
                return Err(PyRuntimeError::new_err(format!("logging.{flag} is off")));
            }
        }
        let is_factory_own = logging.getattr("_logRecordFactory")?.is(&logging.getattr("LogRecord")?);
        if !is_factory_own || !time.getattr("time")?.get_type().name()?.to_str()?.starts_with("builtin") {
            return Err(PyRuntimeError::new_err("records are not made as Python makes them"));
        }
        let times = Times::find(&logging)?;
        Ok(Stdlib {
            loggers: class("Logger", &OF_LOGGERS)?,
            makers: [
                class("Filterer", &OF_FILTERERS)?,
                class("LogRecord", &OF_RECORDS)?,
                Names::of_module(&logging, &OF_LOGGING)?,
                Names::of_module(&threading, &OF_THREADING)?,
            ],
            time: (time.dict().unbind(), PyString::intern(py, times.clock()).unbind()),
            modules: module("sys")?.getattr("modules")?.cast_into::<PyDict>()?.unbind(),
            null_handler: logging.getattr("NullHandler")?.cast_into()?.unbind(),
            active_threads: threading.getattr("_active")?.cast_into::<PyDict>()?.unbind(),
            thread_name: threading.getattr("Thread")?.getattr("name")?.unbind(),
            level_names: logging.getattr("_levelToName")?.cast_into::<PyDict>()?.unbind(),
            mapping: module("collections.abc")?.getattr("Mapping")?.unbind(),
            skips_importing: logging.hasattr("_is_internal_frame")?,
            has_tasks: logging.hasattr("logAsyncioTasks")?,
            times,
            source_file,
        })
    }

    /// Whether loggers say as Python does which levels are enabled.
    pub fn has_own_levels(&self, py: Python<'_>) -> bool {
        self.loggers.mean_the_same(py, 0..1)
    }

    /// Whether loggers log by this method, the `number`th of the native ones, and records are made, as Python does it;
    /// but for [levels](Self::has_own_levels).
    pub fn is_as_found(&self, py: Python<'_>, number: usize) -> bool {
        let called = FOR_EACH_CALL + number;
        self.loggers.mean_the_same(py, 1..FOR_EACH_CALL)
            && self.loggers.mean_the_same(py, called..called + 1)
            && self.makers.iter().all(|names| names.all_mean_the_same(py))
    }

    /// Whether code of this file is passed over when the caller is sought.
    pub fn is_internal(&self, file: &str) -> bool {
        file == self.source_file
            || self.skips_importing && file.contains("importlib") && file.contains("_bootstrap")
    }

    /// The times of a record that is made now, as this Python computes them.
    pub fn times(&self, py: Python<'_>) -> PyResult<RecordTimes> {
        let (module, name) = &self.time;
        let clock = module.bind(py).get_item(name.bind(py))?;
        let now = clock.ok_or_else(|| PyRuntimeError::new_err("there is no clock"))?.call0()?;
        Ok(match self.times {
            Times::Seconds(seconds) => seconds.of_record(now.extract()?),
            Times::Nanoseconds { start } => of_nanoseconds(start, now.extract()?),
        })
    }
}

impl Times {
    /// Finds out by a record how they are computed.
    fn find(logging: &Bound<'_, PyModule>) -> PyResult<Times> {
        let start = logging.getattr("_startTime")?;
        if let Ok(start) = start.cast::<pyo3::types::PyInt>() {
            return Ok(Times::Nanoseconds { start: start.extract()? });
        }
        let start = start.extract()?;
        let mut has_whole_milliseconds = true;
        for _ in 0..8 {
            let record = logging.call_method1("makeLogRecord", (PyDict::new(logging.py()),))?;
            let milliseconds: f64 = record.getattr("msecs")?.extract()?;
            has_whole_milliseconds &= milliseconds.fract() == 0.0;
        }
        Ok(Times::Seconds(Seconds { start, has_whole_milliseconds }))
    }

    /// The function of `time` that tells it.
    fn clock(self) -> &'static str {
        match self {
            Times::Seconds(_) => "time",
            Times::Nanoseconds { .. } => "time_ns",
        }
    }
}

impl Seconds {
    fn of_record(self, created: f64) -> RecordTimes {
        let milliseconds = (created - created.trunc()) * 1000.0;
        let milliseconds = if self.has_whole_milliseconds { milliseconds.trunc() } else { milliseconds };
        RecordTimes { created, milliseconds, relative: (created - self.start) * 1000.0 }
    }
}

fn of_nanoseconds(start: i128, ns: i128) -> RecordTimes {
    const SECOND: i128 = 1_000_000_000;
    let created = ns as f64 / 1e9;
    let milliseconds = (ns.rem_euclid(SECOND) / 1_000_000) as f64;
    // The division can round up to the next second.
    let is_rounded_up = milliseconds == 999.0 && created.trunc() != ns.div_euclid(SECOND) as f64;
    let milliseconds = if is_rounded_up { 0.0 } else { milliseconds };
    RecordTimes { created, milliseconds, relative: (ns - start) as f64 / 1e6 }
}

/// Whether a function's code comes from this file.
fn is_of_file(function: &Bound<'_, PyAny>, file: &str) -> bool {
    let code = function.getattr(intern!(function.py(), "__code__"));
    let found = code.and_then(|code| code.getattr(intern!(function.py(), "co_filename")));
    found.is_ok_and(|found| found.extract::<&str>().is_ok_and(|found| found == file))
}

/// A class of loggers that has the native methods.
pub(crate) struct NativeClass {
    class: Py<PyType>,
    /// Its members and its base's, where its base is not `Logger`; and how many there were at the last look.
    members: Vec<(Py<PyDict>, AtomicUsize)>,
}

impl NativeClass {
    /// The class, as it is when it has got them.
    pub fn new(class: &Bound<'_, PyType>) -> PyResult<NativeClass> {
        let py = class.py();
        let base = class.getattr(intern!(py, "__base__"))?;
        let mut members = vec![members_of(class.as_any())?];
        if !base.is(&py.import("logging")?.getattr("Logger")?) {
            members.push(members_of(&base)?);
        }
        let members = members.into_iter().map(|dict| (dict.clone().unbind(), AtomicUsize::new(dict.len())));
        Ok(NativeClass { class: class.clone().unbind(), members: members.collect() })
    }

    /// Whether the logger is of this class, and nothing was added to that which a log call would use.
    pub fn is_class_of(&self, logger: &Bound<'_, PyAny>) -> PyResult<bool> {
        if !logger.get_type().is(&self.class) {
            return Ok(false);
        }
        for (members, count) in &self.members {
            let members = members.bind(logger.py());
            if members.len() != count.load(Ordering::Relaxed) {
                for name in INSIDE {
                    if members.contains(name)? {
                        return Ok(false);
                    }
                }
                count.store(members.len(), Ordering::Relaxed);
            }
        }
        Ok(true)
    }
}
