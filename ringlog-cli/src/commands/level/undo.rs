//! Undoes level rules that have an end, if the ring has no writer to do it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use ringlog::Error;
use ringlog::admin::LevelRule;
use ringlog::admin::Shown;
use ringlog::reader::Observer;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{exit_code, humanize, terminal};

/// The longest time from a signal to its effect.
const SIGNAL_CHECK: Duration = Duration::from_millis(20);
/// The time between two checks whether the rules are still in force.
const RULES_CHECK: Duration = Duration::from_millis(500);

/// A change of levels that is undone at a given time or by a signal.
pub struct TimedUndo<'a> {
    ring: &'a str,
    until_unix: u64,
    signalled: Arc<AtomicBool>,
}

impl<'a> TimedUndo<'a> {
    /// Installs the signal handlers. From here on SIGHUP, SIGINT and SIGTERM do not end the command.
    ///
    /// # Errors
    /// The system's error.
    pub fn new(ring: &'a str, until_unix: u64) -> anyhow::Result<TimedUndo<'a>> {
        let signalled = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, signalled.clone())
                .context("cannot install signal handlers")?;
        }
        Ok(TimedUndo { ring, until_unix, signalled })
    }

    /// Returns at once if the ring has a writer, which removes the rules when they end. Otherwise waits and removes
    /// them.
    pub fn undo_in_time(self, rules: &[LevelRule]) -> exit_code::CommandResult {
        let observer = Observer::open(self.ring)?;
        let end = humanize::time(self.until_unix.saturating_mul(1_000_000_000));
        let signalled = || self.signalled.load(Ordering::Relaxed);
        if let Some(writer) = observer.stat()?.consumer
            && !signalled()
        {
            let writer = terminal::escape(&writer.holder);
            terminal::print_message(format_args!("the writer {writer} undoes this at {end}"));
            return Ok(ExitCode::SUCCESS);
        }
        let path = observer.path().shown();
        terminal::print_message(format_args!(
            "no writer drains {path}: this command keeps running to undo this at {end}; Ctrl-C undoes it at once"
        ));
        let mut checked = Instant::now();
        while !signalled() && !self.is_time() {
            std::thread::sleep(SIGNAL_CHECK);
            if checked.elapsed() > RULES_CHECK {
                checked = Instant::now();
                if !self.are_in_force(rules)? {
                    terminal::print_message(
                        "another command has changed these levels; nothing is left to undo",
                    );
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        match ringlog::admin::change_levels(self.ring, |all| all.retain(|rule| !rules.contains(rule))) {
            Ok(_) => terminal::print_message("undone"),
            // A removed ring has no rules left to undo.
            Err(Error::NoSuchRing { .. }) => {
                terminal::print_message(format_args!("{path} has been removed meanwhile"))
            }
            Err(other) => return Err(other.into()),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn is_time(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs() >= self.until_unix
    }

    fn are_in_force(&self, rules: &[LevelRule]) -> Result<bool, Error> {
        match Observer::open(self.ring) {
            Ok(observer) => Ok(observer.level_rules().iter().any(|rule| rules.contains(rule))),
            Err(Error::NoSuchRing { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }
}
