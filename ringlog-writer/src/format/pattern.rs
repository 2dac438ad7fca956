//! Lines by a pattern, as Python's `logging.Formatter` writes them: `%(asctime)s %(levelname)-8s %(message)s`.

mod asctime;
mod date;
mod own;
mod parse;
mod percent;
mod problem;

use jiff::tz::TimeZone;
use ringlog::Level;
use ringlog::reader::{Body, Entry, Received};
use ringlog::schema::Value;

use super::kind::Newlines;
use super::traits::{Format, RingIdentity};
use super::{escape, number, text};
use asctime::Asctime;
use own::Own;
use parse::{Attribute, Piece};
use percent::Argument;

pub use problem::PatternError;

const NS_PER_S: u64 = 1_000_000_000;
/// The pattern of a formatter without one.
const MESSAGE: &str = "%(message)s";

/// A pattern with every attribute of Python's `LogRecord`, and any field of the record by its name; a field that a
/// record does not have is empty. Errors follow the line in lines of their own, as a traceback does, unless the
/// pattern has `%(exc_info)s`. If newlines are escaped, they follow within the line.
#[derive(Clone, Debug)]
pub struct Pattern {
    pieces: Vec<Piece>,
    newlines: Newlines,
    has_time: bool,
    has_error: bool,
    /// The start of `relativeCreated`.
    since_ns: u64,
    source: Option<RingIdentity>,
    asctime: Asctime,
    /// Scratch memory for messages.
    scratch: Vec<u8>,
    message: Vec<u8>,
    /// Scratch memory for an attribute's text.
    value: Vec<u8>,
}

/// The values of the attributes for one entry.
struct PatternValues<'a> {
    level: Level,
    logger: &'a str,
    file: &'a str,
    line: u32,
    function: &'a str,
    message: &'a [u8],
    record: Option<&'a Received<'a>>,
    own: Own<'a>,
}

impl Pattern {
    /// A format with this pattern, and this date format and time zone for `asctime`. An empty pattern means
    /// `%(message)s`; an empty date format means the default one, which has milliseconds.
    ///
    /// # Errors
    /// [`PatternError`], with its offset in the pattern or in the date format.
    pub fn new(
        pattern: &str,
        date: Option<&str>,
        zone: TimeZone,
        newlines: Newlines,
    ) -> Result<Pattern, PatternError> {
        let pieces = parse::parse(if pattern.is_empty() { MESSAGE } else { pattern })?;
        let has = |wanted: &Attribute| {
            pieces.iter().any(|piece| matches!(piece, Piece::Value(attribute, _) if attribute == wanted))
        };
        Ok(Pattern {
            has_time: has(&Attribute::Ascii),
            has_error: has(&Attribute::Error),
            pieces,
            newlines,
            since_ns: 0,
            source: None,
            asctime: Asctime::new(date, zone)?,
            scratch: Vec::new(),
            message: Vec::new(),
            value: Vec::new(),
        })
    }

    /// For this ring: `relativeCreated` is counted from when it was made on, and `ring` and `uuid` are its own.
    #[must_use]
    pub fn of_ring(self, source: &RingIdentity) -> Pattern {
        Pattern { source: Some(source.clone()), since_ns: source.created_unix_ns, ..self }
    }

