//! A `LogRecord` of Python, taken apart.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use ringlog::Level;
use ringlog::schema::{Site, Type};

use crate::attributes::{Attributes, Logging, Own};
use crate::fields::*;
use crate::payload::Payload;
use crate::place::{Place, base_name, is_usual_name, stem};
use crate::process;
use crate::sites::{Contents, Identity, MESSAGE, Sites};
use crate::text::Utf8;

/// The attributes that each record carries.
const ALWAYS: [(usize, Own); 5] = [
    (CREATED, Own::Created),
    (MILLISECONDS, Own::Milliseconds),
    (RELATIVE_CREATED, Own::RelativeCreated),
    (THREAD, Own::Thread),
    (THREAD_NAME, Own::ThreadName),
];

/// A record of Python as one of the ring. Its values are in a payload.
pub(crate) struct Taken<'py> {
    pub level: Level,
    /// The logger's name, the path of the file and the name of the function.
    place: [Bound<'py, PyAny>; 3],
    line: u32,
    /// The user's fields.
    extra: Vec<(Bound<'py, PyString>, Type)>,
    shape: Shape,
}

impl<'py> Taken<'py> {
    /// Takes the record apart, and puts its values into the payload. `formatter` is that of the handler, which may
    /// format tracebacks in its own way.
    ///
    /// # Errors
    /// What Python code raises: a `__str__`, a wrong number of arguments.
    pub fn new(
        record: &Bound<'py, PyAny>,
        formatter: &Bound<'py, PyAny>,
        payload: &mut Payload,
    ) -> PyResult<Taken<'py>> {
        let logging = Logging::get(record.py())?;
        let mut attributes = Attributes::read(record, logging)?;
        put_message(record, &attributes, logging, payload)?;
        let mut shape = Shape::default();
        let mut note = |field: usize, ty: Type| shape.note(field, ty);
        if let Some(lines) = traceback(&attributes, formatter, logging)? {
            note(EXC_INFO, payload.put_lines(lines.bytes()));
        }
        if let Some(lines) = stack(&attributes, formatter)? {
            note(STACK_INFO, payload.put_lines(lines.bytes()));
        }
        let mut extra = Vec::with_capacity(attributes.extra.len());
        for (name, value) in std::mem::take(&mut attributes.extra) {
            extra.push((name, payload.put(&value)?));
        }
        for (field, which) in ALWAYS {
            note(field, payload.put(attributes.require(which)?)?);
        }
        let process = attributes.require(Own::Process)?;
        if process.extract::<u32>().ok() != Some(process::id()) {
            note(PROCESS, payload.put(process)?);
        }
        note(PROCESS_NAME, payload.put(attributes.require(Own::ProcessName)?)?);
        if let Some(task) = attributes.get(Own::TaskName) {
            note(TASK_NAME, payload.put(task)?);
        }
        let number = attributes.require(Own::LevelNumber)?;
        let number: i64 = number.extract().map_err(|_| not_an_integer(number))?;
        let level = Level::from_number(number.clamp(1, 255) as u8);
        let name = Utf8::of(attributes.require(Own::LevelName)?)?;
        if !is_usual_name(number, name.bytes()) {
            note(LEVEL_NAME, payload.put_text(name.bytes()));
        }
        if number != i64::from(level.number()) {
            note(LEVEL_NUMBER, payload.put_signed(number));
        }
        let path = Utf8::of(attributes.require(Own::PathName)?)?;
        let usual = base_name(path.bytes());
        let file_name = Utf8::of(attributes.require(Own::FileName)?)?;
        if file_name.bytes() != usual {
            note(FILE_NAME, payload.put_text(file_name.bytes()));
        }
        let module = Utf8::of(attributes.require(Own::Module)?)?;
        if module.bytes() != stem(usual) {
            note(MODULE, payload.put_text(module.bytes()));
        }
        let line = attributes.require(Own::Line)?.extract().unwrap_or(0);
        let mut place = |which| attributes.require(which).cloned();
        let place = [place(Own::Name)?, place(Own::PathName)?, place(Own::Function)?];
        Ok(Taken { level, place, line, extra, shape })
    }

    /// The name of the logger.
    pub fn logger(&self) -> PyResult<Utf8<'py>> {
        Utf8::of(&self.place[0])
    }

    /// The site of the record.
    pub fn site(&self, sites: &Sites) -> PyResult<Arc<Site>> {
        let address = |object: &Bound<'_, PyAny>| object.as_ptr() as usize;
        let identity = Identity {
            objects: self.place.each_ref().map(address),
            line: self.line,
            level: self.level.number(),
            arguments: 0,
            shape: self.shape,
            extra: self.extra.iter().map(|(name, ty)| (address(name.as_any()), *ty)).collect(),
        };
        if let Some(site) = sites.known(&identity) {
            return Ok(site);
        }
        let mut objects: Vec<Py<PyAny>> = self.place.iter().map(|object| object.clone().unbind()).collect();
        objects.extend(self.extra.iter().map(|(name, _)| name.clone().into_any().unbind()));
        Ok(sites.learn(identity, objects, self.contents()?))
    }

    fn contents(&self) -> PyResult<Contents> {
        let text = |object: &Bound<'py, PyAny>| -> PyResult<String> {
            Ok(String::from_utf8_lossy(Utf8::of(object)?.bytes()).into_owned())
        };
        let [logger, file, function] = &self.place;
        let place = Place::new(text(logger)?, text(file)?, text(function)?, self.line, self.level);
        let mut fields = vec![(String::new(), Type::Str)];
        fields.extend(self.shape.before_extra());
        for (name, ty) in &self.extra {
            let name = text(name.as_any())?;
            // The format's own names cannot be a user's, and a field without a name is not shown.
            let is_ours = name.is_empty() || name.starts_with("ringlog.");
            fields.push((if is_ours { format!("_{name}") } else { name }, *ty));
        }
        fields.extend(self.shape.behind_extra());
        Ok(Contents { place, text: MESSAGE.to_owned(), fields })
    }
}

