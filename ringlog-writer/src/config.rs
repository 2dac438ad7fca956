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
mod model;
pub(crate) mod options;
pub(crate) mod setting;
pub(crate) mod settings;
mod shared_files;

mod diagnostics;
mod formatters;
mod handlers;
mod loggers;
mod read;
mod section;
mod syntax;

#[cfg(test)]
mod document;
mod file;
mod flags;
mod guarantee;
mod json;
pub(crate) mod links;
pub(crate) mod owners;
mod paths;
mod print;
mod quote;
mod schema;
mod targets;

pub use diagnostics::{ConfigErrors, Problem};
pub use file::ConfigFile;
pub(crate) use guarantee::{Guarantee, OutputKind};
pub(crate) use model::Place;
pub use model::{
    Color, Config, EVERYTHING, Formatter, HANDLERS_MAX, HandlerConfig, LoggerConfig, RINGS_MAX, SinkConfig,
    Stream,
};
pub use options::FileConfig;
pub use owners::{Group, Mode, Owner};
pub(crate) use paths::{canonical, checkpoint_path};
pub use read::Checked;
pub(crate) use targets::IRREGULAR;
