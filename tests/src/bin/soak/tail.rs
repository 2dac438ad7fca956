//! The output while it grows.

use std::fs::File;

use nix::fcntl::{FallocateFlags, fallocate};

/// How many checked bytes stay in the file, so that a finding can be examined.
const KEPT: u64 = 8 << 20;

/// The file as far as it has been read.
pub(crate) struct Tail {
    pub(crate) file: File,
    pub(crate) position: u64,
    punched: u64,
    pub(crate) rest: Vec<u8>,
    /// Whether a killed writer has left a part of a line, behind which the next one begins a new line.
    pub(crate) is_torn: bool,
}

impl Tail {
    pub(crate) fn new(file: File) -> Tail {
        Tail { file, position: 0, punched: 0, rest: Vec::new(), is_torn: false }
    }

    /// Frees the disk space of what has been checked.
    pub(crate) fn give_back(&mut self) {
        let until = self.position.saturating_sub(KEPT);
        if until < self.punched + KEPT {
            return;
        }
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        // If the file system cannot do this, the file grows.
        let _ = fallocate(&self.file, flags, self.punched as i64, (until - self.punched) as i64);
        self.punched = until;
    }
}
