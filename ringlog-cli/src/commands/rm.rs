//! `ringlog rm`

use std::process::ExitCode;

use clap::Args;
use ringlog::reader::Observer;

use crate::{exit_code, humanize, terminal};

/// Remove a ring; refused while anybody uses it
#[derive(Args)]
pub struct Rm {
    /// The ring to remove
    name: String,
    /// Remove it even if it is in use or damaged
    ///
    /// The ring is marked as retired: producers get "the ring is gone" at their next block. What they
    /// have published and nobody has persisted is lost. A file that is no ring at all is never removed.
    #[arg(long)]
    force: bool,
}

impl Rm {
    pub fn run(self) -> exit_code::CommandResult {
        // Nothing is lost silently. What cannot be looked into cannot be counted either.
        let stat = Observer::open(&self.name).and_then(|observer| observer.stat());
        let path = ringlog::admin::remove(&self.name, self.force)?;
        terminal::print_message(format_args!("removed {}", path.display()));
        if let Ok(stat) = stat
            && stat.lag() > 0
        {
            terminal::print_message(format_args!(
                "{} in it had not been persisted",
                humanize::records(stat.lag())
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
