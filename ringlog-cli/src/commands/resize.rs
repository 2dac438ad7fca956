//! `ringlog resize`

use std::process::ExitCode;

use clap::Args;
use ringlog::admin::{self, Shown, Size};

use super::create::RingSizes;
use crate::{exit_code, humanize, option_values, terminal};

/// Give a ring another size, while programs log into it
///
/// A new ring takes the place of the old one, with its lanes, block size, area for definitions, overflow policy,
/// permissions, owner, group, clock and level rules. Programs move to it with their next records, and the writer writes
/// what is in the old one first, so nothing is lost. Do not kill the writer until then: the old file has no name any
/// more. For this time both rings need their space. Only the ring's owner or root can resize it, and one in
/// /run/ringlog only by its path.
#[derive(Args)]
pub struct Resize {
    /// The ring to resize
    name: String,
    /// The new size, without the area for definitions: 16MiB, 1GiB
    #[arg(value_parser = option_values::size)]
    size: Size,
    /// Another size of the area for definitions
    #[arg(long, value_name = "SIZE", value_parser = option_values::size)]
    definitions: Option<Size>,
    /// Another number of lanes [default: a number that was chosen stays; a ring that has the default of its size gets
    /// that of its new size, or as many as are in use, if that is more]
    #[arg(long)]
    lanes: Option<u32>,
    /// Resize the ring even if no writer drains it
    ///
    /// What is in it is then lost, and what programs log until they find the new ring. The programs count these records
    /// in the new ring, and the writer reports them as a gap.
    #[arg(long)]
    force: bool,
}

impl Resize {
    pub fn run(self) -> exit_code::CommandResult {
        let mut options = admin::Resize::to(self.size).force(self.force);
        if let Some(size) = self.definitions {
            options = options.definitions(size);
        }
        if let Some(lanes) = self.lanes {
            options = options.lanes(lanes);
        }
        let resized = admin::resize(&self.name, &options)?;
        let path = resized.path.shown();
        match resized.before == resized.after {
            true => terminal::print_text(format_args!("{path} has these sizes already"))?,
            false => terminal::print_text(format_args!("resized {path}"))?,
        }
        terminal::print_text(RingSizes::of(&resized.after).arithmetic())?;
        if resized.lost > 0 {
            let lost = humanize::records(resized.lost);
            terminal::print_message(format_args!("{lost} in the old ring had not been persisted"));
        }
        Ok(ExitCode::SUCCESS)
    }
}
