//! `ringlog stop`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use ringlog::admin::Shown;
use ringlog::reader::Observer;

use crate::{exit_code, humanize, option_values, terminal};

/// Stop a ring's writer, after it has written all records logged so far
///
/// Returns when the writer has ended, or with exit code 5 when --timeout is over. In that case the writer
/// still ends once it has written the records.
#[derive(Args)]
pub struct Stop {
    /// The ring whose writer stops
    name: String,
    /// How long to wait until the writer has ended
    #[arg(long, default_value = "30s", value_parser = option_values::duration)]
    timeout: Duration,
}

impl Stop {
    pub fn run(self) -> exit_code::CommandResult {
        let observer = Observer::open(&self.name)?;
        let path = observer.path().shown();
        let Some(asked) = observer.stat()?.consumer else {
            terminal::print_message(format_args!("no writer drains {path}"));
            return Ok(ExitCode::SUCCESS);
        };
        ringlog::admin::request(&self.name, ringlog::admin::Request::Stop)?;
        let start = Instant::now();
        loop {
            let stat = observer.stat()?;
            match &stat.consumer {
                // The same process: a reload starts a new consumer in it.
                Some(now) if now.pid == asked.pid => {}
                // The writer has ended; another one may drain the ring by now.
                _ => {
                    let holder = terminal::escape(&asked.holder);
                    terminal::print_message(format_args!(
                        "{holder} has ended; {} left in {path}",
                        humanize::records(stat.lag())
                    ));
                    return Ok(ExitCode::SUCCESS);
                }
            }
            if start.elapsed() >= self.timeout {
                terminal::print_message(format_args!(
                    "{} still drains {path} after {:?}: {} behind; it ends when that is written",
                    terminal::escape(&asked.holder),
                    self.timeout,
                    humanize::records(stat.lag())
                ));
                return Ok(ExitCode::from(exit_code::TIMED_OUT_OR_EMPTY));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
