//! Kernel locks as proof of life.
//!
//! An open-file-description lock lives as long as its description, and a mapping keeps the description
//! alive after the descriptor is closed. So: open the file, map one page of it, keep that page from
//! children, lock one byte, close the descriptor. From then on the lock ends exactly when the page is
//! unmapped: by the process, or by the kernel when the process ends. It is immune to `close_range`, fork,
//! exec in a child, zombies, stopped processes and PID namespaces. Nothing touches the page, so the file may be empty.
//!
//! Some file systems (overlayfs) give the mapping another description and drop the lock at close;
//! [`keeps_locks`] tests for that.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::NonNull;

use nix::errno::Errno;

/// How a byte is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

impl Mode {
    fn kind(self) -> i32 {
        if self == Mode::Shared { libc::F_RDLCK } else { libc::F_WRLCK }
    }
}

/// The mapped page that keeps a lock. Not unmapped on drop, because in a forked child the address may belong to
/// another mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockPage(NonNull<libc::c_void>);

impl LockPage {
    pub(crate) fn as_ptr(self) -> *mut libc::c_void {
        self.0.as_ptr()
    }

    /// Ends the lock.
    ///
    /// # Safety
    /// `page` came from [`hold`] in this process (not its parent) and is not used again.
    pub(crate) unsafe fn release(page: *mut libc::c_void) {
        // SAFETY: one page, mapped by `hold`; the caller guarantees that it still is.
        unsafe { libc::munmap(page, 1) };
    }
}

// SAFETY: any thread may unmap the page, and nothing is read or written there.
unsafe impl Send for LockPage {}

fn flock(byte: i64, kind: i32) -> libc::flock {
    // SAFETY: all zero is a valid value of this plain C struct.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = byte;
    lock.l_len = 1;
    lock
}

/// Locks `byte` of `file` and ties the lock to a mapping; the caller closes `file` afterwards. `None` if the byte is
/// locked through another description. Each lock needs a description of its own: a freshly opened `file`.
pub(crate) fn hold(file: &File, byte: i64, mode: Mode) -> io::Result<Option<LockPage>> {
    // SAFETY: a new mapping at an address of the kernel's choice; length 1 means one page.
    let page = unsafe {
        libc::mmap(std::ptr::null_mut(), 1, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0)
    };
    let page = match NonNull::new(page) {
        Some(page) if page.as_ptr() != libc::MAP_FAILED => page,
        _ => return Err(io::Error::last_os_error()),
    };
    let locked = (|| {
        // Before the lock: a child made in between must not keep it alive.
        // SAFETY: advice on the page just mapped.
        Errno::result(unsafe { libc::madvise(page.as_ptr(), 1, libc::MADV_DONTFORK) })?;
        set(file, byte, mode.kind())
    })();
    match locked {
        Ok(()) => Ok(Some(LockPage(page))),
        Err(errno) => {
            // SAFETY: the page just mapped; no other reference to it exists.
            unsafe { LockPage::release(page.as_ptr()) };
            match errno {
                Errno::EAGAIN | Errno::EACCES => Ok(None),
                other => Err(other.into()),
            }
        }
    }
}

/// A lock for a short section, without a mapping: it ends with the value or the process.
#[derive(Debug)]
pub(crate) struct ScopedLock {
    file: File,
    byte: i64,
}

impl ScopedLock {
    /// Locks `byte` of a freshly opened `file`. Returns the file if the byte is locked already.
    pub(crate) fn try_hold(file: File, byte: i64, mode: Mode) -> io::Result<Result<ScopedLock, File>> {
        match set(&file, byte, mode.kind()) {
            Ok(()) => Ok(Ok(ScopedLock { file, byte })),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(Err(file)),
            Err(other) => Err(other.into()),
        }
    }

    /// The file, which is left locked: until the last process that has the description closes it.
    pub(crate) fn leave(self) -> File {
        let kept = std::mem::ManuallyDrop::new(self);
        // SAFETY: read once, and what it is read from is not used or dropped again.
        unsafe { std::ptr::read(&raw const kept.file) }
    }
}

impl Drop for ScopedLock {
    fn drop(&mut self) {
        // A child forked meanwhile shares the description, so closing the file would not unlock. If this fails,
        // the lock ends with the last process that has the description.
        let _ = set(&self.file, self.byte, libc::F_UNLCK);
    }
}

fn set(file: &File, byte: i64, kind: i32) -> nix::Result<()> {
    let lock = flock(byte, kind);
    // SAFETY: a valid descriptor and struct.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }).map(drop)
}

/// Whether `byte` is locked. `probe` must be a description that holds no locks itself: through the owner's own
/// description, a held lock seems free.
pub(crate) fn is_held(probe: &File, byte: i64) -> io::Result<bool> {
    let mut lock = flock(byte, libc::F_WRLCK);
    // SAFETY: a valid descriptor and struct, which the kernel fills in.
    Errno::result(unsafe { libc::fcntl(probe.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) })?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// Whether the file system of `path` keeps a lock with a mapping. Tested on `byte`, which no other process uses.
pub(crate) fn keeps_locks(path: &Path, byte: i64) -> io::Result<bool> {
    let open = || File::options().read(true).write(true).open(path);
    let Some(page) = hold(&open()?, byte, Mode::Exclusive)? else { return Ok(true) };
    let kept = open().and_then(|probe| is_held(&probe, byte));
    // SAFETY: from `hold` just now.
    unsafe { LockPage::release(page.as_ptr()) };
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_page() {
        // Empty, as lock files are.
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let open = || File::options().read(true).write(true).open(file.path()).unwrap();
        let page = hold(&open(), 7, Mode::Exclusive).unwrap().unwrap();
        assert!(is_held(&open(), 7).unwrap());
        assert!(!is_held(&open(), 8).unwrap());
        assert!(hold(&open(), 7, Mode::Exclusive).unwrap().is_none());
        // SAFETY: held above, released once.
        unsafe { LockPage::release(page.as_ptr()) };
        assert!(!is_held(&open(), 7).unwrap());
        assert!(keeps_locks(file.path(), 9).unwrap());
    }

    #[test]
    fn shared_locks_exclude_an_exclusive_one() {
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let open = || File::options().read(true).write(true).open(file.path()).unwrap();
        file.as_file().set_len(4096).unwrap();
        let a = hold(&open(), 1, Mode::Shared).unwrap().unwrap();
        let b = hold(&open(), 1, Mode::Shared).unwrap().unwrap();
        assert!(hold(&open(), 1, Mode::Exclusive).unwrap().is_none());
        for page in [a, b] {
            // SAFETY: held above, released once.
            unsafe { LockPage::release(page.as_ptr()) };
        }
        assert!(hold(&open(), 1, Mode::Exclusive).unwrap().is_some());
    }
}
