//! `ringlog stat`

mod condition;
mod definitions;
mod ends;
mod numbers;
mod outputs;
mod reading;
mod report;
mod text;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ringlog::admin::Shown;
use ringlog::reader::Observer;

use self::condition::Condition;
pub(crate) use self::outputs::output_line;
pub(crate) use self::reading::Reading;
use self::report::StatReport;
pub(crate) use self::text::refusals;
use super::absence::Absence;
use super::ls;
use super::stop_signals::StopSignals;
use crate::{exit_code, option_values, terminal};

/// Show the state and the counters of rings, of their lanes, and of their writer's outputs
///
/// Without a name, all rings that `ringlog ls` lists are shown.
///
/// A lane is the part of the ring that one logging thread uses. Each process
/// has one more lane, the process lane. Definitions describe the kinds of
/// records, and readers decode records by them. The ring has an area for them,
/// in segments that are emptied one by one when no process uses them any more.
///
/// Threads use a lane one after another. Its counters are the sums of all of
/// its owners so far; the PID is that of the present or last one.
///
/// The STATE of a lane is
///   alive    its thread runs (for a process lane: its process),
///   dead     its owner ended without closing it,
///   closed   its owner ended normally,
///   opening  a thread or process is taking it,
///   open     its owner did not close it, and lives or not: only who may write
///            the ring sees its locks.
///
/// The counters of records are
///   published  logged into the ring,
///   persisted  of these, written out by a writer,
///   behind     published, but not persisted yet; by the age of the oldest,
///   dropped    refused; a line for each reason says why and what helps.
///
/// The writer says once a second how each output is doing. It is
///   ok           and takes what comes,
///   failing      writing fails, and is tried again,
///   blocked      it has taken nothing for more than a second,
///   left out     it does not keep up, and the other outputs go on without it,
///   given up     the writer has ended before everything was written.
/// One that fails or was given up can be left out too: `failing and left out`.
/// Its counters begin with the writer:
///   written   records and bytes in the output,
///   queued    records taken from the rings for it, and not written yet,
///   left out  records that it did not get,
///   late      records and gaps written after one with a later time stamp in
///             the same file; of a file with a checkpoint, since that was made,
///             also by an earlier writer. One that ends in order removes the
///             checkpoint of a file that is neither rotated nor synced.
#[derive(Args)]
#[command(verbatim_doc_comment, after_long_help = numbers::help())]
pub struct Stat {
    /// The rings to show; all if none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Print as JSON: an object for one NAME, otherwise an array of them; with --watch, one line each time
    #[arg(long)]
    json: bool,
    /// Repeat after this many seconds, at least 0.1, and show rates, until SIGINT. For one ring. If it is removed or
    /// replaced, say so and go on with the ring of this name that is there next
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1")]
    #[arg(value_parser = option_values::interval, conflicts_with = "fail_if")]
    watch: Option<Duration>,
    /// Exit with code 1, and say why, if this holds for a ring: 'behind > 10s', 'failing > 0'. For health checks; may
    /// be given several times
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,
}

impl Stat {
    pub fn run(self) -> exit_code::CommandResult {
        match (self.watch, &self.names[..]) {
            (None, _) => self.show(),
            (Some(pause), [name]) => self.watch(name, pause),
            (Some(_), _) => {
                terminal::print_message("--watch shows one ring; expected its name");
                Ok(ExitCode::from(exit_code::USAGE))
            }
        }
    }

    /// Shows the rings once. One that cannot be read does not hide the others.
    fn show(&self) -> exit_code::CommandResult {
        let open = |name: &String| (name.clone(), Observer::open(name));
        let opened = match &self.names[..] {
            [] => ringlog::admin::list()?,
            names => names.iter().map(open).collect(),
        };
        let (mut readings, mut errors) = (Vec::new(), Vec::new());
        for (_, observer) in opened {
            match observer.and_then(Reading::new) {
                Ok(reading) => readings.push(reading),
                Err(error) => errors.push(anyhow::Error::from(error)),
            }
        }
        if self.names.len() == 1 {
            readings.iter().try_for_each(|reading| terminal::print_text(show(reading, self.json)?))?;
        } else if self.json {
            terminal::print_json(&readings.iter().map(StatReport::new).collect::<Vec<_>>())?;
        } else {
            let texts: Vec<String> = readings.iter().map(text::text).collect();
            if readings.is_empty() && errors.is_empty() {
                ls::print_no_rings(true);
            } else if !texts.is_empty() {
                terminal::print_text(texts.join("\n\n"))?;
            }
        }
        let mut code = self.check(&readings);
        for error in errors {
            code = exit_code::report(&error);
        }
        Ok(code)
    }

    /// Says which conditions hold. The exit code is that of a failure if one does.
    fn check(&self, readings: &[Reading]) -> ExitCode {
        if readings.is_empty() && !self.fail_if.is_empty() {
            return ExitCode::from(exit_code::TIMED_OUT_OR_EMPTY);
        }
        let mut code = ExitCode::SUCCESS;
        for reading in readings {
            for condition in &self.fail_if {
                if let Some(found) = condition.holds(reading) {
                    let ring = reading.observer.path().shown();
                    terminal::print_message(format_args!("{ring}: {condition}; it is {found}"));
                    code = ExitCode::from(exit_code::FAILED);
                }
            }
        }
        code
    }

    /// Shows a ring again and again.
    fn watch(&self, name: &str, pause: Duration) -> exit_code::CommandResult {
        let signals = StopSignals::install()?;
        let mut last: Option<Reading> = None;
        let mut absence = Absence::default();
        while !signals.have_come() {
            // Opened each time, because the ring may have been replaced.
            let observer = match (Observer::open(name), &last) {
                (Ok(observer), _) => observer,
                (Err(ringlog::Error::NoSuchRing { .. }), Some(last)) => {
                    absence.begin();
                    absence.report(&last.observer, "its last counters have been shown");
                    signals.pause(option_values::INTERVAL_MIN);
                    continue;
                }
                (Err(error), _) => return Err(error.into()),
            };
            let now = Reading::new(observer)?;
            if let Some(old) = &last
                && old.observer.info().uuid != now.observer.info().uuid
            {
                absence.end(&old.observer);
                last = None;
            }
            self.print(&now, last.as_ref())?;
            last = Some(now);
            signals.pause(pause);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, now: &Reading, last: Option<&Reading>) -> anyhow::Result<()> {
        if !self.json && io::stdout().is_terminal() {
            // Moves the cursor to the top left and clears the screen below it.
            write!(io::stdout(), "\x1b[H\x1b[J")?;
        }
        terminal::print_text(show(now, self.json)?)?;
        if self.json {
            return Ok(());
        }
        if let Some(last) = last {
            terminal::print_text(text::rates(&last.stat, &now.stat, now.time - last.time))?;
        }
        Ok(terminal::print_text("")?)
    }
}

/// Formats one reading as the command prints it.
pub(crate) fn show(reading: &Reading, json: bool) -> serde_json::Result<String> {
    if json { terminal::to_json(&StatReport::new(reading)) } else { Ok(text::text(reading)) }
}
