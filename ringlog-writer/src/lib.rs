//! The writer: takes records out of a ring, formats them, and persists them before their space is given
//! back to the producers.
//!
//! `drain → order → route → format → sink`: ringlog's consumer drains and orders; [`run`] is the loop that
//! formats entries by a [format](format::Format) and writes them to the file or stream named by [`Out`]. Only records
//! that are written are acknowledged: when a writer is killed, the rest stays in the ring for the next one.
//!
//! A program starts a writer as a child process with [`spawn()`]. The daemon `ringlog-writer` and `ringlog writer` are
//! [`cli::main`].
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ringlog_writer::{Options, Out};
//!
//! let mut options = Options::new("app");
//! options.out = Out::file("app.log");
//! let writer = ringlog_writer::spawn(&options)?;
//! // … log …
//! writer.stop()?; // writes every record logged so far
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// In reading order.
pub mod cli;
pub mod config;
pub mod format;
mod pipeline;
pub mod rotation;
mod setting;
mod sink;
mod spawn;

mod clock;
mod counted;
mod error;
mod events;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod status;
mod summary;
mod text_enum;

pub use config::ConfigFile;
pub use config::options::{Options, Out};
pub use error::Error;
pub use events::{Events, StandardError};
pub use format::{FormatKind, Newlines};
pub use pipeline::{Signals, run, run_config, run_with};
pub use sink::{Existing, Fsync};
pub use spawn::{Child, spawn, spawn_program};
pub use summary::Summary;
pub use text_enum::InvalidValue;
