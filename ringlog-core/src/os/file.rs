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

    /// As `of`, from the kernel's own struct.
    pub(crate) fn of_stat(stat: &libc::stat) -> Identity {
        Identity { device: stat.st_dev, inode: stat.st_ino }
    }

    /// Whether `path` still leads to this file. Allocates nothing.
    pub(crate) fn is_at(self, path: &Path) -> bool {
        let Ok(path) = c_path(path) else { return false };
        // SAFETY: all zero is a valid value of this plain C struct.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: a text that ends with a NUL, and a struct, which the kernel fills in.
        let found = unsafe { libc::stat(path.as_ptr().cast(), &raw mut stat) };
        found == 0 && Identity { device: stat.st_dev, inode: stat.st_ino } == self
    }

    /// Whether `file` is this file.
    pub(crate) fn is_of(self, file: &File) -> bool {
        file.metadata().is_ok_and(|meta| Identity::of(&meta) == self)
    }

    /// A number that differs for different files of a machine as good as always.
    pub(crate) fn number(self) -> u64 {
        self.device.rotate_left(40) ^ self.inode
    }

    /// The inode's number, as in `/proc/PID/maps`.
    pub(crate) fn inode(self) -> u64 {
        self.inode
    }

    /// The device's major and minor number, as in `/proc/PID/maps`.
    pub(crate) fn device_numbers(self) -> (u32, u32) {
        (libc::major(self.device), libc::minor(self.device))
    }

    #[cfg(test)]
    pub(crate) fn of_numbers((major, minor): (u32, u32), inode: u64) -> Identity {
        Identity { device: libc::makedev(major, minor), inode }
    }
}

/// The path as C takes it, without an allocation.
fn c_path(path: &Path) -> io::Result<[u8; libc::PATH_MAX as usize]> {
    let mut buffer = [0; libc::PATH_MAX as usize];
    let bytes = path.as_os_str().as_bytes();
    match buffer.get_mut(..bytes.len()) {
        // Behind the path at least one zero is left.
        Some(target) if bytes.len() < libc::PATH_MAX as usize => target.copy_from_slice(bytes),
        _ => return Err(Errno::ENAMETOOLONG.into()),
    }
    Ok(buffer)
}

/// Opens a file with these flags, and those of every open here. Allocates nothing, and never waits: `path` may lead
/// to a pipe.
pub(crate) fn open(path: &Path, flags: i32) -> io::Result<File> {
    let path = c_path(path)?;
    // SAFETY: a text that ends with a NUL.
    let fd = unsafe { libc::open(path.as_ptr().cast(), flags | libc::O_CLOEXEC | libc::O_NONBLOCK) };
    Errno::result(fd)?;
    // SAFETY: a descriptor just opened and owned by nothing else.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// What is at the path: a symbolic link there is itself meant, or what it leads to. Allocates nothing.
pub(crate) fn look_at(path: &Path, follow: bool) -> io::Result<libc::stat> {
    let path = c_path(path)?;
    // SAFETY: all zero is a valid value of this plain C struct.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    let stat_at = if follow { libc::stat } else { libc::lstat };
    // SAFETY: a text that ends with a NUL, and a struct, which the kernel fills in.
    Errno::result(unsafe { stat_at(path.as_ptr().cast(), &raw mut stat) })?;
    Ok(stat)
}

/// Opens the file again, for a lock or a probe, which need a description of their own. `None` if `path` leads to
/// another file by now. Allocates nothing, and never waits: `path` may lead to a pipe by now.
pub(crate) fn reopen(path: &Path, identity: Identity, write: bool) -> io::Result<Option<File>> {
    let file = open(path, if write { libc::O_RDWR } else { libc::O_RDONLY })?;
    let same = Identity::of(&file.metadata()?) == identity;
    Ok(same.then_some(file))
}

/// The size of the file of this identity, if it is at `path` and less than `bytes`.
pub(crate) fn size_at_if_shorter(path: &Path, identity: Identity, bytes: u64) -> Option<u64> {
    let meta = path.metadata().ok()?;
    (Identity::of(&meta) == identity && meta.len() < bytes).then_some(meta.len())
}

/// The size of the file, if it is less than `bytes`. `None` also if the size cannot be read, because that proves
/// nothing.
pub(crate) fn size_if_shorter(file: &File, bytes: u64) -> Option<u64> {
    nix::sys::stat::fstat(file).ok().map(|stat| stat.st_size as u64).filter(|found| *found < bytes)
}
