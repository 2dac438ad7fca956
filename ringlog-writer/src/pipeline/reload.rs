//! Another configuration takes the place of the one in force, as a whole or not at all.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{BUSY, Outside, Writer};
use crate::config::Config;
use crate::error::Error;

/// How long outputs are waited for before they change. What an output that refuses has not got by then stays in the
/// rings for the next one.
const QUIET_WITHIN: Duration = Duration::from_secs(2);

impl Writer<'_> {
    /// Whether the configuration is to be read anew. Without one the outputs are opened anew instead.
    pub(super) fn wants_anew(&mut self) -> bool {
        let is_told = self.front.told.reopen.swap(false, Ordering::Relaxed);
        let is_asked = self.front.intake.reload_requested();
        if self.config.is_none() && (is_told || is_asked) {
            self.handlers.reopen(&mut self.front);
            self.front.intake.answer_reload(true);
        }
        self.config.is_some() && (is_told || is_asked)
    }

    /// Reads the configuration. If it is no good, says so, and the old one stays in force.
    pub(super) fn read_anew(&mut self) -> Result<Option<Config>, Error> {
        let Some(file) = self.config else { return Ok(None) };
        match file.read() {
            Ok(config) => {
                self.come_to_rest()?;
                Ok(Some(config))
            }
            Err(error) => {
                self.front
                    .events
                    .say(&format!("{error}\nthe configuration that was read before stays in force"));
                self.front.intake.answer_reload(false);
                Ok(None)
            }
        }
    }

    /// Waits until all that was taken out is written, so that outputs without a checkpoint do not get it twice.
    fn come_to_rest(&mut self) -> Result<(), Error> {
        let until = Instant::now() + QUIET_WITHIN;
        while !self.underway.is_empty() && Instant::now() < until && !self.front.is_told_to_end() {
            self.handlers.note(BUSY, &mut self.front);
            self.acknowledge()?;
        }
        Ok(())
    }
}
