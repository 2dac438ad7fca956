//! Syncing the checkpoint, so that it survives a power cut.

use std::io;
use std::path::Path;

use super::{Checkpoint, CheckpointState};
use crate::rotation::Directory;

impl Checkpoint {
    /// Syncs the checkpoint. `counts`: the committed state. If the last sync has failed it is written to a new file,
    /// which takes the place of this one: the kernel may take the pages of this one for written.
    pub(crate) fn sync(&mut self, counts: &CheckpointState) -> io::Result<()> {
        if self.is_unsure {
            self.is_lost = true;
            self.set(counts)?;
        }
        self.is_unsure = true;
        self.file.sync_data()?;
        self.is_unsure = false;
        // A power cut could otherwise keep the content and lose the name.
        if self.has_new_name {
            Directory::new(self.path.parent().unwrap_or(Path::new(""))).sync()?;
            self.has_new_name = false;
        }
        Ok(())
    }

    /// Whether the last sync has failed.
    pub(crate) fn is_unsure(&self) -> bool {
        self.is_unsure
    }
}
