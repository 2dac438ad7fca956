//! Asking a ring's writer for something, and waiting until it answers.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use ringlog::reader::{Observer, RingStat};

use crate::{exit_code, terminal};

/// A writer that reads its configuration anew lets go of its rings for a moment.
const GONE_FOR: Duration = Duration::from_secs(1);

/// What is asked for.
pub struct WriterRequest {
    /// Asks, and returns the request's number.
    pub ask: fn(&str) -> Result<u64, ringlog::Error>,
    /// The number of the last request that was answered.
    pub answered: fn(&RingStat) -> u64,
    /// What there is not if there is no writer.
    pub nothing: &'static str,
    /// What becomes of it if the writer ends meanwhile.
    pub later: &'static str,
}

impl WriterRequest {
    /// Asks the writer of the ring `name`, and returns how the ring stands when it has answered; or, if it does not,
    /// says so and with which code to exit.
    pub fn send(&self, name: &str, timeout: Duration) -> anyhow::Result<Result<RingStat, ExitCode>> {
        let observer = Observer::open(name)?;
        let path = observer.path().display();
        let Some(consumer) = observer.stat()?.consumer else {
            terminal::print_message(format_args!("no writer drains {path}, so there is {}", self.nothing));
            return Ok(Err(ExitCode::FAILURE));
        };
        let request = (self.ask)(name)?;
        let (start, mut seen) = (Instant::now(), Instant::now());
        let holder = terminal::escape(&consumer.holder);
        loop {
            let stat = observer.stat()?;
            if (self.answered)(&stat) >= request {
                return Ok(Ok(stat));
            }
            if stat.consumer.is_some() {
                seen = Instant::now();
            } else if seen.elapsed() >= GONE_FOR {
                terminal::print_message(format_args!("{holder} has ended meanwhile; {}", self.later));
                return Ok(Err(ExitCode::FAILURE));
            }
            if start.elapsed() >= timeout {
                terminal::print_message(format_args!("{holder} has not answered within {timeout:?}"));
                return Ok(Err(ExitCode::from(exit_code::TIMED_OUT_OR_EMPTY)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
