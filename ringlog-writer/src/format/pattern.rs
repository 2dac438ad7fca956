//! Lines by a pattern, as Python's `logging.Formatter` writes them: `%(asctime)s %(levelname)-8s %(message)s`.

mod parse;
mod percent;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use ringlog::{Body, Entry, Level, Received, Value};

use super::{Format, escape, put, text};
use crate::options::Newlines;
use parse::{Attribute, Piece};
use percent::Argument;

pub use parse::Problem;

const NS_PER_S: u64 = 1_000_000_000;
/// What `asctime` is without a date format of its own; milliseconds follow.
const DATE: &str = "%Y-%m-%d %H:%M:%S";

/// Every attribute of Python's `LogRecord`, and any field of the record by its name; a field that a record does not
/// have is empty. Errors follow the line, each on lines of its own, as a traceback does, unless the pattern has
/// `%(exc_info)s`.
#[derive(Clone, Debug)]
pub struct Pattern {
    pieces: Vec<Piece>,
    /// `None` for the default, which has milliseconds.
    date: Option<String>,
    zone: TimeZone,
    newlines: Newlines,
    has_error: bool,
    /// Where `relativeCreated` begins.
    since_ns: u64,
    /// The second that `asctime` stands for.
    second: u64,
    asctime: String,
    scratch: Vec<u8>,
    value: Vec<u8>,
}

/// What the attributes say of an entry.
struct Line<'a> {
    level: Level,
    logger: &'a str,
    file: &'a str,
    line: u32,
    function: &'a str,
    message: &'a [u8],
    record: Option<&'a Received<'a>>,
}

impl Pattern {
    /// A format by this pattern, and for `asctime` by this date format and zone.
    ///
    /// # Errors
    /// [`Problem`], with its place in the pattern.
    pub fn new(
        pattern: &str,
        date: Option<&str>,
        zone: TimeZone,
        newlines: Newlines,
    ) -> Result<Pattern, Problem> {
        let pieces = parse::parse(pattern)?;
        let has_error = pieces.iter().any(|piece| matches!(piece, Piece::Value(Attribute::Error, _)));
        Ok(Pattern {
            pieces,
            date: date.map(str::to_owned),
            zone,
            newlines,
            has_error,
            since_ns: 0,
            second: u64::MAX,
            asctime: String::new(),
            scratch: Vec::new(),
            value: Vec::new(),
        })
    }

    /// With `relativeCreated` counted from here on, in ns since 1970.
    #[must_use]
    pub fn since(self, since_ns: u64) -> Pattern {
        Pattern { since_ns, ..self }
    }

