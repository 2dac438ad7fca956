//! Requests to a ring's writer: send one, and wait for the answer.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use ringlog::admin::Shown;
use ringlog::reader::{Observer, RingStat};

use crate::{exit_code, terminal};

/// How long a ring may be without a writer before the writer counts as ended. During a reload a writer releases its
/// rings for a moment.
const GONE_FOR: Duration = Duration::from_secs(1);

/// A request to a writer.
pub struct WriterRequest {
    /// Sends the request and returns its number.
    pub ask: fn(&str) -> Result<u64, ringlog::Error>,
    /// Reads the number of the last request that was answered.
    pub answered: fn(&RingStat) -> u64,
    /// What is missing without a writer: "so there is …".
    pub nothing: &'static str,
    /// What happens to the request if the writer ends before it answers.
    pub later: &'static str,
}

impl WriterRequest {
    /// Sends the request to the writer of the ring `name` and waits for the answer. Returns the ring's counters after
    /// the answer. Without an answer it prints the reason and returns the exit code.
    pub fn send(&self, name: &str, timeout: Duration) -> anyhow::Result<Result<RingStat, ExitCode>> {
        let observer = Observer::open(name)?;
        let path = observer.path().shown();
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
                terminal::print_message(format_args!(
                    "{holder} has ended before it answered; {}",
                    self.later
                ));
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
