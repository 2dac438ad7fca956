//! Syncing the file at other times than with a batch: at the start, before it is left, and at the end.

use std::io;

use super::FileSink;
use crate::events::Events;
use crate::sink::traits::NotSynced;

impl FileSink {
    /// Syncs the file before it is left. In one that was deleted nothing is left to be synced.
    pub(super) fn sync_whole(&mut self, events: &mut dyn Events) -> io::Result<()> {
        match self.syncs.are_wanted() && self.file.len_unless_deleted()?.is_some() {
            true => self.syncs.sync(&self.file, events)?,
            false => return Ok(()),
        }
        self.syncs.note_synced(&self.file, events);
        Ok(())
    }

    /// Syncs what an earlier writer may not have synced. If that fails it is reported and tried again.
    pub(super) fn sync_before(&mut self, events: &mut dyn Events) {
        if self.committed.file.is_none_or(|known| known.identity != self.file.identity) {
            self.syncs.begin_file();
        }
        if self.syncs.has_failed() {
            let _ = self.syncs.sync_late(&self.file, &mut self.checkpoint, &self.committed, events);
        }
    }

    /// Syncs what is not synced. Tries it twice, because the first attempt may report a failure of before.
    pub(super) fn sync_at_the_end(&mut self, events: &mut dyn Events) -> Result<(), NotSynced> {
        if !self.syncs.is_owed() && !self.checkpoint.is_unsure() {
            return Ok(());
        }
        let records = self.syncs.unsynced().records;
        let mut sync = || self.syncs.sync_late(&self.file, &mut self.checkpoint, &self.committed, events);
        let synced = sync().or_else(|_| sync());
        synced.map_err(|source| NotSynced { source, records })
    }
}
