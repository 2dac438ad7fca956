//! Configurations of Python's `logging`, made ours: what `ringlog import` does, without files.
//!
//! `file_config` and `dict_config` read the two ways in which they are written, into one `Source`; `formatters`, `handlers` and
//! `loggers` find the counterparts. What has none becomes a [`Note`]. Nothing is guessed.

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

/// A configuration made ours, and what got lost.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What has a counterpart.
    pub config: Config,
    /// What has none, and what is to be known.
    pub notes: Vec<Note>,
}

impl Imported {
    /// Whether all has a counterpart.
    pub fn is_complete(&self) -> bool {
        self.notes.iter().all(|note| note.kind == Kind::Hint)
    }
}

/// Something that the new configuration does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it is in the old one.
    pub at: At,
    /// What it is and why, in words.
    pub what: String,
    /// How much it matters.
    pub kind: Kind,
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something has no counterpart.
    Lost,
    /// All is there, but it is to be known.
    Hint,
}

/// A place in a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// Counts from 1.
    pub line: Option<usize>,
    /// `[handler_file]`, or `handlers.file`.
    pub place: String,
}

/// The notes so far.
#[derive(Default)]
struct Notes(Vec<Note>);

impl Notes {
    fn lost(&mut self, at: &At, what: impl fmt::Display) {
        self.0.push(Note { at: at.clone(), what: what.to_string(), kind: Kind::Lost });
    }

    fn hint(&mut self, at: &At, what: impl fmt::Display) {
        self.0.push(Note { at: at.clone(), what: what.to_string(), kind: Kind::Hint });
    }
}

/// Why a text is no configuration of Python's `logging`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Counts from 1.
    pub line: Option<usize>,
    /// In words.
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

/// Makes a configuration of `fileConfig`, or of `dictConfig` in JSON, ours. `defines` are the `defaults` that the
/// program gives to `fileConfig`.
///
/// # Errors
/// [`Unreadable`], if it is neither.
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
    } else {
        file_config::read(text, defines, &mut notes)?
    };
    let formatters = formatters::convert(&source, &mut notes);
    let handlers = handlers::convert(&source, &formatters, &mut notes);
    let loggers = loggers::convert(&source, &handlers, &mut notes);
    // What is of no line comes last.
    notes.0.sort_by_key(|note| (note.at.line.is_none(), note.at.line));
    let config = Config { rings: Vec::new(), grace: None, handlers: handlers.handlers, loggers };
    Ok(Imported { config, notes: notes.0 })
}
