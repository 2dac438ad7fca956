//! The handlers that a logger's record would reach.

#![allow(unsafe_code)]

use std::ptr::null_mut;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::handler::NativeHandler;
use crate::plain;
use crate::stdlib::{INSIDE, Stdlib};

/// The attributes of an object that are its own.
pub(crate) fn own_attributes<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    // SAFETY: an object; the result is a new reference or an error.
    let dict = unsafe {
        let dict = ffi::PyObject_GenericGetDict(object.as_ptr(), null_mut());
        Bound::from_owned_ptr_or_err(object.py(), dict)?
    };
    Ok(dict.cast_into()?)
}

/// A logger's attributes.
pub(crate) struct LoggerAttributes<'py> {
    pub name: Bound<'py, PyAny>,
    pub filters: Bound<'py, PyAny>,
    handlers: Bound<'py, PyAny>,
    propagate: Bound<'py, PyAny>,
    parent: Bound<'py, PyAny>,
    /// Whether it has one of the methods by which a log method does its work.
    pub has_methods: bool,
}

impl<'py> LoggerAttributes<'py> {
    /// Those of a logger that has these; `None` if one is missing.
    pub fn of(all: &Bound<'py, PyDict>) -> PyResult<Option<LoggerAttributes<'py>>> {
        let py = all.py();
        // In the order in which Python makes them.
        let names = [
            intern!(py, "filters"),
            intern!(py, "name"),
            intern!(py, "level"),
            intern!(py, "parent"),
            intern!(py, "propagate"),
            intern!(py, "handlers"),
            intern!(py, "disabled"),
            intern!(py, "_cache"),
            intern!(py, "manager"),
        ];
        let mut others = Vec::new();
        let picked = pick(all, names, |name| others.push(name.to_owned()));
        let [Some(filters), Some(name), Some(_), Some(parent), Some(propagate), rest @ ..] = picked else {
            return Ok(None);
        };
        let [Some(handlers), ..] = rest else { return Ok(None) };
        let is_inside = |name: &Bound<'_, PyString>| INSIDE.iter().any(|inside| name == *inside);
        let has_methods = others.iter().any(|name| name.cast::<PyString>().is_ok_and(is_inside));
        Ok(Some(LoggerAttributes { name, filters, handlers, propagate, parent, has_methods }))
    }
}

/// The values of these names, which are interned, in one pass over all. `other` gets the other names.
fn pick<'py, const N: usize>(
    attributes: &Bound<'py, PyDict>,
    names: [&Bound<'py, PyString>; N],
    mut other: impl FnMut(&Bound<'py, PyAny>),
) -> [Option<Bound<'py, PyAny>>; N] {
    let py = attributes.py();
    let (mut values, mut next) = ([const { None }; N], 0);
    let (mut position, mut name, mut value) = (0, null_mut(), null_mut());
    // SAFETY: no Python code runs in this loop, so the dictionary stays as it is; what it gives is borrowed of it.
    while unsafe {
        ffi::PyDict_Next(attributes.as_ptr(), &raw mut position, &raw mut name, &raw mut value) != 0
    } {
        // SAFETY: as above.
        let (name, value) = unsafe { (Borrowed::from_ptr(py, name), Borrowed::from_ptr(py, value)) };
        // As a rule they stand in the order in which they are asked for.
        let is_known = |known: &&Bound<'py, PyString>| known.as_ptr() == name.as_ptr();
        let at =
            if names.get(next).is_some_and(is_known) { Some(next) } else { names.iter().position(is_known) };
        match at {
            Some(at) => {
                values[at] = Some(value.to_owned());
                next = at + 1;
            }
            None => other(&name),
        }
    }
    values
}

/// The handlers that a record of this level from this logger reaches, if all are of this module, and do what theirs
/// do. `None` if Python has to go on: there is no handler at all, or another one would see the record.
pub(crate) fn of_record<'py>(
    first: &LoggerAttributes<'py>,
    level: i64,
    stdlib: &Stdlib,
) -> PyResult<Option<Vec<Bound<'py, NativeHandler>>>> {
    let mut found = Vec::new();
    let mut has_any = false;
    let mut above;
    let mut attributes = first;
    loop {
        let Ok(handlers) = attributes.handlers.cast_exact::<PyList>() else { return Ok(None) };
        for handler in handlers {
            has_any = true;
            if handler.get_type().is(&stdlib.null_handler) {
                continue;
            }
            match listens(&handler, level)? {
                Listens::No => {}
                Listens::Natively => found.push(handler.cast_into::<NativeHandler>()?),
                Listens::InPython => return Ok(None),
            }
        }
        if attributes.parent.is_none() || !attributes.propagate.is_truthy()? {
            return Ok(has_any.then_some(found));
        }
        let Some(next) = LoggerAttributes::of(&own_attributes(&attributes.parent)?)? else { return Ok(None) };
        above = next;
        attributes = &above;
    }
}

/// How a handler takes a record.
enum Listens {
    No,
    Natively,
    InPython,
}

fn listens(handler: &Bound<'_, PyAny>, level: i64) -> PyResult<Listens> {
    let py = handler.py();
    let Ok(own) = own_attributes(handler) else { return Ok(Listens::InPython) };
    let ours = [
        intern!(py, "filters"),
        intern!(py, "level"),
        intern!(py, "handle"),
        intern!(py, "emit"),
        intern!(py, "filter"),
    ];
    let [filters, least, handle, emit, filter] = pick(&own, ours, |_| {});
    let (Some(least), Some(filters)) = (least, filters) else { return Ok(Listens::InPython) };
    match least.extract::<i64>() {
        Ok(least) if level < least => return Ok(Listens::No),
        Ok(_) => {}
        Err(_) => return Ok(Listens::InPython),
    }
    let is_free = filters.cast_exact::<PyList>().is_ok_and(PyListMethods::is_empty);
    let has_own = handle.is_some() || emit.is_some() || filter.is_some();
    let is_plain = is_free && !has_own && plain::is_plain(handler)?;
    Ok(if is_plain { Listens::Natively } else { Listens::InPython })
}
