//! A log call that no `LogRecord` is made for: its message and attributes, straight into the rings.

use std::sync::Arc;

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use ringlog::Level;
use ringlog::schema::{Site, Type};

use crate::caller::Caller;
use crate::context::{Context, level_name};
use crate::fields::*;
use crate::handler::{NativeHandler, Producer};
use crate::payload::Payload;
use crate::percent::Arguments;
use crate::place::{Place, is_usual_name};
use crate::sites::{Contents, Identity, MESSAGE};
use crate::stdlib::{RecordTimes, Stdlib};
use crate::text::Utf8;

/// A call of a log method whose level is enabled.
pub(crate) struct Call<'a, 'py> {
    pub logger: Bound<'py, PyAny>,
    pub name: Bound<'py, PyString>,
    pub level: Bound<'py, PyAny>,
    pub ringlog_level: Level,
    pub message: Bound<'py, PyString>,
    pub arguments: &'a [Borrowed<'a, 'py, PyAny>],
}

/// What is known of a call before its message is made.
struct Prepared<'py> {
    caller: Caller<'py>,
    instruction: u32,
    times: RecordTimes,
    context: Context<'py>,
    level_name: Utf8<'py>,
    /// Of a message that is put off.
    put_off: Option<Arguments>,
    shape: Shape,
}

