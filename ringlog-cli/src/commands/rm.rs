//! `ringlog rm`

use std::process::ExitCode;

use clap::Args;
use ringlog::admin::Shown;
use ringlog::reader::Observer;

use crate::{exit_code, humanize, terminal};

/// Remove a ring; refused while a process uses it, or if records in it are not written
///
/// A ring in /run/ringlog, which several users share, is removed only if it is named by its path.
///
/// The lock files of rings that were removed by hand, without `ringlog rm`, are removed from its directory too, also if
/// the ring itself is not there. A lock file that a process still uses stays.
#[derive(Args)]
pub struct Rm {
    /// The ring to remove
    name: String,
    /// Remove it even if it is in use or damaged, or has records that are not marked as persisted
    ///
    /// Processes that log into it get the error "the ring is gone" as soon as they need another block of
    /// space. Once a ring of this name is made again, they log into that one. A writer of the ring writes the
    /// records that are in it, then says so and ends. Records that no writer writes are lost, also those that
    /// processes log until they get the error. A file that is not a ring is never removed.
    #[arg(long)]
    force: bool,
}

impl Rm {
    pub fn run(self) -> exit_code::CommandResult {
        // Counted before the removal, so that lost records are reported. A damaged ring cannot be counted.
        let stat = Observer::open(&self.name).and_then(|observer| observer.stat());
        let removed = ringlog::admin::remove(&self.name, self.force);
        // Whether or not the ring was there: its file may have been removed by hand.
        let orphans = ringlog::admin::remove_orphans(&self.name).unwrap_or_default();
        if removed.is_err() {
            for path in &orphans {
                let path = path.shown();
                terminal::print_message(format_args!("removed {path}, the lock file of a ring that is gone"));
            }
        }
        terminal::print_message(format_args!("removed {}", removed?.shown()));
        if let Ok(stat) = stat
            && stat.lag() > 0
        {
            let lost = humanize::records(stat.lag());
            // What processes log until they notice is not known yet.
            terminal::print_message(format_args!(
                "{lost} in it had not been persisted so far; what programs still log until they notice is counted in \
                 the next ring of this name, if there is one"
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
