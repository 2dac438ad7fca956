//! `ringlog clear`

use std::process::ExitCode;

use clap::Args;
use ringlog::queue::Queue;

use crate::{exit_code, terminal};

/// Take all items out of a ring, as out of a queue, and throw them away
///
/// Prints how many there were. Items that a living process has taken out and not acknowledged stay. A ring with a
/// writer is not cleared: the exit code is then 1.
#[derive(Args)]
pub struct Clear {
    /// The ring
    name: String,
}

impl Clear {
    pub fn run(self) -> exit_code::CommandResult {
        terminal::print_text(Queue::open(&self.name)?.clear()?)?;
        Ok(ExitCode::SUCCESS)
    }
}
