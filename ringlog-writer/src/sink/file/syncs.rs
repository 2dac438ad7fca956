//! When the file is synced, and whether written bytes are not synced yet.

use std::time::Instant;

use ringlog::Level;
use ringlog::admin::Shown;

use super::append::File;
use super::checkpoint::Checkpoint;
use super::fsync::Fsync;
use crate::events::Events;

/// Written bytes that are not synced yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsynced {
    None,
    Some,
    /// A sync was due and has failed, which has been reported.
    Failed,
}

pub(super) struct Syncs {
    policy: Fsync,
    synced_at: Instant,
    unsynced: Unsynced,
}

impl Syncs {
    pub(super) fn new(policy: Fsync) -> Syncs {
        Syncs { policy, synced_at: Instant::now(), unsynced: Unsynced::None }
    }

    /// Whether the file is synced at all.
    pub(super) fn are_wanted(&self) -> bool {
        self.policy != Fsync::Never
    }

    pub(super) fn has_unsynced(&self) -> bool {
        self.unsynced != Unsynced::None
    }

    /// Whether a sync is due. `level`: the highest of the records that were written.
    pub(super) fn is_due(&self, level: Option<Level>) -> bool {
        match self.policy {
            Fsync::Never => false,
            Fsync::Batch => true,
            Fsync::Every(interval) => self.synced_at.elapsed() >= interval,
            Fsync::Level(least) => level >= Some(least),
        }
    }

    /// Notes that a batch was committed, and whether it was synced.
    pub(super) fn note_batch(&mut self, is_synced: bool) {
        if is_synced {
            self.synced_at = Instant::now();
        }
        self.unsynced = match self.unsynced {
            _ if is_synced || !matches!(self.policy, Fsync::Every(_)) => Unsynced::None,
            Unsynced::None => Unsynced::Some,
            before => before,
        };
    }

    /// Syncs what is written. After a failure the sync is due again one interval later.
    pub(super) fn sync_late(&mut self, file: &File, checkpoint: &mut Checkpoint, events: &mut dyn Events) {
        self.synced_at = Instant::now();
        match file.sync().and_then(|()| checkpoint.sync()) {
            Ok(()) => self.unsynced = Unsynced::None,
            Err(_) if self.unsynced == Unsynced::Failed => {}
            Err(error) => {
                self.unsynced = Unsynced::Failed;
                events.report(&format!("cannot sync {}: {error}; trying again", file.path.shown()));
            }
        }
    }
}
