//! Conversion of formatters.

use jiff::tz::TimeZone;
use ringlog_writer::Newlines;
use ringlog_writer::config::Formatter;
use ringlog_writer::format::Pattern;
use ringlog_writer::rotation::Zone;

use super::python_config::{PythonConfig, PythonFormatter};
use super::{ConfigPlace, Notes, style};

/// Python's format for a handler without a formatter, or a formatter without a format.
const MESSAGE: &str = "%(message)s";

/// Attributes of Python's records that ringlog's records do not have.
const UNKNOWN: &[&str] = &["args", "msg", "exc_text", "stack_info"];

/// The converted formatters by name, in the order of the source.
pub struct Formatters(Vec<(String, Formatter)>);

impl Formatters {
    /// Returns the formatter of this name; for `None`, Python's default.
    pub fn of(&self, name: Option<&str>) -> Formatter {
        let named = self.0.iter().find(|(known, _)| Some(known.as_str()) == name);
        named.map_or_else(|| pattern(MESSAGE.to_owned(), None), |(_, formatter)| formatter.clone())
    }
}

pub fn convert(source: &PythonConfig, notes: &mut Notes) -> Formatters {
    let convert = |formatter| (formatter_name(formatter), one(formatter, notes));
    Formatters(source.formatters.iter().map(convert).collect())
}

fn formatter_name(formatter: &PythonFormatter) -> String {
    formatter.name.clone()
}

/// Makes a pattern that writes as Python does: in local time, with newlines as they are.
fn pattern(pattern: String, date: Option<String>) -> Formatter {
    let zone = "local".parse::<Zone>().unwrap_or_default();
    Formatter::Pattern { pattern, date, zone, newlines: Newlines::Raw }
}

fn one(formatter: &PythonFormatter, notes: &mut Notes) -> Formatter {
    let at = &formatter.at;
    match formatter.class.as_deref() {
        None | Some("logging.Formatter") => {}
        Some(class) if class.starts_with("pythonjsonlogger.") => {
            notes.lost(at, format_args!("{class}: lines are JSON objects here too, but with other keys"));
            return Formatter::Json;
        }
        Some(class) => {
            notes.lost(at, format_args!("the class {class} is Python code; its format is taken as it is"));
        }
    }
    // What another class does with them is its code's.
    let is_python_s = matches!(formatter.class.as_deref(), None | Some("logging.Formatter"));
    let style = formatter.style.as_deref().unwrap_or("%");
    if is_python_s && !matches!(style, "%" | "{" | "$") {
        notes.refuse(at, format_args!("the style is {style:?}, not %, {{ or $"));
    }
    let given = formatter.format.as_deref().filter(|format| !format.is_empty());
    if let Some(format) = given.filter(|format| style == "%" && !has_field(format))
        && is_python_s
        && formatter.is_validated
    {
        notes.refuse(at, format_args!("the format {format:?} has no field such as %(message)s"));
    }
    let translated = match (style, given) {
        (_, None) => Ok(MESSAGE.to_owned()),
        ("%", Some(format)) => Ok(format.to_owned()),
        ("{", Some(format)) => style::from_braces(format),
        ("$", Some(format)) => style::from_dollars(format),
        (style, _) => Err(format!("the style {style:?} is not %, {{ or $")),
    };
    let format = translated.and_then(|format| check(&format, None).map(|()| format));
    let format = match format {
        Ok(format) => format,
        Err(why) => {
            notes.lost(
                at,
                format_args!(
                    "the format {:?}: {why}; lines are written in ringlog's text format",
                    given.unwrap_or_default()
                ),
            );
            return Formatter::Text { newlines: Newlines::Raw, ids: false };
        }
    };
    note_attributes(&format, at, notes);
    let date = formatter.date.clone().filter(|date| !date.is_empty());
    match date.as_deref().map(|date| check(MESSAGE, Some(date))) {
        Some(Err(why)) => {
            notes.lost(
                at,
                format_args!(
                    "datefmt {:?}: {why}; times are written in the default form",
                    date.unwrap_or_default()
                ),
            );
            pattern(format, None)
        }
        _ => pattern(format, date),
    }
}

/// Whether Python finds a field of a record in the format: `%(name)`, flags, width, precision and a letter.
fn has_field(format: &str) -> bool {
    // Python does not mind the case.
    let format = &format.to_ascii_lowercase();
    let is_field = |(at, _): (usize, &str)| {
        let Some((name, behind)) = format[at + 2..].split_once(')') else { return false };
        let number = |text: &'_ str| -> usize {
            if text.starts_with('*') { 1 } else { text.bytes().take_while(u8::is_ascii_digit).count() }
        };
        let behind = behind.trim_start_matches(['#', '0', '+', ' ', '-']);
        let behind = &behind[number(behind)..];
        let behind = match behind.strip_prefix('.') {
            Some(precision) if number(precision) > 0 => &precision[number(precision)..],
            _ => behind,
        };
        let is_word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        is_word && behind.starts_with(|c| "diouxefgcrsa%".contains(c))
    };
    format.match_indices("%(").any(is_field)
}

fn check(pattern: &str, date: Option<&str>) -> Result<(), String> {
    let read = Pattern::new(pattern, date, TimeZone::UTC, Newlines::Raw);
    if read.as_ref().is_ok_and(|read| !pattern.is_empty() && read.shows_nothing()) {
        return Err("it shows nothing of a record".to_owned());
    }
    read.map(|_| ()).map_err(|problem| {
        format!("at character {}, {problem}", {
            let text = if problem.is_in_date() { date.unwrap_or_default() } else { pattern };
            text.get(..problem.at()).map_or(1, |before| before.chars().count() + 1)
        })
    })
}

fn note_attributes(format: &str, at: &ConfigPlace, notes: &mut Notes) {
    for name in UNKNOWN.iter().filter(|name| format.contains(&format!("%({name})"))) {
        notes.lost(
            at,
            format_args!(
                "%({name}) is unknown here, so it is empty unless records have a field of that name"
            ),
        );
    }
    if format.contains("%(exc_info)") {
        notes.lost(at, "%(exc_info) is the error's text here, where Python writes a tuple");
    }
}
