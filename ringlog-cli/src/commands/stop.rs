//! `ringlog stop`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use ringlog::reader::Observer;

use crate::{exit, output, values};

/// Ask a ring's writer to persist what is published and to end, and wait until it has
#[derive(Args)]
pub struct Stop {
    /// The ring whose writer is to end
    name: String,
    /// How long to wait for it
    #[arg(long, default_value = "30s", value_parser = values::duration)]
    timeout: Duration,
}

impl Stop {
    pub fn run(self) -> exit::Result {
        let observer = Observer::open(&self.name)?;
        let path = observer.path().display();
        let Some(asked) = observer.stat()?.consumer else {
            output::say(format_args!("no writer drains {path}"));
            return Ok(ExitCode::SUCCESS);
        };
        ringlog::admin::request_stop(&self.name)?;
        let start = Instant::now();
        loop {
            let stat = observer.stat()?;
            match &stat.consumer {
                // One that reads its configuration anew begins anew.
                Some(now) if now.pid == asked.pid => {}
                // Ended, or ended and followed by another.
                _ => {
                    let holder = output::harmless(&asked.holder);
                    output::say(format_args!(
                        "{holder} has ended; {} left in {path}",
                        output::records(stat.lag())
                    ));
                    return Ok(ExitCode::SUCCESS);
                }
            }
            if start.elapsed() >= self.timeout {
                output::say(format_args!(
                    "{} still drains {path} after {:?}: {} behind; it ends when that is written",
                    output::harmless(&asked.holder),
                    self.timeout,
                    output::records(stat.lag())
                ));
                return Ok(ExitCode::from(exit::TIMED_OUT_OR_EMPTY));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
