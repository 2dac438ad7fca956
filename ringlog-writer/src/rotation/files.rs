//! The directory that the output lies in.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The device.
    pub dev: u64,
    /// The inode. A deleted file's is soon given to another one.
    pub ino: u64,
    /// When the file was made, in nanoseconds since 1970 began; 0 where the file system does not say.
    pub born_ns: u64,
}

impl Identity {
    /// Of what this path leads to, if anything.
    pub(crate) fn of_path(path: &Path) -> Option<Identity> {
        fs::metadata(path).ok().as_ref().map(Identity::from)
    }
}

impl From<&Metadata> for Identity {
    fn from(meta: &Metadata) -> Identity {
        let born = meta.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let born_ns = born.and_then(|born| u64::try_from(born.as_nanos()).ok()).unwrap_or(0);
        Identity { dev: meta.dev(), ino: meta.ino(), born_ns }
    }
}

/// A file in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name.
    pub name: OsString,
    /// Which file it is.
    pub file: Identity,
    /// Its length in bytes.
    pub len: u64,
    /// When it was last written, in seconds since 1970 began.
    pub modified_s: i64,
    /// It is a regular file. Nothing else is ever touched.
    pub is_regular: bool,
}

impl FileEntry {
    fn new(name: OsString, meta: &Metadata) -> FileEntry {
        let (file, is_regular) = (Identity::from(meta), meta.is_file());
        FileEntry { name, file, len: meta.len(), modified_s: meta.mtime(), is_regular }
    }
}

/// The directory, shared by those who rename files in it: the rotation and the compression.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    names: Mutex<()>,
}

impl Directory {
    /// The directory at this path. It need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Directory {
        let path = path.into();
        let path = if path.as_os_str().is_empty() { ".".into() } else { path };
        Directory { path, names: Mutex::new(()) }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes what was made, renamed and deleted in it survive a loss of power. Needs no lock, for it changes nothing.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    /// Keeps the names as they are until the guard is dropped: from the listing that a plan is made of until the
    /// plan is carried out. Whoever else holds them does so only for a rename.
    pub fn lock(&self) -> LockedDirectory<'_> {
        // There is nothing behind the lock that a panic could leave half done.
        LockedDirectory { directory: self, _guard: self.names.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// The directory while nobody else of this process renames in it.
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

    /// Everything in the directory, in no particular order. What vanishes meanwhile is left out.
    ///
    /// # Errors
    /// What the system says.
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

    /// What has this name now.
    ///
    /// # Errors
    /// What the system says, except that there is nothing.
    pub fn entry(&self, name: impl Into<OsString>) -> io::Result<Option<FileEntry>> {
        let name = name.into();
        match fs::symlink_metadata(self.path(&name)) {
            Ok(meta) => Ok(Some(FileEntry::new(name, &meta))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
