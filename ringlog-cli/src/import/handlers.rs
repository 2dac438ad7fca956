//! Conversion of handlers.

use ringlog::Level;
use ringlog_writer::Existing;
use ringlog_writer::config::{
    Color, ConsoleConfig, FileConfig, Formatter, HANDLERS_MAX, HandlerConfig, NullConfig, SinkConfig, Stream,
};
use ringlog_writer::rotation::Rotation;

use super::arguments::BoundArguments;
use super::expression::PythonValue;
use super::formatters::Formatters;
use super::handler_class::HandlerClass;
use super::python_config::{self, PythonConfig, PythonHandler};
use super::{ConfigPlace, Notes, rotation};

/// The converted handlers, and the Python names that lead to them.
pub struct Handlers {
    /// The handlers of the new configuration.
    pub handlers: Vec<HandlerConfig>,
    names: Vec<(String, Vec<usize>)>,
}

impl Handlers {
    /// The indices of the handlers that replace the Python handler of this name.
    pub fn of(&self, name: &str) -> &[usize] {
        self.names.iter().find(|(known, _)| known == name).map_or(&[], |(_, places)| places)
    }
}

/// What replaces a Python handler.
#[expect(clippy::large_enum_variant, reason = "one for each handler of a file")]
enum Counterpart {
    Ours(SinkConfig),
    /// Other Python handlers, by their names.
    Others(Vec<String>),
}

pub fn convert(source: &PythonConfig, formatters: &Formatters, notes: &mut Notes) -> Handlers {
    let mut all = Handlers { handlers: Vec::new(), names: Vec::new() };
    let mut others = Vec::new();
    for handler in &source.handlers {
        match counterpart(handler, notes) {
            Ok(Counterpart::Ours(sink)) => {
                let level = python_config::level(handler.level.as_ref(), &handler.at, notes);
                let ours = HandlerConfig {
                    name: handler.name.clone(),
                    level: level.unwrap_or(Level::from_number(0)),
                    formatter: formatters.of(handler.formatter.as_deref()),
                    sink,
                };
                let place = all.place(ours, &handler.at, notes);
                all.names.push((handler.name.clone(), place.into_iter().collect()));
            }
            Ok(Counterpart::Others(names)) => others.push((handler, names)),
            Err(why) => notes.lost(
                &handler.args_at,
                format_args!("{} {:?} is left out: {why}", handler.class, handler.name),
            ),
        }
    }
    for (handler, names) in others {
        let mut places = Vec::new();
        for name in names {
            if all.of(&name).is_empty() {
                notes.lost(
                    &handler.at,
                    format_args!(
                        "{:?} passes records on to {name:?}, which has no counterpart",
                        handler.name
                    ),
                );
            }
            note_levels(handler, &name, source, notes);
            places.extend(
                all.of(&name).iter().copied().filter(|place| !places.contains(place)).collect::<Vec<_>>(),
            );
        }
        all.names.push((handler.name.clone(), places));
    }
    if all.handlers.is_empty() {
        let at = ConfigPlace { line: None, place: "[handlers]".to_owned() };
        notes.lost(&at, "no handler has a counterpart, so nothing is written; add one to the new file");
        all.handlers.push(nowhere());
    }
    all
}

/// The handler of a configuration that has no other: a configuration must have at least one.
fn nowhere() -> HandlerConfig {
    HandlerConfig {
        name: "nowhere".to_owned(),
        level: Level::from_number(0),
        formatter: Formatter::default(),
        sink: SinkConfig::Null(NullConfig),
    }
}

impl Handlers {
    /// Adds a handler. Handlers of one file share it, with the settings of all of them.
    fn place(&mut self, mut handler: HandlerConfig, at: &ConfigPlace, notes: &mut Notes) -> Option<usize> {
        if self.handlers.len() == HANDLERS_MAX {
            notes.lost(
                at,
                format_args!("at most {HANDLERS_MAX} handlers are allowed; {:?} is left out", handler.name),
            );
            return None;
        }
        if let SinkConfig::File(file) = &mut handler.sink {
            self.share(file, at, notes);
        }
        self.handlers.push(handler);
        Some(self.handlers.len() - 1)
    }

