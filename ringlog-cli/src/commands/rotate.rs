//! `ringlog rotate`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::writer_request::WriterRequest;
use crate::{exit_code, option_values};

/// Make a ring's writer close its files and start new ones
///
/// Returns when the writer has done so, or with exit code 5 when --timeout is over. An empty file is not closed,
/// except with naming = "python". A file
/// without a checkpoint (--no-checkpoint) cannot be rotated; nor can standard output or a pipe.
#[derive(Args)]
pub struct Rotate {
    /// The ring whose writer rotates its files
    name: String,
    /// How long to wait for the writer
    #[arg(long, default_value = "30s", value_parser = option_values::duration)]
    timeout: Duration,
}

impl Rotate {
    pub fn run(self) -> exit_code::CommandResult {
        let request = WriterRequest {
            ask: |name| ringlog::admin::request(name, ringlog::admin::Request::Rotate),
            answered: |stat| stat.rotations,
            nothing: "no file to close",
            later: "the next writer will begin a new file",
        };
        let answer = request.send(&self.name, self.timeout)?;
        Ok(answer.map_or_else(|code| code, |_| ExitCode::SUCCESS))
    }
}
