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
/// If the ring is removed or replaced meanwhile, `put -` goes on with the ring of this name that is there then; it
/// waits up to --timeout for one. If there is none after that time, it ends with exit code 4, and says how many lines
/// were not put, and how many of those that were put are lost. If every line was put and some are lost, the exit code
/// is 3. It is not where another ring of this name has taken the place before the end: that ring then counts what was
/// left in the removed one, and its output reports the number, which `put` cannot tell from lines that were persisted.
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
    /// How long to wait for space in a full ring, and for another ring where it was removed
    #[arg(long, default_value = "10s", value_parser = option_values::duration)]
    timeout: Duration,
    /// The message of one record; `-` makes a record of each line of standard input, byte for byte. A line that is too
    /// long for the ring is shortened, and the exit code is then 3
    #[arg(required = true, value_name = "TEXT|-")]
    text: Vec<String>,
}

/// How long the rest of the input is read to count its lines.
const COUNT_WITHIN: Duration = Duration::from_secs(1);

/// How often the path is looked at while no ring is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

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
                let message = format!("{}; {}{loss}", why.text, removal::refused(putting.lines, rest));
                if !why.is_missing {
                    return Err(anyhow!(message));
                }
                terminal::print_message(message);
                Ok(ExitCode::from(exit_code::NO_SUCH_RING))
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
        why: Reason,
        /// The number of lines after the refused one, and whether these are all.
        rest: (u64, bool),
    },
}

/// Why a line was refused.
struct Reason {
    text: String,
    /// Whether there is no ring of the name.
    is_missing: bool,
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
            // In front of each line: what was refused would be counted as lost, and then put all the same.
            let put = match self.await_ring() {
                false => Err(PushError::Gone),
                true => match self.line(line, bytes) {
                    Err(PushError::Gone) if self.await_ring() => self.line(line, bytes),
                    put => put,
                },
            };
            match put {
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
        // The ring may have been replaced by one that takes less.
        let limit = self.limit.min(self.log.text_limit(&self.put.logger));
        if bytes > limit as u64 {
            self.cut += 1;
            terminal::print_message(format_args!(
                "line {} was cut from {bytes} bytes to {limit}, the most that this ring takes",
                self.lines
            ));
        }
        Ok(())
    }

    /// Waits up to the timeout while there is no ring of the name. Returns whether there is one.
    fn await_ring(&self) -> bool {
        let mut begun = None;
        loop {
            let missing = match self.log.open_lane() {
                Err(error @ ringlog::Error::NoSuchRing { .. }) => error,
                _ => return true,
            };
            let timeout = self.put.timeout;
            let since = *begun.get_or_insert_with(|| {
                terminal::print_message(format_args!("{missing}; waiting up to {timeout:?} for one"));
                Instant::now()
            });
            if since.elapsed() >= timeout {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Why a line was refused. If the ring is gone, the error of a new lane says why.
    fn why(&self, error: &PushError) -> Reason {
        match self.log.open_lane() {
            Ok(()) => Reason { text: error.to_string(), is_missing: false },
            Err(why) => {
                let is_missing = matches!(why, ringlog::Error::NoSuchRing { .. });
                Reason { text: why.to_string(), is_missing }
            }
        }
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
