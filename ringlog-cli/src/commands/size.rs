//! `ringlog size`

use std::process::ExitCode;

use clap::Args;
use ringlog::queue::Queue;

use crate::{exit_code, terminal};

/// Print how many items a ring has, as a queue
///
/// These are the records that no process has taken out yet. Items that a process has taken out and not acknowledged
/// are not among them. Exact while no process puts items in or takes them out.
#[derive(Args)]
pub struct SizeArgs {
    /// The ring
    name: String,
    /// Print instead how many items were taken out and are not acknowledged
    #[arg(long)]
    unacked: bool,
}

impl SizeArgs {
    pub fn run(self) -> exit_code::CommandResult {
        let queue = Queue::open(&self.name)?;
        terminal::print_text(if self.unacked { queue.unacked()? } else { queue.len()? })?;
        Ok(ExitCode::SUCCESS)
    }
}
