//! A log call that no `LogRecord` is made for: its message and attributes, straight into the rings.

use std::sync::Arc;

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
use crate::stdlib::Stdlib;
use crate::text::Utf8;

/// A call of a log method whose level is enabled.
pub(crate) struct Call<'a, 'py> {
    /// The logger's name.
    pub name: Bound<'py, PyAny>,
    pub level: Bound<'py, PyAny>,
    pub ringlog_level: Level,
    pub message: Bound<'py, PyString>,
    pub arguments: &'a [Borrowed<'a, 'py, PyAny>],
    /// When it was made.
    pub unix_ns: u64,
}

/// The fields of a call, in a payload.
struct Encoded<'py> {
    caller: Caller<'py>,
    instruction: u32,
    /// Of a message that is put off.
    put_off: Option<Arguments>,
    shape: Shape,
}

impl<'py> Call<'_, 'py> {
    /// Logs to these handlers. False if nothing was logged and Python is to do it.
    ///
    /// # Errors
    /// What Python code raises before anything is logged; an interruption of a wait.
    pub fn log(&self, handlers: &[Bound<'py, NativeHandler>], stdlib: &Stdlib) -> PyResult<bool> {
        let name = Utf8::of(&self.name)?;
        let name = str::from_utf8(name.bytes()).unwrap_or("?");
        let mut wanting = Vec::with_capacity(handlers.len());
        for handler in handlers {
            if handler.get().producer()?.allows(self.ringlog_level, name) {
                wanting.push(handler);
            }
        }
        let Some(first) = wanting.first() else { return Ok(true) };
        let mut payload = first.get().producer()?.payload();
        let Some(caller) = Caller::here(self.name.py()) else { return Ok(false) };
        let instruction = caller.instruction()?;
        let mut encoded = Encoded { caller, instruction, put_off: self.put_off(), shape: Shape::default() };
        if !self.encode(&mut encoded, stdlib, &mut payload)? {
            return Ok(false);
        }
        let mut sites = Vec::with_capacity(wanting.len());
        for handler in &wanting {
            let producer = handler.get().producer()?;
            let mut site = producer.sites().known(&self.identity(&encoded));
            if site.is_none() && sites.is_empty() {
                // Not called from where it seems, or not to be put off.
                let Some(caller) = Caller::outside(self.name.py(), stdlib)? else { return Ok(false) };
                encoded.instruction = caller.instruction()?;
                encoded.caller = caller;
                if encoded.put_off.is_some() && !self.is_of_code(&encoded)? {
                    encoded.put_off = None;
                    payload.clear();
                    if !self.encode(&mut encoded, stdlib, &mut payload)? {
                        return Ok(false);
                    }
                }
                site = producer.sites().known(&self.identity(&encoded));
            }
            sites.push(match site {
                Some(site) => site,
                None => self.learn(&encoded, producer)?,
            });
        }
        for (handler, site) in wanting.iter().zip(sites) {
            NativeHandler::publish(handler, &site, &mut payload)?;
        }
        first.get().producer()?.keep(payload);
        Ok(true)
    }

    /// Puts the call's values into the payload. False if Python is to do it.
    fn encode(&self, encoded: &mut Encoded<'py>, stdlib: &Stdlib, payload: &mut Payload) -> PyResult<bool> {
        match &encoded.put_off {
            Some(arguments) => arguments.put(self.arguments, payload)?,
            None => self.put_message(stdlib, payload)?,
        }
        let shape = &mut encoded.shape;
        *shape = Shape::default();
        let times = stdlib.times(self.unix_ns);
        shape.note(CREATED, payload.put_float(times.created));
        shape.note(MILLISECONDS, payload.put_float(times.milliseconds));
        shape.note(RELATIVE_CREATED, payload.put_float(times.relative));
        let Some(context) = Context::of_caller(self.name.py(), stdlib)? else { return Ok(false) };
        context.put(stdlib.has_tasks, payload, shape)?;
        let Some(level_name) = level_name(&self.level, stdlib)? else { return Ok(false) };
        if !is_usual_name(self.ringlog_level.number().into(), level_name.bytes()) {
            shape.note(LEVEL_NAME, payload.put_text(level_name.bytes()));
        }
        Ok(true)
    }

    /// The arguments, if they can be put off.
    fn put_off(&self) -> Option<Arguments> {
        let format = self.message.to_str().ok().filter(|_| !self.arguments.is_empty())?;
        Arguments::of(format, self.arguments)
    }

    /// Whether the format is a constant of the calling code. One that is new at each call would need a definition each
    /// time.
    fn is_of_code(&self, encoded: &Encoded<'py>) -> PyResult<bool> {
        encoded.caller.has_constant(self.message.as_any())
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
    fn identity(&self, encoded: &Encoded<'py>) -> Identity {
        let Encoded { caller, put_off, shape, .. } = encoded;
        let address = |object: &Bound<'_, PyAny>| object.as_ptr() as usize;
        let format = put_off.map_or(0, |_| address(&self.message));
        Identity {
            objects: [address(&self.name), address(&caller.code), format],
            line: encoded.instruction,
            level: self.ringlog_level.number(),
            arguments: put_off.map_or(0, |arguments| arguments.code()),
            shape: *shape,
            extra: Vec::new(),
        }
    }

    /// The call's site in a ring where it is new.
    fn learn(&self, encoded: &Encoded<'py>, producer: &Producer) -> PyResult<Arc<Site>> {
        let Encoded { caller, put_off, shape, .. } = encoded;
        let text = |object: &Bound<'py, PyAny>| -> PyResult<String> {
            Ok(String::from_utf8_lossy(Utf8::of(object)?.bytes()).into_owned())
        };
        let (file, function) = (text(caller.file()?.as_any())?, text(caller.function()?.as_any())?);
        let place = Place::new(text(&self.name)?, file, function, caller.line(), self.ringlog_level);
        let (template, mut fields): (_, Vec<(String, Type)>) = match put_off {
            Some(arguments) => {
                let fields = arguments.types().map(|ty| (String::new(), ty));
                (arguments.template(self.message.to_str()?), fields.collect())
            }
            None => (MESSAGE.to_owned(), vec![(String::new(), Type::Str)]),
        };
        fields.extend(shape.behind_extra());
        let format = put_off.map(|_| self.message.as_any());
        let kept = [Some(&self.name), Some(&caller.code), format].into_iter().flatten();
        let kept = kept.map(|object| object.clone().unbind()).collect();
        Ok(producer.sites().learn(self.identity(encoded), kept, Contents { place, text: template, fields }))
    }
}