    /// Has a new handler's file and those of the same path agree.
    fn share(&mut self, file: &mut FileConfig, at: &ConfigPlace, notes: &mut Notes) {
        let mut shared = None;
        for other in &mut self.handlers {
            let SinkConfig::File(known) = &mut other.sink else { continue };
            if known.path != file.path {
                continue;
            }
            let differing = known.join(file);
            if shared.is_none() {
                for key in &differing {
                    let what = format!("it writes to the same file as {:?}, whose {key} counts", other.name);
                    notes.lost(at, format_args!("{what}; a file has one"));
                }
            }
            shared = Some(known.clone());
        }
        if let Some(shared) = shared {
            *file = shared;
        }
    }
}

/// Notes a difference in levels: Python applies the level of the handler that passes records on, ringlog the target's.
fn note_levels(handler: &PythonHandler, target: &str, source: &PythonConfig, notes: &mut Notes) {
    let respects = handler
        .kwargs
        .iter()
        .any(|(name, value)| name == "respect_handler_level" && *value == PythonValue::Bool(true));
    let target = source.handlers.iter().find(|other| other.name == target);
    let level = |handler: &PythonHandler| handler.level.clone().filter(|level| *level != PythonValue::None);
    let Some(target) = target.filter(|target| level(target) != level(handler) && !respects) else { return };
    notes.lost(
        &handler.at,
        format_args!(
            "here the level of {:?} applies to these records; in Python that of {:?} does",
            target.name, handler.name
        ),
    );
}

fn counterpart(handler: &PythonHandler, notes: &mut Notes) -> Result<Counterpart, String> {
    let class = HandlerClass::by_name(&handler.class).map_err(str::to_owned)?;
    if let Some(why) = &handler.unknown_args {
        return match class {
            HandlerClass::Queue => Err(handed_on_by_the_program()),
            HandlerClass::Null => Ok(Counterpart::Ours(SinkConfig::Null(NullConfig))),
            _ => Err(why.clone()),
        };
    }
    if class == HandlerClass::Queue {
        return queue(handler, notes);
    }
    let at = &handler.args_at;
    let bound = BoundArguments::new(handler, class)
        .inspect_err(|why| notes.refuse(at, format_args!("{}: {why}", handler.class)))?;
    Ok(Counterpart::Ours(match class {
        HandlerClass::Null => SinkConfig::Null(NullConfig),
        HandlerClass::Stream => {
            SinkConfig::Console(ConsoleConfig { stream: stream(bound.get("stream"))?, color: Color::Never })
        }
        HandlerClass::File | HandlerClass::WatchedFile => {
            SinkConfig::File(file(&bound, Rotation::default(), notes)?)
        }
        HandlerClass::RotatingFile => {
            SinkConfig::File(file(&bound, rotation::by_size(&bound, at, notes), notes)?)
        }
        HandlerClass::TimedRotatingFile => {
            SinkConfig::File(file(&bound, rotation::by_time(&bound, at, notes)?, notes)?)
        }
        HandlerClass::Memory | HandlerClass::Queue => return memory(handler, &bound, notes),
    }))
}

fn stream(stream: Option<&PythonValue>) -> Result<Stream, String> {
    match stream {
        None | Some(PythonValue::None) => Ok(Stream::Stderr),
        Some(PythonValue::Name(name)) if matches!(name.as_str(), "sys.stderr" | "sys.__stderr__") => {
            Ok(Stream::Stderr)
        }
        Some(PythonValue::Name(name)) if matches!(name.as_str(), "sys.stdout" | "sys.__stdout__") => {
            Ok(Stream::Stdout)
        }
        Some(other) => Err(format!("its stream {} is neither sys.stdout nor sys.stderr", other.shown())),
    }
}

