//! A disk that is full when the writer starts.

use std::io::{self, ErrorKind};

use ringlog::admin::Shown;

use super::FileSink;
use crate::clock::now_unix_ns;
use crate::error::is_for_want_of_room;
use crate::events::Events;

impl FileSink {
    /// Reports that there is no room for the checkpoint, and goes on. What is not in the checkpoint by then is written
    /// to it before the first batch, and that is tried again as on any full disk.
    pub(super) fn wait_if_full(&self, done: io::Result<()>, events: &mut dyn Events) -> io::Result<()> {
        match done {
            Err(error) if is_full(&error) => {
                let path = self.file.path.shown();
                events.report(&format!(
                    "{path}: cannot write its checkpoint: {error}; records wait in the ring"
                ));
                Ok(())
            }
            done => done,
        }
    }

    /// Closes the file if that is due since the start.
    pub(super) fn close_late(&mut self, events: &mut dyn Events) -> io::Result<()> {
        if self.closes_late && !self.is_unrecorded {
            self.close_file(now_unix_ns(), events)?;
            self.closes_late = false;
        }
        Ok(())
    }
}

/// Whether the error is of missing room, which may come.
fn is_full(error: &io::Error) -> bool {
    is_for_want_of_room(error) || error.kind() == ErrorKind::FileTooLarge
}
