//! Handlers and their counterparts.

use ringlog::Level;
use ringlog_writer::Existing;
use ringlog_writer::config::{Color, FileOutput, Formatter, HANDLERS_MAX, Handler, Output, Stream};
use ringlog_writer::rotation::Rotation;

use super::expression::Value;
use super::formatters::Formatters;
use super::source::{self, Source};
use super::{At, Notes, rotation};

/// What loggers name, and which of ours that is.
pub struct Handlers {
    /// Those that have a counterpart.
    pub handlers: Vec<Handler>,
    names: Vec<(String, Vec<usize>)>,
}

impl Handlers {
    /// The places of those that stand for this one.
    pub fn of(&self, name: &str) -> &[usize] {
        self.names.iter().find(|(known, _)| known == name).map_or(&[], |(_, places)| places)
    }
}

/// What a class is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Stream,
    File,
    WatchedFile,
    RotatingFile,
    TimedRotatingFile,
    Null,
    /// Hands records on to one other.
    Memory,
    /// Hands records on to those of its listener.
    Queue,
}

/// A class by its name as `eval` or an import finds it, or why it has no counterpart.
fn class(name: &str) -> Result<Class, &'static str> {
    let name = name.strip_prefix("logging.").unwrap_or(name);
    let (is_plain, name) = name.strip_prefix("handlers.").map_or((true, name), |name| (false, name));
    Ok(match (is_plain, name) {
        (true, "StreamHandler") => Class::Stream,
        (true, "FileHandler") => Class::File,
        (true, "NullHandler") => Class::Null,
        (false, "WatchedFileHandler") => Class::WatchedFile,
        (false, "RotatingFileHandler") => Class::RotatingFile,
        (false, "TimedRotatingFileHandler") => Class::TimedRotatingFile,
        (false, "MemoryHandler") => Class::Memory,
        (false, "QueueHandler") => Class::Queue,
        (false, "SocketHandler" | "DatagramHandler" | "HTTPHandler") => {
            return Err("nothing is sent over a network; processes on one machine log into the ring");
        }
        (false, "SMTPHandler") => return Err("no mail is sent; `ringlog tail` can feed a program that does"),
        (false, "SysLogHandler" | "NTEventLogHandler") => {
            return Err("the system's log is not written to; `ringlog tail` can feed a program that does");
        }
        (false, "BufferingHandler") => return Err("it keeps records and writes none"),
        _ => return Err("it is Python code"),
    })
}

/// The names of a class's arguments in their order.
fn signature(class: Class) -> &'static [&'static str] {
    match class {
        Class::Stream => &["stream"],
        Class::File | Class::WatchedFile => &["filename", "mode", "encoding", "delay", "errors"],
        Class::RotatingFile => {
            &["filename", "mode", "maxBytes", "backupCount", "encoding", "delay", "errors"]
        }
        Class::TimedRotatingFile => {
            &["filename", "when", "interval", "backupCount", "encoding", "delay", "utc", "atTime", "errors"]
        }
        Class::Null => &[],
        Class::Memory => &["capacity", "flushLevel", "target", "flushOnClose"],
        Class::Queue => &["queue", "handlers", "respect_handler_level", "listener"],
    }
}

/// Arguments by their names.
pub struct Bound<'a> {
    at: &'a At,
    arguments: Vec<(&'a str, &'a Value)>,
}

