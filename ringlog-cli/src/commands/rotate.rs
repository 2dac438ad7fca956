//! `ringlog rotate`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ringlog::admin::{Request, RotationOutcome};

use super::writer_request::WriterRequest;
use crate::{exit_code, option_values, terminal};

/// Make a ring's writer close its files and start new ones
///
/// Returns when the writer has done so, or with exit code 5 when --timeout is over. An empty file is not closed.
/// A file without a checkpoint (--no-checkpoint) cannot be rotated; nor can standard
/// output or a pipe. The writer names such outputs on its standard error. If it has no others, the exit code is 1.
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
        let stat = match request.send(&self.name, self.timeout)? {
            Ok(stat) => stat,
            Err(code) => return Ok(code),
        };
        // A writer of an earlier version does not say what came of it.
        let Some(outcome) = stat.rotation_outcome else { return Ok(ExitCode::SUCCESS) };
        let left = unrotated(&outcome);
        if !outcome.has_rotated {
            let why = left.unwrap_or_else(|| "the writer has no output".to_owned());
            terminal::print_message(format_args!("nothing was rotated: {why}"));
            return Ok(ExitCode::FAILURE);
        }
        if let Some(left) = left {
            terminal::print_message(format_args!("the files were rotated; but {left}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The kinds of outputs that could not be rotated; `None` if there are none.
fn unrotated(outcome: &RotationOutcome) -> Option<String> {
    let kinds = [
        (outcome.console, "the console"),
        (outcome.irregular, "a pipe or a device"),
        (outcome.without_checkpoint, "a file without a checkpoint"),
    ];
    let kinds: Vec<&str> =
        kinds.into_iter().filter(|(is_there, _)| *is_there).map(|(_, kind)| kind).collect();
    (!kinds.is_empty()).then(|| {
        let kinds = kinds.join(", and ");
        format!("the writer writes to {kinds}, which cannot be rotated; its standard error names the output")
    })
}