    /// Whether the pattern has no attributes, so that every line would be the same.
    pub fn shows_nothing(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Literal(_)))
    }

    /// Fields with a name similar to an attribute, each with that attribute.
    pub(crate) fn likely_mistakes(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(Attribute::Field(field), _) => Some((field.as_str(), Attribute::meant(field)?)),
            _ => None,
        })
    }

    fn write(&mut self, entry: &Entry<'_>, line: &PatternValues<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        if self.has_time {
            self.asctime.set(line.own.unix_ns().unwrap_or(entry.unix_ns));
        }
        let mut value = std::mem::take(&mut self.value);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Value(attribute, spec) => {
                    value.clear();
                    spec.write(self.argument(attribute, entry, line, &mut value), out);
                }
            }
        }
        self.value = value;
        if let Some(record) = line.record.filter(|_| !self.has_error) {
            for (_, value) in record.extra_fields() {
                if let Value::Error(text) = value {
                    self.begin_error(start, out);
                    escape::message_with_tabs(text, self.newlines, out);
                }
            }
        }
        out.push(b'\n');
    }

    /// Begins the line of an error, unless the text since `start` ends with a newline already.
    fn begin_error(&self, start: usize, out: &mut Vec<u8>) {
        if self.newlines != Newlines::Raw || out.len() == start || out.last() != Some(&b'\n') {
            escape::message(b"\n", self.newlines, out);
        }
    }

    /// The value of an attribute. `scratch` is memory for texts that have to be built.
    fn argument<'b>(
        &'b self,
        attribute: &Attribute,
        entry: &'b Entry<'_>,
        line: &'b PatternValues<'_>,
        scratch: &'b mut Vec<u8>,
    ) -> Argument<'b> {
        let origin = entry.origin;
        let file_name = || line.file.rsplit_once('/').map_or(line.file, |(_, name)| name);
        // A record that brings attributes along is not from here, and says what it knows of its place.
        let is_unknown = |text: &str| text.is_empty() && line.own.is_empty();
        let file = |text: &'b str| if is_unknown(line.file) { "(unknown file)" } else { text };
        let name = |text: &str, scratch: &'b mut Vec<u8>| {
            escape::name(text.as_bytes(), scratch);
            Argument::Text(scratch)
        };
        if let Some(value) = line.own.get(attribute) {
            return field(value, Newlines::Escape, scratch);
        }
        match attribute {
            Attribute::Name => name(if line.logger.is_empty() { "root" } else { line.logger }, scratch),
            Attribute::LevelNumber => Argument::Integer(line.level.number().into()),
            Attribute::LevelName => {
                level_name(line.level, scratch);
                Argument::Text(scratch)
            }
            Attribute::PathName => name(file(line.file), scratch),
            Attribute::FileName => name(file(file_name()), scratch),
            Attribute::Module => name(file(stem(file_name())), scratch),
            Attribute::Function if is_unknown(line.function) => Argument::Text(b"(unknown function)"),
            Attribute::Function => name(line.function, scratch),
            Attribute::Line => Argument::Integer(line.line.into()),
            Attribute::Created => Argument::Float(entry.unix_ns as f64 / NS_PER_S as f64),
            Attribute::Ascii => Argument::Text(self.asctime.text()),
            Attribute::Milliseconds => Argument::Float((entry.unix_ns % NS_PER_S / 1_000_000) as f64),
            Attribute::RelativeCreated => {
                let ns = i128::from(entry.unix_ns) - i128::from(self.since_ns);
                Argument::Float(ns as f64 / 1e6)
            }
            Attribute::Thread => Argument::Integer(origin.tid.into()),
            Attribute::ThreadName if origin.thread.is_empty() => Argument::Integer(origin.tid.into()),
            Attribute::ThreadName => name(&origin.thread, scratch),
            Attribute::Process => Argument::Integer(origin.pid.into()),
            Attribute::ProcessName => name(&origin.process, scratch),
            // As Python's outside of a task of `asyncio`.
            Attribute::TaskName => Argument::Text(b"None"),
            Attribute::Message => Argument::Text(line.message),
            Attribute::Error => {
                for (_, value) in line.record.iter().flat_map(|record| record.fields()) {
                    if let Value::Error(text) = value {
                        if !scratch.is_empty() {
                            escape::message(b"\n", self.newlines, scratch);
                        }
                        escape::message_with_tabs(text, self.newlines, scratch);
                    }
                }
                Argument::Text(scratch)
            }
            Attribute::Field(wanted) => {
                let mut fields = line.record.into_iter().flat_map(|record| record.fields());
                match fields.find(|(field, _)| field == wanted) {
                    Some((_, value)) => field(&value, self.newlines, scratch),
                    None => self.own(wanted, entry, line),
                }
            }
        }
    }
}