impl<'a> Bound<'a> {
    fn new(handler: &'a source::Handler, class: Class) -> Result<Bound<'a>, String> {
        let names = signature(class);
        if handler.args.len() > names.len() {
            let most = names.len();
            return Err(format!("{} arguments, at most {most} are known", handler.args.len()));
        }
        let mut arguments: Vec<(&str, &Value)> = names.iter().copied().zip(&handler.args).collect();
        for (name, value) in &handler.kwargs {
            if !names.contains(&name.as_str()) {
                return Err(format!("it takes no argument {name:?}"));
            }
            if arguments.iter().any(|(known, _)| known == name) {
                return Err(format!("the argument {name:?} is there twice"));
            }
            arguments.push((name, value));
        }
        Ok(Bound { at: &handler.args_at, arguments })
    }

    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.arguments.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// A number; what is none is noted and is as if it were not there.
    pub fn number(&self, name: &str, default: i128, notes: &mut Notes) -> i128 {
        match self.get(name) {
            None => default,
            Some(Value::Integer(number)) => *number,
            Some(Value::Bool(truth)) => (*truth).into(),
            Some(Value::Float(number)) if number.fract() == 0.0 => *number as i128,
            Some(other) => {
                notes
                    .lost(self.at, format_args!("{name}={} is no number; {default} is taken", other.shown()));
                default
            }
        }
    }

    /// A truth, which is false if it is not there.
    pub fn flag(&self, name: &str, notes: &mut Notes) -> bool {
        match self.get(name) {
            None | Some(Value::None) => false,
            Some(Value::Bool(truth)) => *truth,
            Some(Value::Integer(number)) => *number != 0,
            Some(other) => {
                notes.lost(
                    self.at,
                    format_args!("{name}={} is neither true nor false; false is taken", other.shown()),
                );
                false
            }
        }
    }
}

/// What a handler is instead.
enum Counterpart {
    Ours(Output),
    /// Others, by their names.
    Others(Vec<String>),
}

pub fn convert(source: &Source, formatters: &Formatters, notes: &mut Notes) -> Handlers {
    let mut all = Handlers { handlers: Vec::new(), names: Vec::new() };
    let mut others = Vec::new();
    for handler in &source.handlers {
        match counterpart(handler, notes) {
            Ok(Counterpart::Ours(output)) => {
                let level = source::level(handler.level.as_ref(), &handler.at, notes);
                let ours = Handler {
                    name: handler.name.clone(),
                    level: level.unwrap_or(Level::from_number(0)),
                    formatter: formatters.of(handler.formatter.as_deref()),
                    output,
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
                    format_args!("{:?} hands records on to {name:?}, which has no counterpart", handler.name),
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
        let at = At { line: None, place: "[handlers]".to_owned() };
        notes.lost(&at, "no handler has a counterpart, so nothing is written; add one to the new file");
        all.handlers.push(nowhere());
    }
    all
}

/// A configuration has to have a handler.
fn nowhere() -> Handler {
    Handler {
        name: "nowhere".to_owned(),
        level: Level::from_number(0),
        formatter: Formatter::default(),
        output: Output::Null,
    }
}

impl Handlers {
    /// Adds a handler. A file has one writer, so two handlers of one file become one.
    fn place(&mut self, handler: Handler, at: &At, notes: &mut Notes) -> Option<usize> {
        let path = |handler: &Handler| match &handler.output {
            Output::File(file) => Some(file.path.clone()),
            _ => None,
        };
        let same = |other: &Handler| path(other).is_some() && path(other) == path(&handler);
        if let Some(place) = self.handlers.iter().position(same) {
            let other = &self.handlers[place];
            let is_same = Handler { name: String::new(), ..other.clone() }
                == Handler { name: String::new(), ..handler };
            let what = format!("it writes to the same file as {:?}, which takes its place", other.name);
            if is_same {
                notes.hint(at, what);
            } else {
                notes.lost(at, format_args!("{what}, with its level, format and rotation"));
            }
            return Some(place);
        }
        if self.handlers.len() == HANDLERS_MAX {
            notes.lost(
                at,
                format_args!("there may be {HANDLERS_MAX} handlers; {:?} is left out", handler.name),
            );
            return None;
        }
        self.handlers.push(handler);
        Some(self.handlers.len() - 1)
    }
}

/// The level of one that hands records on counts, and in Python those of the others do not.
fn note_levels(handler: &source::Handler, target: &str, source: &Source, notes: &mut Notes) {
    let respects = handler
        .kwargs
        .iter()
        .any(|(name, value)| name == "respect_handler_level" && *value == Value::Bool(true));
    let target = source.handlers.iter().find(|other| other.name == target);
    let level = |handler: &source::Handler| handler.level.clone().filter(|level| *level != Value::None);
    let Some(target) = target.filter(|target| level(target) != level(handler) && !respects) else { return };
    notes.lost(
        &handler.at,
        format_args!(
            "the level of {:?} counts here, where in Python that of {:?} does for what goes through it",
            target.name, handler.name
        ),
    );
}

fn counterpart(handler: &source::Handler, notes: &mut Notes) -> Result<Counterpart, String> {
    let class = class(&handler.class).map_err(str::to_owned)?;
    if let Some(why) = &handler.unknown_args {
        return match class {
            Class::Queue => Err(handed_on_by_the_program()),
            Class::Null => Ok(Counterpart::Ours(Output::Null)),
            _ => Err(why.clone()),
        };
    }
    if class == Class::Queue {
        return queue(handler, notes);
    }
    let bound = Bound::new(handler, class)?;
    let at = &handler.args_at;
    Ok(Counterpart::Ours(match class {
        Class::Null => Output::Null,
        Class::Stream => Output::Console { stream: stream(bound.get("stream"))?, color: Color::Never },
        Class::File | Class::WatchedFile => Output::File(file(&bound, Rotation::default(), notes)?),
        Class::RotatingFile => Output::File(file(&bound, rotation::by_size(&bound, at, notes), notes)?),
        Class::TimedRotatingFile => Output::File(file(&bound, rotation::by_time(&bound, at, notes)?, notes)?),
        Class::Memory | Class::Queue => return memory(handler, &bound, notes),
    }))
}

fn stream(stream: Option<&Value>) -> Result<Stream, String> {
    match stream {
        None | Some(Value::None) => Ok(Stream::Stderr),
        Some(Value::Name(name)) if matches!(name.as_str(), "sys.stderr" | "sys.__stderr__") => {
            Ok(Stream::Stderr)
        }
        Some(Value::Name(name)) if matches!(name.as_str(), "sys.stdout" | "sys.__stdout__") => {
            Ok(Stream::Stdout)
        }
        Some(other) => Err(format!("its stream {} is neither sys.stdout nor sys.stderr", other.shown())),
    }
}

fn file(bound: &Bound<'_>, rotation: Rotation, notes: &mut Notes) -> Result<FileOutput, String> {
    let path = match bound.get("filename") {
        Some(Value::Text(path)) if !path.is_empty() && !path.contains('\0') => path,
        Some(other) => return Err(format!("its filename {} is none", other.shown())),
        None => return Err("it has no filename".to_owned()),
    };
    let mut output = FileOutput::new(path);
    match bound.get("mode") {
        // Python's own rule: what is rotated by size is never discarded.
        Some(Value::Text(mode)) if mode == "w" && bound.number("maxBytes", 0, notes) > 0 => {}
        Some(Value::Text(mode)) if mode == "w" => output.existing = Existing::Truncate,
        Some(Value::Text(mode)) if mode == "a" => {}
        Some(other) => notes.lost(
            bound.at,
            format_args!("mode={} has no counterpart; what the file holds stays", other.shown()),
        ),
        None => {}
    }
    match bound.get("encoding") {
        None | Some(Value::None) => {}
        Some(Value::Text(name)) if is_utf8(name) => {}
        Some(other) => {
            notes.lost(bound.at, format_args!("encoding={}; files are in UTF-8 here", other.shown()));
        }
    }
    if bound.get("errors").is_some_and(|errors| *errors != Value::None) {
        notes.hint(bound.at, "errors is not needed: everything can be written in UTF-8");
    }
    if bound.flag("delay", notes) {
        notes.hint(bound.at, "delay: the file is made when the writer starts, not with the first record");
    }
    output.rotation = rotation;
    Ok(output)
}

fn is_utf8(encoding: &str) -> bool {
    matches!(encoding.to_ascii_lowercase().replace('_', "-").as_str(), "utf-8" | "utf8" | "u8")
}

fn memory(handler: &source::Handler, bound: &Bound<'_>, notes: &mut Notes) -> Result<Counterpart, String> {
    match bound.get("target") {
        Some(Value::Text(target)) => {
            let what = format!("the ring is the buffer: records reach {target:?} as they come");
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

fn queue(handler: &source::Handler, notes: &mut Notes) -> Result<Counterpart, String> {
    let handlers = handler.kwargs.iter().find(|(name, _)| name == "handlers");
    let Some((_, Value::Items(names))) = handlers else { return Err(handed_on_by_the_program()) };
    let names = names.iter().map(|name| match name {
        Value::Text(name) => Ok(name.clone()),
        other => Err(format!("{} is no name of a handler", other.shown())),
    });
    let names = names.collect::<Result<Vec<_>, _>>()?;
    notes.hint(&handler.at, "the ring is the queue: its listener's handlers are taken");
    Ok(Counterpart::Others(names))
}
