//! A new file that takes the place of the checkpoint.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use ringlog::admin::Shown;

use super::super::begin;
use super::super::lock::{Locking, try_lock};
use super::{
    CAPACITY_AT, CAPACITY_MAX, CAPACITY_MIN, COUNTS_AT, Checkpoint, HALVES_AT, MAGIC, allocate,
    close_to_readers, half_at, read_half, read_up_to,
};
use crate::rotation::Identity;
use crate::sink::file_size_limit;

impl Checkpoint {
    /// The path of the file that takes the place of this one, until it does.
    fn path_of_next(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        name.into()
    }

    /// Makes room for the half in the buffer: replaces the file by a larger one with the committed half.
    pub(super) fn grow(&mut self) -> io::Result<()> {
        let capacity = (2 * self.buffer.len() as u64).next_multiple_of(4096).max(CAPACITY_MIN);
        if capacity > CAPACITY_MAX {
            return Err(io::Error::other(format!("its checkpoint would need {capacity} bytes")));
        }
        // Our own capacity, because the one in the file may have been overwritten.
        let bytes = read_up_to(&self.file, HALVES_AT + 2 * self.capacity)?;
        let counts = read_half(&bytes, self.number, self.capacity).map(<[u8]>::to_vec);
        let path = self.path_of_next();
        let _ = fs::remove_file(&path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        close_to_readers(&file, self.file.metadata()?.permissions().mode());
        if try_lock(&file)? != Locking::Done {
            return Err(io::Error::other(format!("another writer has {}", path.shown())));
        }
        let len = HALVES_AT + 2 * capacity;
        allocate(&file, len).map_err(|error| file_size_limit::explain_checkpoint(error, len))?;
        file.write_all_at(&MAGIC, 0)?;
        file.write_all_at(&capacity.to_le_bytes(), CAPACITY_AT)?;
        file.write_all_at(&self.number.to_le_bytes(), COUNTS_AT)?;
        if let Some(half) = counts {
            file.write_all_at(&half, half_at(self.number, capacity))?;
        }
        let _other = self.lock_other()?;
        fs::rename(&path, &self.path)?;
        (self.file, self.capacity, self.is_lost, self.has_new_name) = (file, capacity, false, true);
        Ok(())
    }

    /// Locks another file that is in the place of this one, so that no other writer begins with it.
    fn lock_other(&self) -> io::Result<Option<File>> {
        let Ok(other) = begin::at_end().open(&self.path) else { return Ok(None) };
        if Identity::from(&other.metadata()?) == Identity::from(&self.file.metadata()?) {
            return Ok(None);
        }
        match try_lock(&other)? {
            Locking::HeldExclusively => {
                Err(io::Error::other(format!("another writer has made {}", self.path.shown())))
            }
            Locking::Done | Locking::HeldShared => Ok(Some(other)),
        }
    }
}
