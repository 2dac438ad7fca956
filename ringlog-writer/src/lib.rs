//! The writer: takes records out of a ring, formats them, and persists them before their space is given
//! back to the producers.
//!
//! `drain → order → route → format → sink`: ringlog's consumer drains and orders; [`run`] is the loop that
//! carries entries through a [format](format::Format) into the one [sink](Out). What has been written is
//! acknowledged, and only that: a writer that is killed leaves the rest in the ring for the next one.
//!
//! A program starts one beside itself with [`spawn()`]; the daemon `ringlog-writer` and `ringlog writer` are
//! [`cli::main`].
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ringlog_writer::{Options, Out};
//!
//! let mut options = Options::new("app");
//! options.out = Out::File("app.log".into());
//! let writer = ringlog_writer::spawn(&options)?;
//! // … log …
//! writer.stop()?; // drains what has been published
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// In reading order.
pub mod cli;
pub mod config;
mod error;
pub mod format;
#[cfg(fuzzing)]
pub mod fuzzing;
mod pipeline;
pub mod rotation;
mod sink;
mod spawn;

pub use config::options::{Existing, FormatKind, Fsync, Newlines, Options, Out, UnknownName};
pub use error::Error;
pub use pipeline::{ConfigFile, Events, Signals, StandardError, Summary, run, run_config, run_with};
pub use spawn::{Child, spawn, spawn_program};
