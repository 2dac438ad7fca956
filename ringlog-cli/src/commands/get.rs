//! `ringlog get`

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use ringlog::queue::Queue;

use crate::{exit_code, option_values};

/// Take items out of a ring, as out of a queue
///
/// Each item goes to one of the processes that take them out, the first one first. It is printed byte for byte, with a
/// newline behind it, and leaves the ring once it is printed: if it cannot be printed, or `get` is killed, another
/// process gets it. Items are put in by programs (`ringlog::queue` in Rust, `ringlog.Queue` in Python); records that
/// were logged, as by `ringlog put`, come out as their message.
///
/// The exit code is 5 if the time is over before all items have come. A ring with a writer has no getters: the exit
/// code is then 1.
#[derive(Args)]
pub struct Get {
    /// The ring to take items out of
    name: String,
    /// How many items
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1)]
    count: u64,
    /// How long to wait for all of them; without this, as long as it takes
    #[arg(long, value_parser = option_values::duration)]
    timeout: Option<Duration>,
    /// Take only what is there
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
    /// A zero byte behind each item instead of a newline, which an item may contain
    #[arg(short = '0', long)]
    null: bool,
}

impl Get {
    pub fn run(self) -> exit_code::CommandResult {
        let queue = Queue::open(&self.name)?;
        let timeout = if self.no_wait { Some(Duration::ZERO) } else { self.timeout };
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut out = io::stdout().lock();
        for _ in 0..self.count {
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            let Some(claim) = queue.claim(left)? else {
                return Ok(ExitCode::from(exit_code::TIMED_OUT_OR_EMPTY));
            };
            // Together, so that the item and its end are not torn apart by another process that writes there.
            let end = if self.null { b"\0" } else { b"\n" };
            out.write_all(&[claim.item(), end].concat())?;
            out.flush()?;
            claim.ack()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
