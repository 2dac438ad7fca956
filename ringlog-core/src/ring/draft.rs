//! Files that get their name when they are complete.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::Mode;

use crate::error::Error;
use crate::error::shown::Shown;
use crate::shm::clock::monotonic_ns;

/// A file that has no name yet; where the file system cannot do that, a temporary one.
pub(crate) struct Draft {
    file: File,
    temporary: Option<PathBuf>,
}

/// The error for a directory that is not there. Only a path leads to one: that of names is made when it is missing.
fn missing(dir: &Path) -> Error {
    let why = format!(
        "there is no such directory; make it with `mkdir -p {}`, or leave out the slash: a name with a slash is a path",
        dir.shown()
    );
    Error::Directory { dir: dir.to_owned(), why }
}

impl Draft {
    /// A draft in `dir` for `path`.
    pub(crate) fn new(dir: &Path, path: &Path) -> Result<Draft, Error> {
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        match nix::fcntl::open(dir, flags, Mode::from_bits_truncate(0o600)) {
            Ok(fd) => return Ok(Draft { file: fd.into(), temporary: None }),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {}
            Err(Errno::ENOENT) => return Err(missing(dir)),
            Err(e) => return Err(Error::io("create a file in", dir, e.into())),
        }
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = dir.join(format!(".{file_name}.{}.{}", std::process::id(), monotonic_ns()));
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|e| Error::io("create", &temporary, e))?;
        Ok(Draft { file, temporary: Some(temporary) })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Sets the mode, whatever the umask is.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(nix::sys::stat::fchmod(&self.file, Mode::from_bits_truncate(mode))?)
    }

    /// A path that leads to the file.
    pub(crate) fn place(&self) -> PathBuf {
        let by_descriptor = || PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        self.temporary.clone().unwrap_or_else(by_descriptor)
    }

    /// Gives the file its name; [`Error::Exists`] if there is one of that name.
    pub(crate) fn link(&self, path: &Path) -> Result<(), Error> {
        let from = self.place();
        let at = nix::fcntl::AT_FDCWD;
        match nix::unistd::linkat(at, &from, at, path, AtFlags::AT_SYMLINK_FOLLOW) {
            Ok(()) => Ok(()),
            Err(Errno::EEXIST) => Err(Error::Exists { path: path.to_owned() }),
            Err(e) => Err(Error::io("name", path, e.into())),
        }
    }

    /// The file, which stays without a name.
    pub(crate) fn into_unnamed(self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // If this fails, a hidden file is left behind, which is not taken for a ring.
            let _ = std::fs::remove_file(temporary);
        }
    }
}
