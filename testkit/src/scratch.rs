//! A directory of a test's own.

use std::path::{Path, PathBuf};

/// A directory, removed with everything in it when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    dir: tempfile::TempDir,
    ring: String,
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// An empty directory in shared memory, where rings lie.
    pub fn new() -> Scratch {
        Self::below(Path::new("/dev/shm"))
    }

    /// An empty directory for files that need not be in shared memory.
    pub fn on_disk() -> Scratch {
        Self::below(&std::env::temp_dir())
    }

    fn below(parent: &Path) -> Scratch {
        let dir = tempfile::Builder::new().prefix("ringlog-tests-").tempdir_in(parent).unwrap();
        let ring = dir.path().join("ring").to_str().unwrap().to_owned();
        Scratch { dir, ring }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A file in the directory, which need not be there.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// The same as text, such as the name of a ring.
    pub fn text(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    /// The name of the ring of a test that has one: the absolute path of `ring` in the directory.
    pub fn name(&self) -> &str {
        &self.ring
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}