impl Pattern {
    /// A part of the record's id, for a name that no field of the record has.
    fn own<'b>(&'b self, wanted: &str, entry: &Entry<'_>, line: &PatternValues<'_>) -> Argument<'b> {
        let ring = self.source.as_ref();
        let text = |text: Option<&'b String>| Argument::Text(text.map_or(b"", |text| text.as_bytes()));
        match wanted {
            "ring" => text(ring.map(|ring| &ring.name)),
            "uuid" => text(ring.map(|ring| &ring.uuid)),
            "lane" => Argument::Integer(entry.origin.lane.into()),
            "incarnation" => Argument::Integer(entry.origin.incarnation.into()),
            "sequence" => match line.record {
                Some(record) => Argument::Integer(record.sequence.into()),
                None => text(None),
            },
            _ => text(None),
        }
    }
}

impl Format for Pattern {
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let mut message = std::mem::take(&mut self.message);
        message.clear();
        match &entry.body {
            Body::Record(record) => {
                let mut scratch = std::mem::take(&mut self.scratch);
                if let Some(text) = record.text_in(&mut scratch) {
                    escape::message_with_tabs(text, self.newlines, &mut message);
                } else {
                    // A typed record's message is its fields; errors follow in any case.
                    text::fields(record, b"", Newlines::Raw, &mut message);
                }
                self.scratch = scratch;
                if record.cut {
                    message.extend_from_slice(b" [cut]");
                }
                let Received { level, logger, file, line, function, .. } = *record;
                let line = PatternValues {
                    level,
                    logger,
                    file,
                    line,
                    function,
                    message: &message,
                    record: Some(record),
                    own: Own::of(record),
                };
                self.write(entry, &line, out);
            }
            // Gaps, unclean exits, and entries of kinds that this version does not know.
            _ => {
                escape::message(entry.message().as_bytes(), Newlines::Escape, &mut message);
                let line = PatternValues {
                    level: entry.level(),
                    logger: "ringlog",
                    file: "",
                    line: 0,
                    function: "",
                    message: &message,
                    record: None,
                    own: Own::default(),
                };
                self.write(entry, &line, out);
            }
        }
        self.message = message;
    }
}

/// A file's name without its extension. Leading dots do not begin an extension.
fn stem(file_name: &str) -> &str {
    let dots = file_name.len() - file_name.trim_start_matches('.').len();
    file_name[dots..].rfind('.').map_or(file_name, |at| &file_name[..dots + at])
}

/// Appends a level's name as Python's `getLevelName`, with TRACE added by `addLevelName`.
fn level_name(level: Level, out: &mut Vec<u8>) {
    match level.name() {
        ("WARN", 0) => out.extend_from_slice(b"WARNING"),
        ("LEVEL", 0) => out.extend_from_slice(b"NOTSET"),
        (name, 0) => out.extend_from_slice(name.as_bytes()),
        _ => {
            out.extend_from_slice(b"Level ");
            number::integer(level.number(), out);
        }
    }
}

/// A field's value: numbers stay numbers.
fn field<'b>(value: &Value<'_>, newlines: Newlines, scratch: &'b mut Vec<u8>) -> Argument<'b> {
    match *value {
        Value::Bool(truth) => return Argument::Truth(truth),
        Value::U64(number) => return Argument::Integer(number.into()),
        Value::I64(number) => return Argument::Integer(number.into()),
        Value::I128(number) => return Argument::Integer(number),
        Value::F32(number) => return Argument::Float(number.into()),
        Value::F64(number) => return Argument::Float(number),
        Value::Text(text) | Value::Error(text) => escape::message_with_tabs(text, newlines, scratch),
        _ => escape::message_with_tabs(value.to_string().as_bytes(), newlines, scratch),
    }
    Argument::Text(scratch)
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod python;
#[cfg(test)]
mod tests;
