//! What a configuration of Python's `logging` says, whichever way it is written.

use ringlog::Level;

use super::expression::PythonValue;
use super::{At, Notes};

/// All of it.
#[derive(Debug, Default)]
pub struct PythonConfig {
    pub formatters: Vec<PythonFormatter>,
    pub handlers: Vec<PythonHandler>,
    /// In the order in which Python applies them: what a later one says of the same logger counts.
    pub loggers: Vec<PythonLogger>,
}

/// A formatter.
#[derive(Debug, Default)]
pub struct PythonFormatter {
    pub name: String,
    pub at: At,
    pub format: Option<String>,
    pub date: Option<String>,
    /// `%` if `None`.
    pub style: Option<String>,
    /// The class, or the factory under `()`.
    pub class: Option<String>,
}

/// A handler.
#[derive(Debug, Default)]
pub struct PythonHandler {
    pub name: String,
    pub at: At,
    /// As it is written: `handlers.RotatingFileHandler`, `logging.FileHandler`.
    pub class: String,
    pub level: Option<PythonValue>,
    pub formatter: Option<String>,
    /// What stands before the names.
    pub args: Vec<PythonValue>,
    pub kwargs: Vec<(String, PythonValue)>,
    /// Where the arguments are.
    pub args_at: At,
    /// Why they cannot be known, if so.
    pub unknown_args: Option<String>,
}

/// A logger.
#[derive(Debug, Default)]
pub struct PythonLogger {
    /// Empty for the root.
    pub name: String,
    pub at: At,
    pub level: Option<PythonValue>,
    pub handlers: Vec<String>,
    pub propagate: bool,
}

/// The name of the root, for who asks for a logger.
const ROOT: &str = "root";

/// A logger's name as ours: the root's is empty.
pub fn logger_name(name: &str) -> String {
    if name == ROOT { String::new() } else { name.to_owned() }
}

/// What a level says; 0 for `NOTSET`. `None` also if nobody knows, which is noted.
pub fn level(value: Option<&PythonValue>, at: &At, notes: &mut Notes) -> Option<Level> {
    let number = match value? {
        PythonValue::None => return None,
        PythonValue::Integer(number) => *number,
        PythonValue::Text(name) => match name.as_str() {
            "NOTSET" => 0,
            // By these exact names, as Python has them, and the one that we have more.
            "TRACE" | "DEBUG" | "INFO" | "WARN" | "WARNING" | "ERROR" | "CRITICAL" | "FATAL" => {
                return name.parse().ok();
            }
            _ => {
                notes.lost(
                    at,
                    format_args!(
                        "the level {name:?} is none of Python's own, so its number is not known; write the number \
                         of addLevelName into the new file"
                    ),
                );
                return None;
            }
        },
        other => {
            notes.lost(at, format_args!("{} is no level", other.shown()));
            return None;
        }
    };
    let level = number.clamp(0, u8::MAX.into());
    if level != number {
        notes
            .lost(at, format_args!("the level {number} is out of the range from 0 to 255; {level} is taken"));
    }
    Some(Level::from_number(level as u8))
}
