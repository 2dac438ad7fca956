//! A configuration of Python's `logging`, independent of the form in which it was written.

use ringlog::Level;

use super::expression::PythonValue;
use super::{ConfigPlace, Notes};

/// A whole configuration.
#[derive(Debug, Default)]
pub struct PythonConfig {
    pub formatters: Vec<PythonFormatter>,
    pub handlers: Vec<PythonHandler>,
    /// In the order in which Python applies them: a later entry for the same logger replaces an earlier one.
    pub loggers: Vec<PythonLogger>,
}

/// A formatter.
#[derive(Debug, Default)]
pub struct PythonFormatter {
    pub name: String,
    pub at: ConfigPlace,
    pub format: Option<String>,
    pub date: Option<String>,
    /// `%` if `None`.
    pub style: Option<String>,
    /// Whether Python looks for a field in the format.
    pub is_validated: bool,
    /// The class, or the factory under `()`.
    pub class: Option<String>,
}

/// A handler.
#[derive(Debug, Default)]
pub struct PythonHandler {
    pub name: String,
    pub at: ConfigPlace,
    /// As written: `handlers.RotatingFileHandler`, `logging.FileHandler`.
    pub class: String,
    pub level: Option<PythonValue>,
    pub formatter: Option<String>,
    /// The positional arguments.
    pub args: Vec<PythonValue>,
    pub kwargs: Vec<(String, PythonValue)>,
    /// The place of the arguments.
    pub args_at: ConfigPlace,
    /// The reason why the file alone does not tell the arguments, if so.
    pub unknown_args: Option<String>,
}

/// A logger.
#[derive(Debug, Default)]
pub struct PythonLogger {
    /// Empty for the root.
    pub name: String,
    pub at: ConfigPlace,
    pub level: Option<PythonValue>,
    pub handlers: Vec<String>,
    pub propagate: bool,
}

/// The name under which Python returns the root logger.
const ROOT: &str = "root";

/// Converts a logger's name. The root's name is empty.
pub fn logger_name(name: &str) -> String {
    if name == ROOT { String::new() } else { name.to_owned() }
}

/// Converts a level; `NOTSET` is 0. A level that is unknown is noted and gives `None`.
pub fn level(value: Option<&PythonValue>, at: &ConfigPlace, notes: &mut Notes) -> Option<Level> {
    let number = match value? {
        PythonValue::None => return None,
        PythonValue::Integer(number) => *number,
        PythonValue::Text(name) => match name.as_str() {
            "NOTSET" => 0,
            // Python's names, case-sensitive as there, and ringlog's TRACE.
            "TRACE" | "DEBUG" | "INFO" | "WARN" | "WARNING" | "ERROR" | "CRITICAL" | "FATAL" => {
                return name.parse().ok();
            }
            _ => {
                notes.lost(
                    at,
                    format_args!(
                        "the level {name:?} is not one of Python's own, so its number is unknown; write the number \
                         of addLevelName into the new file"
                    ),
                );
                return None;
            }
        },
        other => {
            notes.lost(at, format_args!("{} is not a level", other.shown()));
            return None;
        }
    };
    let level = number.clamp(0, u8::MAX.into());
    if level != number {
        notes.lost(
            at,
            format_args!("the level {number} is outside of the range from 0 to 255; {level} is taken"),
        );
    }
    Some(Level::from_number(level as u8))
}