impl<'py> Call<'_, 'py> {
    /// Logs to these handlers. False if nothing has happened and Python is to do it.
    ///
    /// # Errors
    /// What is raised before anything has happened, and is Python's to report; and an interruption, such as Ctrl-C.
    pub fn log(&self, handlers: &[Bound<'py, NativeHandler>], stdlib: &Stdlib) -> PyResult<bool> {
        let name = Utf8::of(self.name.as_any())?;
        let name = str::from_utf8(name.bytes()).unwrap_or("?");
        let mut wanting = Vec::with_capacity(handlers.len());
        for handler in handlers {
            if handler.get().producer()?.allows(self.ringlog_level, name) {
                wanting.push(handler);
            }
        }
        let Some(first) = wanting.first() else { return Ok(true) };
        let Some(mut prepared) = self.prepare(stdlib)? else { return Ok(false) };
        let mut sites = Vec::with_capacity(wanting.len());
        for handler in &wanting {
            let producer = handler.get().producer()?;
            let mut site = producer.sites().known(&self.identity(&prepared));
            if site.is_none() && sites.is_empty() {
                // Not called from where it seems, or not to be put off.
                let Some(caller) = Caller::outside(self.name.py(), stdlib)? else { return Ok(false) };
                prepared.instruction = caller.instruction()?;
                prepared.caller = caller;
                if prepared.put_off.is_some() && !self.is_of_code(&prepared)? {
                    prepared.put_off = None;
                }
                site = producer.sites().known(&self.identity(&prepared));
            }
            sites.push(match site {
                Some(site) => site,
                None => self.learn(&prepared, producer)?,
            });
        }
        let mut payload = first.get().producer()?.payload();
        // From here on Python does not begin anew: arguments have said what they are, and records are published.
        if let Err(error) = self.encode(&prepared, stdlib, &mut payload) {
            return self.report(&wanting, &prepared, error).map(|()| true);
        }
        for (handler, site) in wanting.iter().zip(sites) {
            if let Err(error) = NativeHandler::publish(handler, &site, &mut payload) {
                self.report(std::slice::from_ref(handler), &prepared, error)?;
            }
        }
        first.get().producer()?.keep(payload);
        Ok(true)
    }

    /// Finds out what is to be known. `None` if Python is to do it. Makes no text of what the call was given.
    fn prepare(&self, stdlib: &Stdlib) -> PyResult<Option<Prepared<'py>>> {
        let py = self.name.py();
        let Some(caller) = Caller::here(py) else { return Ok(None) };
        let times = stdlib.times(py)?;
        let Some(context) = Context::of_caller(py, stdlib)? else { return Ok(None) };
        let Some(level_name) = level_name(&self.level, stdlib)? else { return Ok(None) };
        let mut shape = Shape::default();
        for field in [CREATED, MILLISECONDS, RELATIVE_CREATED] {
            shape.note(field, Type::F64);
        }
        context.note(stdlib.has_tasks, &mut shape);
        if !is_usual_name(self.ringlog_level.number().into(), level_name.bytes()) {
            shape.note(LEVEL_NAME, Type::Str);
        }
        let (instruction, put_off) = (caller.instruction()?, self.put_off());
        Ok(Some(Prepared { caller, instruction, times, context, level_name, put_off, shape }))
    }

    /// Puts the call's values into the payload, in the order of the definition.
    ///
    /// # Errors
    /// What an argument raises when its text is asked for, or a wrong number of them.
    fn encode(&self, prepared: &Prepared<'py>, stdlib: &Stdlib, payload: &mut Payload) -> PyResult<()> {
        match &prepared.put_off {
            Some(arguments) => arguments.put(self.arguments, payload)?,
            None => self.put_message(stdlib, payload)?,
        }
        payload.put_float(prepared.times.created);
        payload.put_float(prepared.times.milliseconds);
        payload.put_float(prepared.times.relative);
        prepared.context.put(stdlib.has_tasks, payload);
        if prepared.shape.has(LEVEL_NAME) {
            payload.put_text(prepared.level_name.bytes());
        }
        Ok(())
    }

    /// Lets handlers report an error as they do where they get a record of Python.
    ///
    /// # Errors
    /// One that is no `Exception`.
    fn report(
        &self,
        handlers: &[&Bound<'py, NativeHandler>],
        prepared: &Prepared<'py>,
        error: PyErr,
    ) -> PyResult<()> {
        let py = self.name.py();
        if !error.is_instance_of::<PyException>(py) {
            return Err(error);
        }
        match self.try_to_report(handlers, prepared, &error) {
            Err(error) if error.is_instance_of::<PyException>(py) => {
                error.write_unraisable(py, Some(&self.logger));
                Ok(())
            }
            result => result,
        }
    }

    fn try_to_report(
        &self,
        handlers: &[&Bound<'py, NativeHandler>],
        prepared: &Prepared<'py>,
        error: &PyErr,
    ) -> PyResult<()> {
        let py = self.name.py();
        let Prepared { caller, .. } = prepared;
        let arguments = PyTuple::new(py, self.arguments)?;
        let place = (&self.name, &self.level, caller.file()?, caller.line());
        let rest = (&self.message, arguments, py.None(), caller.function()?);
        let record = self.logger.call_method1(
            intern!(py, "makeRecord"),
            (place.0, place.1, place.2, place.3, rest.0, rest.1, rest.2, rest.3),
        )?;
        for handler in handlers {
            handler.getattr(intern!(py, "_report"))?.call1((error.value(py), &record))?;
        }
        Ok(())
    }

    /// The arguments, if they can be put off.
    fn put_off(&self) -> Option<Arguments> {
        let format = self.message.to_str().ok().filter(|_| !self.arguments.is_empty())?;
        Arguments::of(format, self.arguments)
    }

    /// Whether the format is a constant of the calling code. One that is new at each call would need a definition each
    /// time.
    fn is_of_code(&self, prepared: &Prepared<'py>) -> PyResult<bool> {
        prepared.caller.has_constant(self.message.as_any())
    }

    /// Puts the message as `LogRecord.getMessage` makes it.
    fn put_message(&self, stdlib: &Stdlib, payload: &mut Payload) -> PyResult<()> {
        let py = self.name.py();
        let message = match self.arguments {
            [] => self.message.clone().into_any(),
            [one] if one.is_instance(stdlib.mapping.bind(py))? && one.is_truthy()? => {
                self.message.rem(one)?
            }
            several => self.message.rem(PyTuple::new(py, several)?)?,
        };
        payload.put_text(Utf8::of(&message)?.bytes());
        Ok(())
    }

    /// What finds the call's site again.
    fn identity(&self, prepared: &Prepared<'py>) -> Identity {
        let Prepared { caller, put_off, shape, .. } = prepared;
        let address = |object: &Bound<'_, PyAny>| object.as_ptr() as usize;
        let format = put_off.map_or(0, |_| address(&self.message));
        Identity {
            objects: [address(&self.name), address(&caller.code), format],
            line: prepared.instruction,
            level: self.ringlog_level.number(),
            arguments: put_off.map_or(0, |arguments| arguments.code()),
            shape: *shape,
            extra: Vec::new(),
        }
    }

    /// The call's site in a ring where it is new.
    fn learn(&self, prepared: &Prepared<'py>, producer: &Producer) -> PyResult<Arc<Site>> {
        let Prepared { caller, put_off, shape, .. } = prepared;
        let text = |object: &Bound<'py, PyAny>| -> PyResult<String> {
            Ok(String::from_utf8_lossy(Utf8::of(object)?.bytes()).into_owned())
        };
        let (file, function) = (text(caller.file()?.as_any())?, text(caller.function()?.as_any())?);
        let place = Place::new(text(self.name.as_any())?, file, function, caller.line(), self.ringlog_level);
        let (template, mut fields): (_, Vec<(String, Type)>) = match put_off {
            Some(arguments) => {
                let fields = arguments.types().map(|ty| (String::new(), ty));
                (arguments.template(self.message.to_str()?), fields.collect())
            }
            None => (MESSAGE.to_owned(), vec![(String::new(), Type::Str)]),
        };
        fields.extend(shape.behind_extra());
        let format = put_off.map(|_| self.message.as_any());
        let kept = [Some(self.name.as_any()), Some(&caller.code), format].into_iter().flatten();
        let kept = kept.map(|object| object.clone().unbind()).collect();
        Ok(producer.sites().learn(self.identity(prepared), kept, Contents { place, text: template, fields }))
    }
}
