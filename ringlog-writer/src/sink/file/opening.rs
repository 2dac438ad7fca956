//! Opening the file and its checkpoint: both are locked, and compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::append::{File, end_of, without_links};
use super::checkpoint::{Checkpoint, LoadedCheckpoint};
use super::config::FileConfig;
use super::delivering::Delivered;
use super::links::Place;
use super::lock::Locking;
use super::paths::checkpoint_path;
use super::recovery::Recovery;
use super::rotate::FileRotation;
use super::syncs::Syncs;
use super::{FileSink, failed, older_copy, target};
use crate::error::Error;
use crate::rotation::TotalShare;

/// The checkpoint of a file, which is locked before the file is opened: a writer that is refused creates no file, which
/// another one could have begun to write by the time it is removed.
pub(super) struct Claim {
    /// The file's path, without links.
    path: PathBuf,
    checkpoint: Checkpoint,
    loaded: LoadedCheckpoint,
}

impl Claim {
    /// Locks the checkpoint of a regular file, or of one that is missing. `None` for any other one, and where opening
    /// it says why it cannot be opened.
    ///
    /// # Errors
    /// [`Error::Open`] or [`Error::NoRoom`].
    pub(super) fn take(output: &FileConfig) -> Result<Option<Claim>, Error> {
        let Ok(place) = Place::trusted(&output.path) else { return Ok(None) };
        if fs::metadata(&output.path).is_ok_and(|meta| !meta.is_file()) {
            return Ok(None);
        }
        // What hinders the file too is said of the file.
        if let Err(error) = target::writable(&output.path) {
            let why = place.why_not_opened(&error);
            return Err(Error::of_open(&output.path, &error, why));
        }
        let Ok(path) = without_links(&end_of(place)) else { return Ok(None) };
        match Checkpoint::open(&checkpoint_path(&path)) {
            Ok((checkpoint, loaded)) => Ok(Some(Claim { path, checkpoint, loaded })),
            Err(error) => {
                File::open_existing(&path).map_or(Ok(()), |mut file| refuse_locked(&mut file))?;
                Err(error.of(&path))
            }
        }
    }

    /// Gives the checkpoint up if the file could not be opened.
    pub(super) fn keep_if(
        claim: Option<Claim>,
        opened: Result<File, Error>,
    ) -> Result<(Option<Claim>, File), Error> {
        match opened {
            Ok(file) => Ok((claim, file)),
            Err(error) => {
                claim.into_iter().for_each(Claim::withdraw);
                Err(error)
            }
        }
    }

    /// Removes a checkpoint that was made here.
    pub(super) fn withdraw(self) {
        if self.checkpoint.is_new() {
            self.checkpoint.remove();
        }
    }
}

/// Refuses a file that another writer has locked.
fn refuse_locked(file: &mut File) -> Result<(), Error> {
    if file.try_lock().map_err(|error| failed(&file.path, error))? == Locking::HeldExclusively {
        let why = "another writer is writing to it, under this name or another one".to_owned();
        return Err(Error::Open { path: file.path.clone(), why });
    }
    Ok(())
}

impl FileSink {
    /// Locks the file, and compares it with its checkpoint.
    pub(super) fn open(
        mut file: File,
        claim: Option<Claim>,
        output: &FileConfig,
        rings: &[&Path],
        share: Option<TotalShare>,
        takes_all: bool,
    ) -> Result<FileSink, Error> {
        let Claim { checkpoint, loaded, .. } = match FileSink::lock(&mut file, claim) {
            Ok(claim) => claim,
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

    /// Locks the file. Its checkpoint is locked already.
    fn lock(file: &mut File, claim: Option<Claim>) -> Result<Claim, Error> {
        file.leave_links().map_err(|error| failed(&file.path, error))?;
        let Some(claim) = claim.filter(|claim| claim.path == file.path) else {
            let why = "another file or link has taken its place meanwhile; start the writer anew".to_owned();
            return Err(Error::Open { path: file.path.clone(), why });
        };
        // A reader's lock hides only a writer that uses another hard link of the file: the checkpoint's lock, which
        // readers cannot take, excludes all others.
        match refuse_locked(file) {
            Ok(()) => Ok(claim),
            Err(error) => {
                claim.withdraw();
                Err(error)
            }
        }
    }
}
