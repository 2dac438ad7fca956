//! `ringlog put`

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use ringlog::reader::Observer;
use ringlog::{Level, Logger, Overflow, PushError, Ring};

use crate::line_reader::LineReader;
use crate::{exit_code, humanize, option_values, terminal};

/// Log records into a ring
///
/// No writer has to run: records stay in the ring until a writer writes them to a file. If the ring is
/// full, `put` waits up to --timeout for space, whatever the ring's overflow policy is. Then it fails and
/// says how many lines were put.
#[derive(Args)]
pub struct Put {
    /// The ring to log into
    name: String,
    /// Level of the records: a name such as warn, or a number from 1 to 255
    #[arg(long, default_value = "info")]
    level: Level,
    /// Name of the logger
    #[arg(long, value_name = "NAME", default_value = "put")]
    logger: String,
    /// How long to wait for space in a full ring
    #[arg(long, default_value = "10s", value_parser = option_values::duration)]
    timeout: Duration,
    /// The message of one record; `-` makes a record of each line of standard input, byte for byte. A line that is too
    /// long for the ring is shortened, and the exit code is then 3
    #[arg(required = true, value_name = "TEXT|-")]
    text: Vec<String>,
}

impl Put {
    pub fn run(self) -> exit_code::CommandResult {
        let ring = Ring::open(&self.name)?;
        let log = ring.logger().with_overflow(Overflow::Block(self.timeout));
        // `text` would only report that the thread has no lane; this error says how many lanes the ring has.
        log.open_lane()?;
        let mut putting =
            LinePutter { put: &self, limit: log.text_limit(&self.logger), log, lines: 0, cut: 0 };
        if self.text == ["-"] {
            let mut lines = LineReader::new(io::stdin().lock(), putting.limit);
            while let Some((line, bytes)) = lines.next().context("cannot read standard input")? {
                if let Some(code) = putting.line(line, bytes)? {
                    return Ok(code);
                }
            }
        } else {
            let text = self.text.join(" ");
            let bytes = text.len();
            if let Some(code) = putting.line(text.as_bytes(), bytes as u64)? {
                return Ok(code);
            }
        }
        Ok(ExitCode::from(if putting.cut > 0 { exit_code::INCOMPLETE } else { 0 }))
    }
}

struct LinePutter<'a> {
    put: &'a Put,
    log: Logger,
    /// The longest text that is not cut, in bytes.
    limit: usize,
    lines: u64,
    cut: u64,
}

impl LinePutter<'_> {
    /// Logs one line whose full length is `bytes`. Returns an exit code if the ring stayed full.
    fn line(&mut self, line: &[u8], bytes: u64) -> anyhow::Result<Option<ExitCode>> {
        match self.log.text(self.put.level, &self.put.logger, line) {
            Ok(()) => {}
            Err(PushError::Full) => return Ok(Some(self.full())),
            Err(error) => {
                // If the ring is gone, this error says why.
                let why = self.log.open_lane().err().map_or_else(|| error.to_string(), |why| why.to_string());
                bail!("{why}; {} put before it", lines(self.lines))
            }
        }
        self.lines += 1;
        if bytes > self.limit as u64 {
            self.cut += 1;
            terminal::print_message(format_args!(
                "line {} was cut from {bytes} bytes to {}, the most that this ring takes",
                self.lines, self.limit
            ));
        }
        Ok(None)
    }

    fn full(&self) -> ExitCode {
        let stat = Observer::open(&self.put.name).and_then(|observer| observer.stat());
        let why = match stat.ok().and_then(|stat| stat.consumer) {
            Some(consumer) => format!("{} has not made space", terminal::escape(&consumer.holder)),
            None => format!("no writer drains it; start one with `ringlog writer {}`", self.put.name),
        };
        terminal::print_message(format_args!(
            "the ring was full for {:?}: {why}; {} put, the next was dropped and counted",
            self.put.timeout,
            lines(self.lines)
        ));
        ExitCode::from(exit_code::TIMED_OUT_OR_EMPTY)
    }
}

fn lines(number: u64) -> String {
    match number {
        1 => "1 line was".to_owned(),
        _ => format!("{} lines were", humanize::count(number)),
    }
}
