//! The end of a writer whose output fails for good when no process logs any more.
//!
//! A writer that ends for want of processes first writes everything. Where an output only fails, that would never end.
//! So after a time the writer ends as if it had been asked to stop: with an error, and with the records in the ring.

use std::time::{Duration, Instant};

use super::outputs::Outputs;
use super::sources::Sources;
use crate::error::Error;

/// How often to look: that reads all lanes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The looks of a writer.
#[derive(Default)]
pub(super) struct Stranded {
    looked_at: Option<Instant>,
}

impl Stranded {
    /// The name of an output that has failed for long without writing anything, if no process has a lane open.
    ///
    /// # Errors
    /// As for [`ringlog::reader::Observer::stat`].
    pub(super) fn look(&mut self, outputs: &Outputs, sources: &Sources) -> Result<Option<String>, Error> {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(None);
        }
        self.looked_at = Some(Instant::now());
        match outputs.failing_for_long() {
            Some(out) if !sources.are_in_use()? => Ok(Some(out.to_owned())),
            _ => Ok(None),
        }
    }
}
