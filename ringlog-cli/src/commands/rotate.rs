//! `ringlog rotate`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::writer_request::WriterRequest;
use crate::{exit_code, option_values};

/// Ask a ring's writer to close its files and to begin other ones, and wait until it has
///
/// A writer that does not write to a file, or keeps no checkpoint, closes nothing, and neither does one whose file is
/// empty.
#[derive(Args)]
pub struct Rotate {
    /// The ring whose writer is to rotate
    name: String,
    /// How long to wait for it
    #[arg(long, default_value = "30s", value_parser = option_values::duration)]
    timeout: Duration,
}

impl Rotate {
    pub fn run(self) -> exit_code::CommandResult {
        let request = WriterRequest {
            ask: ringlog::admin::request_rotation,
            answered: |stat| stat.rotations,
            nothing: "no file to close",
            later: "the next writer will begin a new file",
        };
        let answer = request.send(&self.name, self.timeout)?;
        Ok(answer.map_or_else(|code| code, |_| ExitCode::SUCCESS))
    }
}
