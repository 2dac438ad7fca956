//! When the file is synced, and what is written and not synced.

use std::io;
use std::time::{Duration, Instant};

use ringlog::Level;
use ringlog::admin::Shown;

use super::append::File;
use super::checkpoint::{Checkpoint, CheckpointState, FileState};
use super::fsync::Fsync;
use super::unsynced::{Amount, Unsynced};
use crate::counted::counted;
use crate::events::Events;

/// How long after a failed sync the next one is due, if no interval is configured.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whether the last sync has failed. Then what it was for is written again before the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    None,
    Some,
    /// It has been reported.
    Reported,
}

pub(super) struct Syncs {
    policy: Fsync,
    synced_at: Instant,
    /// What counts in the open file and is not synced.
    unsynced: Unsynced,
    failure: Failure,
    /// Whether something could not be written again, since this was last asked.
    has_lost: bool,
}

impl Syncs {
    pub(super) fn new(policy: Fsync) -> Syncs {
        Syncs {
            policy,
            synced_at: Instant::now(),
            unsynced: Unsynced::default(),
            failure: Failure::None,
            has_lost: false,
        }
    }

    /// Whether the file is synced at all.
    pub(super) fn are_wanted(&self) -> bool {
        self.policy != Fsync::Never
    }

    /// Takes over the last batch of an earlier writer, which may not have been synced: for all that is known, that has
    /// failed.
    pub(super) fn take_over(&mut self, file: &FileState) {
        if self.are_wanted() && file.tail_start < file.len {
            self.unsynced.add_known(file.tail_start..file.len, file.tail_crc);
            self.failure = Failure::Some;
        }
    }

    /// Another file is written from here on, from its beginning.
    pub(super) fn begin_file(&mut self) {
        self.unsynced = Unsynced::default();
        self.failure = Failure::None;
    }

    /// Another process has cut the file to this length.
    pub(super) fn cut(&mut self, len: u64) {
        self.unsynced.cut(len);
    }

    /// Whether a sync is due with a part. `level`: the highest of its records.
    pub(super) fn is_due(&self, level: Option<Level>) -> bool {
        match self.policy {
            Fsync::Never => false,
            Fsync::Batch => true,
            _ if self.unsynced.is_full() => true,
            Fsync::Every(interval) => self.synced_at.elapsed() >= interval,
            Fsync::Level(least) => level >= Some(least),
        }
    }

    /// Whether a sync is due although no part follows.
    pub(super) fn is_due_late(&self) -> bool {
        let elapsed = self.synced_at.elapsed();
        match self.policy {
            Fsync::Every(interval) => (self.is_owed() || self.has_failed()) && elapsed >= interval,
            _ => self.has_failed() && elapsed >= RETRY_AFTER,
        }
    }

    /// Whether bytes that count are still to be synced although no part follows.
    pub(super) fn is_owed(&self) -> bool {
        !self.unsynced.is_empty() && (self.has_failed() || matches!(self.policy, Fsync::Every(_)))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure != Failure::None
    }

    pub(super) fn unsynced(&self) -> Amount {
        self.unsynced.amount()
    }

    /// Whether something could not be written again, since this was last asked.
    pub(super) fn take_loss(&mut self) -> bool {
        std::mem::take(&mut self.has_lost)
    }

    /// Notes that a part was committed at this place and not synced.
    pub(super) fn note_unsynced(&mut self, at: u64, bytes: &[u8], records: u64) {
        self.unsynced.add(at, bytes, records);
    }

    /// Syncs all that is in the file. If the last sync has failed, writes again what counts and is not synced.
    ///
    /// # Errors
    /// The system's error. A part that does not count yet has to be written again before the next attempt.
    pub(super) fn sync(&mut self, file: &File, events: &mut dyn Events) -> io::Result<()> {
        let written = if self.has_failed() { self.write_again(file, events) } else { Ok(()) };
        if let Err(error) = written.and_then(|()| file.sync()) {
            self.failure = if self.has_failed() { self.failure } else { Failure::Some };
            if !self.unsynced.is_empty() {
                self.report(file, &error, events);
            }
            return Err(error);
        }
        self.unsynced = Unsynced::default();
        Ok(())
    }

    /// Notes that everything is synced, the checkpoint too. Reports it after a failure that was reported.
    pub(super) fn note_synced(&mut self, file: &File, events: &mut dyn Events) {
        self.synced_at = Instant::now();
        if std::mem::replace(&mut self.failure, Failure::None) == Failure::Reported {
            let lost = if self.has_lost { "" } else { "; no record was lost" };
            events.report(&format!("{} is synced again{lost}", file.path.shown()));
        }
    }

    /// Syncs what is written between two parts. After a failure the sync is due again one interval later.
    ///
    /// # Errors
    /// The system's error, which has been reported.
    pub(super) fn sync_late(
        &mut self,
        file: &File,
        checkpoint: &mut Checkpoint,
        counts: &CheckpointState,
        events: &mut dyn Events,
    ) -> io::Result<()> {
        self.synced_at = Instant::now();
        let synced = self.sync(file, events).and_then(|()| checkpoint.sync(counts));
        synced.inspect_err(|error| self.report(file, error, events))?;
        self.note_synced(file, events);
        Ok(())
    }

    fn write_again(&mut self, file: &File, events: &mut dyn Events) -> io::Result<()> {
        let lost = self.unsynced.write_again(file)?;
        if lost != Amount::default() {
            self.has_lost = true;
            events.report(&format!(
                "{}: {} since the last sync cannot be read back, to be written again after a failed sync: they may \
                 be missing in it, now or after a loss of power",
                file.path.shown(),
                in_words(lost)
            ));
        }
        Ok(())
    }

    /// Reports a failure, the first of several.
    fn report(&mut self, file: &File, error: &io::Error, events: &mut dyn Events) {
        if std::mem::replace(&mut self.failure, Failure::Reported) == Failure::Reported {
            return;
        }
        let until = match self.unsynced.amount() {
            none if none == Amount::default() => String::new(),
            some => {
                let some = in_words(some);
                format!(
                    ". Until that succeeds, the last {some} of those that count may not survive a loss of power"
                )
            }
        };
        events.report(&format!("cannot sync {}: {error}; trying again{until}", file.path.shown()));
    }
}

fn in_words(amount: Amount) -> String {
    match amount {
        Amount { bytes, records: 0 } => counted(bytes, "byte"),
        Amount { records, .. } => counted(records, "record"),
    }
}
