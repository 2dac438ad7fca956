//! What a record says of the thread, process and task that logs.

#![allow(unsafe_code)]

use std::cell::OnceCell;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use ringlog::schema::Type;

use crate::fields::*;
use crate::listeners::own_attributes;
use crate::payload::{NOTHING, Payload};
use crate::stdlib::Stdlib;
use crate::text::Utf8;

/// Who logs.
pub(crate) struct Context<'py> {
    thread: i64,
    thread_name: Utf8<'py>,
    /// `None`: what Python calls a process without `multiprocessing`.
    process_name: Option<Utf8<'py>>,
    task_name: Option<Utf8<'py>>,
}

/// The name of a process of a program that has not loaded `multiprocessing`.
const MAIN_PROCESS: &[u8] = b"MainProcess";

impl<'py> Context<'py> {
    /// Who calls; `None` if Python has to find out.
    pub fn of_caller(py: Python<'py>, stdlib: &Stdlib) -> PyResult<Option<Context<'py>>> {
        let Some((thread, attributes)) = thread(py, stdlib)? else { return Ok(None) };
        let Some(thread_name) = attributes.get_item(intern!(py, "_name"))? else { return Ok(None) };
        let modules = stdlib.modules.bind(py);
        let process_name = match modules.get_item(intern!(py, "multiprocessing"))? {
            None => None,
            Some(package) => match process_name(&package, modules)? {
                None => return Ok(None),
                found => found,
            },
        };
        let task_name = if stdlib.has_tasks { task_name(modules)? } else { None };
        let texts = (text(Some(thread_name))?, text(process_name)?, text(task_name)?);
        let (Ok(Some(thread_name)), Ok(process_name), Ok(task_name)) = texts else { return Ok(None) };
        Ok(Some(Context { thread, thread_name, process_name, task_name }))
    }

    /// Notes which fields it has.
    pub fn note(&self, has_tasks: bool, shape: &mut Shape) {
        shape.note(THREAD, Type::I64);
        shape.note(THREAD_NAME, Type::Str);
        shape.note(PROCESS_NAME, Type::Str);
        if has_tasks {
            shape.note(TASK_NAME, if self.task_name.is_some() { Type::Str } else { NOTHING });
        }
    }

    /// Puts thread, process and task, which follow the times.
    pub fn put(&self, has_tasks: bool, payload: &mut Payload) {
        payload.put_signed(self.thread);
        payload.put_text(self.thread_name.bytes());
        payload.put_text(self.process_name.as_ref().map_or(MAIN_PROCESS, Utf8::bytes));
        if has_tasks {
            match &self.task_name {
                None => payload.put_nothing(),
                Some(name) => payload.put_text(name.bytes()),
            };
        }
    }
}

/// The bytes of a text, if there is one. The inner error stands for what is no text.
fn text<'py>(value: Option<Bound<'py, PyAny>>) -> PyResult<Result<Option<Utf8<'py>>, NoText>> {
    let Some(value) = value else { return Ok(Ok(None)) };
    match value.cast_into_exact::<PyString>() {
        Ok(text) => Ok(Ok(Some(Utf8::new(text)?))),
        Err(_) => Ok(Err(NoText)),
    }
}

struct NoText;

/// The id of the calling thread, and the attributes of its `Thread`; `None` if it has none, or one that has its name
/// from elsewhere.
fn thread<'py>(py: Python<'py>, stdlib: &Stdlib) -> PyResult<Option<(i64, Bound<'py, PyDict>)>> {
    thread_local! {
        /// The thread is the same as long as this memory is there.
        static KNOWN: OnceCell<(i64, Py<PyDict>)> = const { OnceCell::new() };
    }
    KNOWN.with(|known| {
        if let Some((id, attributes)) = known.get() {
            return Ok(Some((*id, attributes.bind(py).clone())));
        }
        // SAFETY: takes and touches nothing.
        let id = unsafe { ffi::PyThread_get_thread_ident() };
        let Some(found) = stdlib.active_threads.bind(py).get_item(id)? else { return Ok(None) };
        if !found.get_type().getattr(intern!(py, "name"))?.is(&stdlib.thread_name) {
            return Ok(None);
        }
        let attributes = own_attributes(&found)?;
        let _ = known.set((id as i64, attributes.clone().unbind()));
        Ok(Some((id as i64, attributes)))
    })
}

/// `multiprocessing.current_process().name`, if that is what Python made it.
fn process_name<'py>(
    package: &Bound<'py, PyAny>,
    modules: &Bound<'py, PyDict>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = package.py();
    let Some(module) = modules.get_item(intern!(py, "multiprocessing.process"))? else { return Ok(None) };
    let function = intern!(py, "current_process");
    let (Ok(shown), Ok(own)) = (package.getattr(function), module.getattr(function)) else { return Ok(None) };
    let process = module.getattr(intern!(py, "_current_process"))?;
    let name = intern!(py, "name");
    let of_class = process.get_type().getattr(name)?;
    if !shown.is(&own) || !of_class.is(&module.getattr(intern!(py, "BaseProcess"))?.getattr(name)?) {
        return Ok(None);
    }
    own_attributes(&process)?.get_item(intern!(py, "_name"))
}

/// The name of the task that runs, if one does.
fn task_name<'py>(modules: &Bound<'py, PyDict>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = modules.py();
    let Some(asyncio) = modules.get_item(intern!(py, "asyncio"))? else { return Ok(None) };
    let Ok(running) = asyncio.getattr(intern!(py, "_get_running_loop")) else { return Ok(None) };
    if running.call0()?.is_none() {
        return Ok(None);
    }
    let task = asyncio.call_method0(intern!(py, "current_task"));
    // As in Python: without a task, or with one that has no name, there is none.
    Ok(task.and_then(|task| task.call_method0(intern!(py, "get_name"))).ok().filter(|name| !name.is_none()))
}

/// The name of a level where it is not the usual one; `None` if Python has to say it.
pub(crate) fn level_name<'py>(level: &Bound<'py, PyAny>, stdlib: &Stdlib) -> PyResult<Option<Utf8<'py>>> {
    let py = level.py();
    match stdlib.level_names.bind(py).get_item(level)? {
        Some(name) if name.is_exact_instance_of::<PyString>() => Utf8::of(&name).map(Some),
        Some(_) => Ok(None),
        None => Utf8::of(&PyString::new(py, &format!("Level {level}")).into_any()).map(Some),
    }
}