fn file(bound: &BoundArguments<'_>, rotation: Rotation, notes: &mut Notes) -> Result<FileConfig, String> {
    let path = match bound.get("filename") {
        Some(PythonValue::Text(path)) if !path.is_empty() && !path.contains('\0') => path,
        Some(other) => return Err(format!("its filename {} is not usable", other.shown())),
        None => {
            notes.refuse(bound.place(), "it has no filename");
            return Err("it has no filename".to_owned());
        }
    };
    let mut output = FileConfig::new(path);
    match bound.get("mode") {
        // As in Python, a file that is rotated by size is appended to, whatever the mode.
        Some(PythonValue::Text(_)) if bound.number("maxBytes", 0, notes) > 0 => {}
        Some(PythonValue::Text(mode)) if mode == "w" => output.existing = Existing::Truncate,
        Some(PythonValue::Text(mode)) if mode == "a" => {}
        Some(PythonValue::Text(mode)) if !is_mode(mode) && !bound.flag("delay", notes) => {
            notes.refuse(bound.place(), format_args!("mode={mode:?} is not a mode of open()"));
        }
        Some(other) => notes.lost(
            bound.place(),
            format_args!("mode={} has no counterpart; the file is appended to", other.shown()),
        ),
        None => {}
    }
    match bound.get("encoding") {
        None | Some(PythonValue::None) => {}
        Some(PythonValue::Text(name)) if is_utf8(name) => {}
        Some(other) => {
            notes.lost(bound.place(), format_args!("encoding={}; files are in UTF-8 here", other.shown()));
        }
    }
    if bound.get("errors").is_some_and(|errors| *errors != PythonValue::None) {
        notes.hint(bound.place(), "errors is not needed: everything can be written in UTF-8");
    }
    if bound.flag("delay", notes) {
        notes
            .hint(bound.place(), "delay: the file is made when the writer starts, not with the first record");
    }
    output.rotation = rotation;
    Ok(output)
}

/// Whether Python opens a file with this mode.
fn is_mode(mode: &str) -> bool {
    let is_once = |c: char| mode.matches(c).count() == 1;
    mode.chars().all(|c| "rwxabt+".contains(c) && is_once(c))
        && mode.matches(['r', 'w', 'x', 'a']).count() == 1
}

fn is_utf8(encoding: &str) -> bool {
    matches!(encoding.to_ascii_lowercase().replace('_', "-").as_str(), "utf-8" | "utf8" | "u8")
}

fn memory(
    handler: &PythonHandler,
    bound: &BoundArguments<'_>,
    notes: &mut Notes,
) -> Result<Counterpart, String> {
    match bound.get("target") {
        Some(PythonValue::Text(target)) => {
            let what = format!("the ring is the buffer, so records go to {target:?} without delay");
            notes.hint(&handler.at, what);
            Ok(Counterpart::Others(vec![target.clone()]))
        }
        _ => Err("it has no target, and the ring is the buffer".to_owned()),
    }
}

fn handed_on_by_the_program() -> String {
    "the ring is the queue, and the program says which handlers its listener has; name those instead"
        .to_owned()
}

fn queue(handler: &PythonHandler, notes: &mut Notes) -> Result<Counterpart, String> {
    let handlers = handler.kwargs.iter().find(|(name, _)| name == "handlers");
    let Some((_, PythonValue::Items(names))) = handlers else { return Err(handed_on_by_the_program()) };
    let names = names.iter().map(|name| match name {
        PythonValue::Text(name) => Ok(name.clone()),
        other => Err(format!("{} is not the name of a handler", other.shown())),
    });
    let names = names.collect::<Result<Vec<_>, _>>()?;
    notes.hint(&handler.at, "the ring is the queue: its listener's handlers are taken");
    Ok(Counterpart::Others(names))
}
