//! `ringlog rotate`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ringlog::admin::Request;

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
    /// The time is right, although the clock was set ahead: files are deleted for their age again at once. Without
    /// this, a writer whose clock has run ahead by more than a day deletes none for their age for 24 hours
    #[arg(long)]
    trust_clock: bool,
}

fn ask(name: &str) -> Result<u64, ringlog::Error> {
    ringlog::admin::request(name, Request::Rotate)
}

/// In this order: the writer answers the second request only after it has read the first.
fn ask_trusting(name: &str) -> Result<u64, ringlog::Error> {
    ringlog::admin::request(name, Request::TrustClock)?;
    ask(name)
}

impl Rotate {
    pub fn run(self) -> exit_code::CommandResult {
        let request = WriterRequest {
            ask: if self.trust_clock { ask_trusting } else { ask },
            answered: |stat| stat.rotations,
            nothing: "no file to close",
            later: "the next writer will begin a new file",
        };
        let answer = request.send(&self.name, self.timeout)?;
        Ok(answer.map_or_else(|code| code, |_| ExitCode::SUCCESS))
    }
}
