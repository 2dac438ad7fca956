//! Handlers that take a record as the native handler does, and in no other way.

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::handler::NativeHandler;
use crate::stdlib::members_of;

/// The methods by which a handler takes a record: those of this module, and one of `logging`.
const METHODS: [&str; 3] = ["handle", "emit", "filter"];

/// A class that was found plain, and the members of those of its bases that come before the native one.
struct PlainClass {
    class: Py<PyType>,
    /// With how many there were at the last look.
    members: Vec<(Py<PyDict>, AtomicUsize)>,
}

/// The classes that were found. Those beyond are looked at each time.
static KNOWN: [PyOnceLock<PlainClass>; 4] = [const { PyOnceLock::new() }; 4];

/// Whether an object is a handler of a plain class. What its own attributes are does not count here.
pub(crate) fn is_plain(handler: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = handler.py();
    let class = handler.get_type();
    let mut known = KNOWN.iter().map_while(|known| known.get(py));
    let known = known.find(|known| class.is(&known.class));
    // A method that was added since makes the number of members another.
    let is_as_many = |(members, count): &(Py<PyDict>, AtomicUsize)| {
        members.bind(py).len() == count.load(Ordering::Relaxed)
    };
    if known.is_some_and(|known| known.members.iter().all(is_as_many)) {
        return Ok(true);
    }
    let own = py.get_type::<NativeHandler>();
    let filters = py.import("logging")?.getattr("Filterer")?;
    for name in METHODS {
        let usual = if name == "filter" { filters.getattr(name)? } else { own.getattr(name)? };
        if !class.getattr(name).is_ok_and(|found| found.is(&usual)) {
            return Ok(false);
        }
    }
    if let Some(known) = known {
        for (members, count) in &known.members {
            count.store(members.bind(py).len(), Ordering::Relaxed);
        }
        return Ok(true);
    }
    let mut members = Vec::new();
    for base in class.mro() {
        if base.is(&own) {
            let mut found = PlainClass { class: class.unbind(), members };
            for known in &KNOWN {
                match known.set(py, found) {
                    Ok(()) => break,
                    Err(unset) => found = unset,
                }
            }
            return Ok(true);
        }
        let dict = members_of(&base)?;
        members.push((dict.clone().unbind(), AtomicUsize::new(dict.len())));
    }
    Ok(false)
}
