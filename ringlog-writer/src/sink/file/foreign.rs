//! What other processes do to the open file: they write to it, cut it, move it away or delete it.

use std::io;
use std::time::{Duration, Instant};

use ringlog::admin::Shown;

use super::FileSink;
use super::lock::Locking;
use crate::counted::counted;
use crate::events::Events;

/// How often to report that other processes write to the file.
const REPORT_EVERY: Duration = Duration::from_secs(60);

impl FileSink {
    /// Adopts a length that other processes have changed, as logrotate's `copytruncate` does: the checkpoint has to
    /// record it before the next batch.
    pub(super) fn adopt_foreign_changes(&mut self, events: &mut dyn Events) -> io::Result<()> {
        self.file.report_notice(events);
        let Some(found) = self.file.len_unless_deleted()? else {
            // The file was deleted, so whatever is written to it would be lost. If no new one can be made, the records
            // wait in the ring.
            return self.reopen(events).map_err(io::Error::from);
        };
        if found == self.file.len {
            if self.is_unrecorded {
                self.record_file()?;
            }
            return self.close_late(events);
        }
        if self.may_report() {
            let (path, len) = (self.file.path.shown(), self.file.len);
            let what = if found < len { "cut it" } else { "written to it" };
            let found = counted(found, "byte");
            events.report(&format!(
                "{path}: another process has {what}: {found}, expected {len}; appending at its end"
            ));
        }
        self.syncs.cut(found);
        self.file.len = found;
        self.record_file()
    }

    /// Whether a report about other processes is due. One that writes with every batch must not flood the terminal.
    fn may_report(&mut self) -> bool {
        let may = self.reported_at.is_none_or(|at| at.elapsed() >= REPORT_EVERY);
        if may {
            self.reported_at = Some(Instant::now());
        }
        may
    }

    /// Locks a file that was begun since the last time, or that a reader had locked.
    pub(super) fn lock_late(&mut self, events: &mut dyn Events) {
        self.file.report_notice(events);
        // After an error it is tried again.
        if !self.file.is_locked()
            && self.file.try_lock().is_ok_and(|locking| locking == Locking::HeldExclusively)
            && self.may_report()
        {
            let path = self.file.path.shown();
            events.report(&format!(
                "{path}: another writer is writing to it under another name; stop one of the two"
            ));
        }
    }
}