fn not_an_integer(found: &Bound<'_, PyAny>) -> PyErr {
    let found = found.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
    PyTypeError::new_err(format!("the record's levelno is {found}; expected an integer"))
}

/// Puts the message: `record.getMessage()`, without the call where it is Python's own.
fn put_message<'py>(
    record: &Bound<'py, PyAny>,
    attributes: &Attributes<'py>,
    logging: &Logging,
    payload: &mut Payload,
) -> PyResult<()> {
    let mut put = |message: &Bound<'py, PyAny>| {
        payload.put_text(Utf8::of(message)?.bytes());
        Ok(())
    };
    if logging.makes_message_of(attributes)
        && let Some(text) = attributes.get(Own::Msg)
        && text.is_exact_instance_of::<PyString>()
    {
        let Some(args) = attributes.get(Own::Args).filter(|args| !args.is_none()) else { return put(text) };
        let is_empty = match args.cast_exact::<PyTuple>() {
            Ok(tuple) => tuple.is_empty(),
            Err(_) => !args.is_truthy()?,
        };
        return if is_empty { put(text) } else { put(&text.rem(args)?) };
    }
    put(&record.call_method0(intern!(record.py(), "getMessage"))?)
}

/// The traceback as text: the record's own, or made by the handler's formatter. An empty one is none, as in Python.
fn traceback<'py>(
    attributes: &Attributes<'py>,
    formatter: &Bound<'py, PyAny>,
    logging: &Logging,
) -> PyResult<Option<Utf8<'py>>> {
    let is_there = |value: &&Bound<'py, PyAny>| !value.is_none() && value.is_truthy().unwrap_or(true);
    if let Some(text) = attributes.get(Own::ExcText).filter(is_there) {
        return Utf8::of(text).map(Some);
    }
    let Some(exception) = attributes.get(Own::ExcInfo).filter(is_there) else { return Ok(None) };
    let py = formatter.py();
    let formatter = if formatter.is_none() { logging.formatter.bind(py) } else { formatter };
    let text = formatter.call_method1(intern!(py, "formatException"), (exception,))?;
    if text.is_truthy()? { Utf8::of(&text).map(Some) } else { Ok(None) }
}

/// The stack as text, as the handler's formatter shows it.
fn stack<'py>(attributes: &Attributes<'py>, formatter: &Bound<'py, PyAny>) -> PyResult<Option<Utf8<'py>>> {
    let Some(stack) = attributes.get(Own::StackInfo).filter(|stack| !stack.is_none()) else {
        return Ok(None);
    };
    if !stack.is_truthy()? {
        return Ok(None);
    }
    if formatter.is_none() {
        return Utf8::of(stack).map(Some);
    }
    Utf8::of(&formatter.call_method1(intern!(formatter.py(), "formatStack"), (stack,))?).map(Some)
}
