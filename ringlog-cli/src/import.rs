//! Conversion of configurations of Python's `logging` to ringlog's, on text in memory.
//!
//! `file_config` and `dict_config` read the two forms of a Python configuration into one `PythonConfig`. `formatters`,
//! `handlers` and `loggers` find the counterparts. Each part without a counterpart becomes a [`Note`]; nothing is
//! guessed.

// In reading order.
mod python_config;

mod dict_config;
mod expression;
mod file_config;
mod ini;
mod json;

mod arguments;
mod formatters;
mod handler_class;
mod handlers;
mod loggers;
mod rotation;
mod style;

use std::fmt;

use ringlog_writer::config::Config;

use python_config::PythonConfig;

/// A converted configuration, with notes on what could not be converted.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The parts that have a counterpart.
    pub config: Config,
    /// The parts that have none, and differences that the user should know.
    pub notes: Vec<Note>,
}

impl Imported {
    /// Whether every part has a counterpart.
    pub fn is_complete(&self) -> bool {
        self.notes.iter().all(|note| note.kind == NoteKind::Hint)
    }
}

/// A difference between the Python configuration and the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its place in the Python configuration.
    pub at: ConfigPlace,
    /// What differs, and why.
    pub what: String,
    /// Whether something is lost.
    pub kind: NoteKind,
}

/// The weight of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// A part has no counterpart.
    Lost,
    /// Nothing is lost, but the user should know the difference.
    Hint,
}

/// A place in a Python configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigPlace {
    /// The line, counted from 1; `None` in a dictionary.
    pub line: Option<usize>,
    /// `[handler_file]`, or `handlers.file`.
    pub place: String,
}

/// The notes collected so far.
#[derive(Default)]
struct Notes {
    notes: Vec<Note>,
    /// The first part that Python refuses, with its reason.
    refused: Option<Unreadable>,
}

impl Notes {
    /// Notes that Python refuses the file for this part.
    fn refuse(&mut self, at: &ConfigPlace, why: impl fmt::Display) {
        let what = format!("{}: {why}; Python refuses that", at.place);
        self.refused.get_or_insert(Unreadable { line: at.line, what });
    }

    fn lost(&mut self, at: &ConfigPlace, what: impl fmt::Display) {
        self.notes.push(Note { at: at.clone(), what: what.to_string(), kind: NoteKind::Lost });
    }

    fn hint(&mut self, at: &ConfigPlace, what: impl fmt::Display) {
        self.notes.push(Note { at: at.clone(), what: what.to_string(), kind: NoteKind::Hint });
    }
}

/// The reason why a text is not a configuration of Python's `logging`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// The reason.
    pub what: String,
}

impl Unreadable {
    fn at(line: usize, what: impl Into<String>) -> Unreadable {
        Unreadable { line: Some(line), what: what.into() }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Converts a configuration of `fileConfig`, or one of `dictConfig` in JSON. `defines` are the `defaults` that the
/// program gives to `fileConfig`.
///
/// # Errors
/// [`Unreadable`] if the text is neither, or if Python would refuse it.
pub fn import(bytes: &[u8], defines: &[(String, String)]) -> Result<Imported, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Unreadable::at(line, "this is not UTF-8; save the file as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut notes = Notes::default();
    let source: PythonConfig = if text.trim_start().starts_with('{') {
        dict_config::read(text, &mut notes)?
    } else if serde_json::from_str::<Vec<serde_json::Value>>(text).is_ok() {
        let what = "this is a JSON array; expected an object, whose \"version\" is 1";
        return Err(Unreadable { line: None, what: what.to_owned() });
    } else {
        // Lines end as Python reads them.
        let text = &text.replace("\r\n", "\n").replace('\r', "\n");
        file_config::read(text, defines, &mut notes)?
    };
    let formatters = formatters::convert(&source, &mut notes);
    let handlers = handlers::convert(&source, &formatters, &mut notes);
    let loggers = loggers::convert(&source, &handlers, &mut notes);
    if let Some(refused) = notes.refused {
        return Err(refused);
    }
    // Notes without a line come last.
    notes.notes.sort_by_key(|note| (note.at.line.is_none(), note.at.line));
    let config = Config { handlers: handlers.handlers, loggers, ..Config::empty() };
    Ok(Imported { config, notes: notes.notes })
}
