//! Opening the file and its checkpoint: both are locked, and compared.

use std::path::Path;
use std::time::Instant;

use super::append::File;
use super::checkpoint::{Checkpoint, LoadedCheckpoint};
use super::config::FileConfig;
use super::delivering::Delivered;
use super::lock::Locking;
use super::paths::checkpoint_path;
use super::recovery::Recovery;
use super::rotate::FileRotation;
use super::syncs::Syncs;
use super::{FileSink, failed, older_copy};
use crate::error::Error;
use crate::rotation::TotalShare;

impl FileSink {
    /// Locks the file and its checkpoint, and compares the two.
    pub(super) fn open(
        mut file: File,
        output: &FileConfig,
        rings: &[&Path],
        share: Option<TotalShare>,
        takes_all: bool,
    ) -> Result<FileSink, Error> {
        let (checkpoint, loaded) = match FileSink::lock(&mut file) {
            Ok(opened) => opened,
            Err(error) => {
                file.discard();
                return Err(error);
            }
        };
        let is_unknown = loaded.committed.is_none() && loaded.damage.is_none();
        let Recovery { mut state, repair, needs_commit, mut messages } = Recovery::of(loaded, &file);
        messages.extend(older_copy::compare(&file.path, rings, takes_all, &mut state));
        let mut syncs = Syncs::new(output.fsync);
        state.file.iter().for_each(|known| syncs.take_over(known));
        Ok(FileSink {
            rotation: FileRotation::new(&file.path, &output.rotation, share),
            closing: None,
            file,
            checkpoint,
            repair,
            needs_commit,
            messages,
            is_unknown,
            existing: output.existing,
            syncs,
            prepared: state.clone(),
            committed: state,
            closes_late: false,
            is_unrecorded: true,
            delivered: Delivered::default(),
            is_committed: false,
            maintained_at: Instant::now(),
            reported_at: None,
        })
    }

    /// Locks the file and its checkpoint.
    fn lock(file: &mut File) -> Result<(Checkpoint, LoadedCheckpoint), Error> {
        file.leave_links().map_err(|error| failed(&file.path, error))?;
        // A reader's lock hides only a writer that uses another hard link of the file: the checkpoint's lock, which
        // readers cannot take, excludes all others.
        if file.try_lock().map_err(|error| failed(&file.path, error))? == Locking::HeldExclusively {
            let why = "another writer is writing to it, under this name or another one".to_owned();
            return Err(Error::Open { path: file.path.clone(), why });
        }
        Checkpoint::open(&checkpoint_path(&file.path)).map_err(|error| error.of(&file.path))
    }
}
