//! Proof that no other process has a file open, so that it may be removed.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::libc::{self, c_int};

/// `F_SETSIG` of Linux, which libc does not name.
const F_SETSIG: c_int = 10;

/// While it lasts, no other process opens the file: it waits until it is dropped, or is refused with `EWOULDBLOCK` if
/// it opens without waiting.
pub(super) struct Lease<'a> {
    file: &'a File,
}

impl Lease<'_> {
    /// `None` if the file is open elsewhere, also in this process, or if its file system has no leases.
    pub(super) fn take(file: &File) -> Option<Lease<'_>> {
        // The kernel signals that another process waits. SIGIO would end this one; SIGURG is ignored.
        let is_taken =
            set(file, F_SETSIG, libc::SIGURG) && set(file, libc::F_SETLEASE, libc::F_WRLCK as c_int);
        is_taken.then_some(Lease { file })
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // If this fails, closing the file ends the lease.
        set(self.file, libc::F_SETLEASE, libc::F_UNLCK as c_int);
    }
}

fn set(file: &File, command: c_int, argument: c_int) -> bool {
    // SAFETY: The descriptor is open as long as `file` is borrowed. With `F_SETSIG` and `F_SETLEASE`, the only commands
    // that the callers here pass, fcntl takes a number as its argument and accesses no memory.
    unsafe { libc::fcntl(file.as_raw_fd(), command, argument) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_given_only_for_a_file_that_is_open_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let file = File::create(&path).unwrap();
        let other = File::open(&path).unwrap();
        assert!(Lease::take(&file).is_none());
        drop(other);
        let lease = Lease::take(&file).unwrap();
        drop(lease);
        File::open(&path).unwrap();
    }
}