    /// Fields that are called much like an attribute, each with that one.
    pub(crate) fn likely_mistakes(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(Attribute::Field(field), _) => Some((field.as_str(), Attribute::meant(field)?)),
            _ => None,
        })
    }

    /// Keeps `asctime` for the entries of one second.
    fn set_time(&mut self, unix_ns: u64) {
        let second = unix_ns / NS_PER_S;
        if second != self.second {
            self.second = second;
            let at =
                Timestamp::from_second(second as i64).unwrap_or(Timestamp::MAX).to_zoned(self.zone.clone());
            let date = self.date.as_deref().unwrap_or(DATE);
            self.asctime = strtime::format(date, &at).unwrap_or_else(|_| date.to_owned());
        }
        if self.date.is_none() {
            // Behind the second's text, which has no comma.
            self.asctime.truncate(self.asctime.rfind(',').unwrap_or(self.asctime.len()));
            self.asctime.push_str(&format!(",{:03}", unix_ns % NS_PER_S / 1_000_000));
        }
    }

    fn write(&mut self, entry: &Entry<'_>, line: &Line<'_>, out: &mut Vec<u8>) {
        self.set_time(entry.unix_ns);
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
                    out.push(b'\n');
                    escape::message(text, self.newlines, out);
                }
            }
        }
        out.push(b'\n');
    }

    /// What an attribute says. Texts that are to be made are made in `scratch`.
    fn argument<'b>(
        &'b self,
        attribute: &Attribute,
        entry: &'b Entry<'_>,
        line: &'b Line<'_>,
        scratch: &'b mut Vec<u8>,
    ) -> Argument<'b> {
        let origin = entry.origin;
        let file_name = line.file.rsplit('/').next().unwrap_or(line.file);
        let known = |text: &'b str, unknown: &'static str| if text.is_empty() { unknown } else { text };
        let name = |text: &str, scratch: &'b mut Vec<u8>| {
            escape::name(text.as_bytes(), scratch);
            Argument::Text(scratch)
        };
        match attribute {
            Attribute::Name => name(known(line.logger, "root"), scratch),
            Attribute::LevelNumber => Argument::Integer(line.level.number().into()),
            Attribute::LevelName => {
                level_name(line.level, scratch);
                Argument::Text(scratch)
            }
            Attribute::PathName => name(known(line.file, "(unknown file)"), scratch),
            Attribute::FileName => name(known(file_name, "(unknown file)"), scratch),
            Attribute::Module => {
                let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
                name(known(stem, "(unknown file)"), scratch)
            }
            Attribute::Function => name(known(line.function, "(unknown function)"), scratch),
            Attribute::Line => Argument::Integer(line.line.into()),
            Attribute::Created => Argument::Float(entry.unix_ns as f64 / NS_PER_S as f64),
            Attribute::Ascii => Argument::Text(self.asctime.as_bytes()),
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
            Attribute::Message => Argument::Text(line.message),
            Attribute::Error => {
                for (_, value) in line.record.iter().flat_map(|record| record.fields()) {
                    if let Value::Error(text) = value {
                        escape::message(text, self.newlines, scratch);
                    }
                }
                Argument::Text(scratch)
            }
            Attribute::Field(wanted) => {
                let mut fields = line.record.into_iter().flat_map(|record| record.fields());
                match fields.find(|(field, _)| field == wanted) {
                    Some((_, value)) => field(&value, self.newlines, scratch),
                    None => Argument::Text(b""),
                }
            }
        }
    }
}

impl Format for Pattern {
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let mut message = Vec::new();
        match &entry.body {
            Body::Record(record) => {
                let mut scratch = std::mem::take(&mut self.scratch);
                if let Some(text) = record.text_in(&mut scratch) {
                    escape::message(text, self.newlines, &mut message);
                } else {
                    // A typed record says it all with its fields.
                    text::fields(record, b"", self.newlines, &mut message);
                }
                self.scratch = scratch;
                if record.cut {
                    message.extend_from_slice(b" [cut]");
                }
                let Received { level, logger, file, line, function, .. } = *record;
                let line =
                    Line { level, logger, file, line, function, message: &message, record: Some(record) };
                self.write(entry, &line, out);
            }
            // Gaps, deaths, and what this version does not know.
            _ => {
                escape::message(entry.message().as_bytes(), Newlines::Escape, &mut message);
                let line = Line {
                    level: Level::WARN,
                    logger: "ringlog",
                    file: "",
                    line: 0,
                    function: "",
                    message: &message,
                    record: None,
                };
                self.write(entry, &line, out);
            }
        }
    }
}

/// As Python's `getLevelName`.
fn level_name(level: Level, out: &mut Vec<u8>) {
    match level.name() {
        ("WARN", 0) => out.extend_from_slice(b"WARNING"),
        (name, 0) if name != "LEVEL" => out.extend_from_slice(name.as_bytes()),
        _ => put(out, format_args!("Level {}", level.number())),
    }
}

/// A field's value: numbers stay numbers.
fn field<'b>(value: &Value<'_>, newlines: Newlines, scratch: &'b mut Vec<u8>) -> Argument<'b> {
    match *value {
        Value::U64(number) => return Argument::Integer(number.into()),
        Value::I64(number) => return Argument::Integer(number.into()),
        Value::I128(number) => return Argument::Integer(number),
        Value::F32(number) => return Argument::Float(number.into()),
        Value::F64(number) => return Argument::Float(number),
        Value::Text(text) | Value::Error(text) => escape::message(text, newlines, scratch),
        _ => escape::message(value.to_string().as_bytes(), newlines, scratch),
    }
    Argument::Text(scratch)
}
