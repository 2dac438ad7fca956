//! The directory of a log file.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

/// The identity of a file, independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The device. A file system may get another one each time it is mounted, so it counts only within one mount.
    pub dev: u64,
    /// The inode. The file system reuses the inodes of deleted files.
    pub ino: u64,
    /// The time of the file's creation in nanoseconds since 1970; 0 if the file system does not record it.
    pub born_ns: u64,
}

impl Identity {
    /// The identity of the file at this path, if there is one.
    pub(crate) fn of_path(path: &Path) -> Option<Identity> {
        fs::metadata(path).ok().as_ref().map(Identity::from)
    }

    /// Whether an identity that was stored beside this file, perhaps before its file system was mounted anew, is the
    /// file's.
    pub(crate) fn is_stored_as(&self, stored: &Identity) -> bool {
        (self.ino, self.born_ns) == (stored.ino, stored.born_ns)
    }
}

impl From<&Metadata> for Identity {
    fn from(meta: &Metadata) -> Identity {
        let born = meta.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let born_ns = born.and_then(|born| u64::try_from(born.as_nanos()).ok()).unwrap_or(0);
        Identity { dev: meta.dev(), ino: meta.ino(), born_ns }
    }
}

/// An entry of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// The name.
    pub name: OsString,
    /// The file's identity.
    pub file: Identity,
    /// The length in bytes.
    pub len: u64,
    /// The time of the last write in seconds since 1970.
    pub modified_s: i64,
    /// Whether it is a regular file. Nothing else is ever changed.
    pub is_regular: bool,
}

impl FileEntry {
    fn new(name: OsString, meta: &Metadata) -> FileEntry {
        let (file, is_regular) = (Identity::from(meta), meta.is_file());
        FileEntry { name, file, len: meta.len(), modified_s: meta.mtime(), is_regular }
    }
}

/// The directory, shared by the rotation and the compressor, which both rename files in it.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    names: Mutex<()>,
}

impl Directory {
    /// The directory at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Directory {
        let path = path.into();
        let path = if path.as_os_str().is_empty() { ".".into() } else { path };
        Directory { path, names: Mutex::new(()) }
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the directory, so that created, renamed and deleted files survive a power cut. Needs no lock.
    ///
    /// # Errors
    /// The system's error.
    pub fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    /// Locks the names until the guard is dropped: from the listing for a plan until the plan is carried out. The
    /// compressor holds the lock only for a rename.
    pub fn lock(&self) -> LockedDirectory<'_> {
        // The lock guards no data that a panic could leave inconsistent.
        LockedDirectory { directory: self, _guard: self.names.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// The directory while no other thread renames files in it.
#[derive(Debug)]
pub struct LockedDirectory<'a> {
    directory: &'a Directory,
    _guard: MutexGuard<'a, ()>,
}

impl LockedDirectory<'_> {
    /// The path of a file.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path.join(name)
    }

    /// The entries of the directory in no particular order. Entries that vanish meanwhile are left out.
    ///
    /// # Errors
    /// The system's error.
    pub fn list(&self) -> io::Result<Vec<FileEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory.path)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(meta) => entries.push(FileEntry::new(entry.file_name(), &meta)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    /// The entry with this name, if there is one.
    ///
    /// # Errors
    /// The system's error, unless there is no such entry.
    pub fn entry(&self, name: impl Into<OsString>) -> io::Result<Option<FileEntry>> {
        let name = name.into();
        match fs::symlink_metadata(self.path(&name)) {
            Ok(meta) => Ok(Some(FileEntry::new(name, &meta))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
