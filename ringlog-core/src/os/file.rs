//! The identity of files, independent of their path.

#![allow(unsafe_code)]

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;

/// The identity of a file, independent of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(meta: &Metadata) -> Identity {
        Identity { device: meta.dev(), inode: meta.ino() }
    }

    /// Whether `path` still leads to this file.
    pub(crate) fn is_at(self, path: &Path) -> bool {
        path.metadata().is_ok_and(|meta| Identity::of(&meta) == self)
    }

    /// Whether `file` is this file.
    pub(crate) fn is_of(self, file: &File) -> bool {
        file.metadata().is_ok_and(|meta| Identity::of(&meta) == self)
    }

    /// The inode's number, as in `/proc/PID/maps`.
    pub(crate) fn inode(self) -> u64 {
        self.inode
    }
}

/// Opens the file again, for a lock or a probe, which need a description of their own. `None` if `path` leads to
/// another file by now. Allocates nothing.
pub(crate) fn reopen(path: &Path, identity: Identity, write: bool) -> io::Result<Option<File>> {
    // Without `File::open`, which allocates for long paths.
    let mut buffer = [0_u8; libc::PATH_MAX as usize];
    let bytes = path.as_os_str().as_bytes();
    let Some(target) = buffer.get_mut(..bytes.len()) else { return Err(Errno::ENAMETOOLONG.into()) };
    target.copy_from_slice(bytes);
    let access = if write { libc::O_RDWR } else { libc::O_RDONLY };
    if bytes.len() == libc::PATH_MAX as usize {
        return Err(Errno::ENAMETOOLONG.into());
    }
    // SAFETY: the buffer is longer than the path and zero behind it, so it ends with a NUL.
    let fd = unsafe { libc::open(buffer.as_ptr().cast(), access | libc::O_CLOEXEC) };
    Errno::result(fd)?;
    // SAFETY: a descriptor just opened and owned by nothing else.
    let file = unsafe { File::from_raw_fd(fd) };
    let same = Identity::of(&file.metadata()?) == identity;
    Ok(same.then_some(file))
}

/// The size of the file, if it is less than `bytes`. `None` also if the size cannot be read, because that proves
/// nothing.
pub(crate) fn size_if_shorter(file: &File, bytes: u64) -> Option<u64> {
    nix::sys::stat::fstat(file).ok().map(|stat| stat.st_size as u64).filter(|found| *found < bytes)
}
