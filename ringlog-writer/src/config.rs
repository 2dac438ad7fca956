//! The configuration: rings, loggers, handlers and formatters.
//!
//! The terms are those of Python's `logging`; the file is TOML. docs/configuration.md lists every key.
//!
//! ```
//! use std::path::Path;
//!
//! use ringlog_writer::config::Config;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = "handlers.console.kind = \"console\"\nroot.handlers = [\"console\"]\n";
//! let checked = Config::parse(text, Path::new("ringlog.toml"))?; // or Config::read, for a file
//! assert!(checked.warnings.is_empty() && checked.check_targets().is_empty());
//! assert_eq!(checked.config.handlers[0].name, "console");
//!
//! let errors = Config::parse("hanlders = {}", Path::new("ringlog.toml")).unwrap_err();
//! assert!(errors.to_string().contains("ringlog.toml:1:1: unknown key \"hanlders\"; did you mean \"handlers\"?"));
//! # Ok(())
//! # }
//! ```

// In reading order.
mod formatter_settings;
mod general;
mod model;
pub(crate) mod options;
pub(crate) mod settings;

mod formatters;
mod handlers;
mod loggers;
mod read;

#[cfg(test)]
mod document;
mod file;
pub(crate) mod flags;
mod guarantee;
mod json;
mod print;
mod schema;
#[cfg(test)]
pub(crate) mod settings_tests;
mod targets;

pub use crate::setting::diagnostics::{ConfigErrors, Problem};
pub use crate::sink::{Color, ConsoleConfig, FileConfig, Group, Mode, NullConfig, Owner, SinkConfig, Stream};
pub use file::ConfigFile;
pub use general::General;
pub use model::{Config, EVERYTHING, Formatter, HANDLERS_MAX, HandlerConfig, LoggerConfig, RINGS_MAX};
pub use read::Checked;
