//! Undoing what was to hold for a time only, where no writer does it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use ringlog::Error;
use ringlog::admin::LevelRule;
use ringlog::reader::Observer;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{exit_code, humanize, terminal};

/// How long a signal waits to be noticed.
const NOTICE: Duration = Duration::from_millis(20);
/// How often to look whether the rules are still there.
const LOOK: Duration = Duration::from_millis(500);

/// Sees to it that a change is undone.
pub struct TimedUndo<'a> {
    ring: &'a str,
    until_unix: u64,
    signalled: Arc<AtomicBool>,
}

impl<'a> TimedUndo<'a> {
    /// From here on a signal does not end the command.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(ring: &'a str, until_unix: u64) -> anyhow::Result<TimedUndo<'a>> {
        let signalled = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, signalled.clone()).context("cannot listen to signals")?;
        }
        Ok(TimedUndo { ring, until_unix, signalled })
    }

    /// Leaves the undoing of these rules to the ring's writer, or stays and does it.
    pub fn see_to(self, rules: &[LevelRule]) -> exit_code::CommandResult {
        let observer = Observer::open(self.ring)?;
        let end = humanize::time(self.until_unix.saturating_mul(1_000_000_000));
        let signalled = || self.signalled.load(Ordering::Relaxed);
        if let Some(writer) = observer.stat()?.consumer
            && !signalled()
        {
            let writer = terminal::escape(&writer.holder);
            terminal::print_message(format_args!("its writer, {writer}, undoes this at {end}"));
            return Ok(ExitCode::SUCCESS);
        }
        let path = observer.path().display();
        terminal::print_message(format_args!(
            "no writer drains {path}: staying here to undo this at {end}; Ctrl-C undoes it at once"
        ));
        let mut looked = Instant::now();
        while !signalled() && !self.is_time() {
            std::thread::sleep(NOTICE);
            if looked.elapsed() > LOOK {
                looked = Instant::now();
                if !self.are_in_force(rules)? {
                    terminal::print_message(
                        "somebody else has changed these levels; nothing is left to undo",
                    );
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        match ringlog::admin::change_levels(self.ring, |all| all.retain(|rule| !rules.contains(rule))) {
            Ok(_) => terminal::print_message("undone"),
            // Its processes have nobody to follow any more.
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
