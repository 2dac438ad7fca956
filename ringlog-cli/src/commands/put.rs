//! `ringlog put`

mod removal;

use std::io::{self, StdinLock};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringlog::reader::Observer;
use ringlog::{Level, Logger, Overflow, PushError, Ring};

use self::removal::RemovalWatch;
use crate::line_reader::LineReader;
use crate::{exit_code, humanize, option_values, terminal};

/// Log records into a ring
///
/// No writer has to run: records stay in the ring until a writer writes them to a file. If the ring is
/// full, `put` waits up to --timeout for space, whatever the ring's overflow policy is. Then it fails and
/// says how many lines were put.
///
/// If the ring is removed meanwhile, `put` says how many lines were not put, and how many of those that were are lost.
/// The exit code is then 1, or 3 if every line was put.
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

/// How long the rest of the input is read to count its lines.
const COUNT_WITHIN: Duration = Duration::from_secs(1);

impl Put {
    pub fn run(self) -> exit_code::CommandResult {
        let ring = Ring::open(&self.name)?;
        let log = ring.logger().with_overflow(Overflow::Block(self.timeout));
        // `text` would only report that the thread has no lane; this error says how many lanes the ring has.
        log.open_lane()?;
        let watch = RemovalWatch::new(&ring)?;
        let mut putting =
            LinePutter { put: &self, limit: log.text_limit(&self.logger), log, lines: 0, cut: 0 };
        let ended = if self.text == ["-"] { putting.all_lines()? } else { putting.text() };
        let loss = watch.loss(self.timeout);
        match ended {
            Ended::Done => {
                let is_whole = putting.cut == 0 && loss.is_none();
                loss.into_iter().for_each(terminal::print_message);
                Ok(ExitCode::from(if is_whole { 0 } else { exit_code::INCOMPLETE }))
            }
            Ended::Full => {
                let code = putting.full();
                loss.into_iter().for_each(terminal::print_message);
                Ok(code)
            }
            Ended::Refused { why, rest } => {
                let loss = loss.map_or_else(String::new, |loss| format!("; {loss}"));
                Err(anyhow!("{why}; {}{loss}", removal::refused(putting.lines, rest)))
            }
        }
    }
}

/// How putting has ended.
enum Ended {
    Done,
    /// The ring stayed full.
    Full,
    Refused {
        why: String,
        /// The number of lines after the refused one, and whether these are all.
        rest: (u64, bool),
    },
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
    /// Logs each line of standard input.
    fn all_lines(&mut self) -> anyhow::Result<Ended> {
        let mut lines = LineReader::new(io::stdin().lock(), self.limit);
        while let Some((line, bytes)) = lines.next().context("cannot read standard input")? {
            match self.line(line, bytes) {
                Ok(()) => {}
                Err(PushError::Full) => return Ok(Ended::Full),
                Err(error) => {
                    return Ok(Ended::Refused { why: self.why(&error), rest: count_rest(&mut lines) });
                }
            }
        }
        Ok(Ended::Done)
    }

    /// Logs the text of the arguments.
    fn text(&mut self) -> Ended {
        let text = self.put.text.join(" ");
        match self.line(text.as_bytes(), text.len() as u64) {
            Ok(()) => Ended::Done,
            Err(PushError::Full) => Ended::Full,
            Err(error) => Ended::Refused { why: self.why(&error), rest: (0, true) },
        }
    }

    /// Logs one line whose full length is `bytes`.
    fn line(&mut self, line: &[u8], bytes: u64) -> Result<(), PushError> {
        self.log.text(self.put.level, &self.put.logger, line)?;
        self.lines += 1;
        if bytes > self.limit as u64 {
            self.cut += 1;
            terminal::print_message(format_args!(
                "line {} was cut from {bytes} bytes to {}, the most that this ring takes",
                self.lines, self.limit
            ));
        }
        Ok(())
    }

    /// Why a line was refused. If the ring is gone, the error of a new lane says why.
    fn why(&self, error: &PushError) -> String {
        self.log.open_lane().err().map_or_else(|| error.to_string(), |why| why.to_string())
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

/// Counts the lines that are left in the input, as far as they can be read without waiting.
fn count_rest(lines: &mut LineReader<StdinLock<'_>>) -> (u64, bool) {
    let (begun, input) = (Instant::now(), io::stdin());
    let is_ready = || {
        let mut input = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        begun.elapsed() < COUNT_WITHIN && poll(&mut input, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    };
    lines.count_rest(is_ready).unwrap_or((0, false))
}

fn lines(number: u64) -> String {
    format!("{} {}", humanize::counted(number, "line"), humanize::verb(number, "was", "were"))
}
