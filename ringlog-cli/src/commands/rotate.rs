//! `ringlog rotate`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use ringlog::Observer;

use crate::{exit, output, values};

/// Ask a ring's writer to close its file and to begin another one, and wait until it has
///
/// A writer that does not write to a file, or keeps no checkpoint, closes nothing, and neither does one whose file is
/// empty.
#[derive(Args)]
pub struct Rotate {
    /// The ring whose writer is to rotate
    name: String,
    /// How long to wait for it
    #[arg(long, default_value = "30s", value_parser = values::duration)]
    timeout: Duration,
}

impl Rotate {
    pub fn run(self) -> exit::Result {
        let observer = Observer::open(&self.name)?;
        let path = observer.path().display();
        let Some(consumer) = observer.stat()?.consumer else {
            output::say(format_args!("no writer drains {path}, so there is no file to close"));
            return Ok(ExitCode::FAILURE);
        };
        let request = ringlog::request_rotation(&self.name)?;
        let start = Instant::now();
        loop {
            let stat = observer.stat()?;
            if stat.rotations >= request {
                return Ok(ExitCode::SUCCESS);
            }
            let holder = output::harmless(&consumer.holder);
            if stat.consumer.is_none() {
                output::say(format_args!(
                    "{holder} has ended meanwhile; the next writer will begin a new file"
                ));
                return Ok(ExitCode::FAILURE);
            }
            if start.elapsed() >= self.timeout {
                output::say(format_args!("{holder} has not answered within {:?}", self.timeout));
                return Ok(ExitCode::from(exit::TIMED_OUT_OR_EMPTY));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
