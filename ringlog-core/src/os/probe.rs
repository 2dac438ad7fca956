//! Asks the kernel whether a lock is held.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::os::file::{self, Identity};
use crate::os::ofd_lock;

/// A description of a ring's lock file through which locks are queried. Read-only, so that it is never an owner's:
/// through the description that holds it, a lock seems free.
///
/// A program may close descriptors that it does not know. The number may then belong to another file, in which no
/// lock is held and every owner seems dead. So an answer counts only if the descriptor is still the probe's own
/// afterwards; otherwise the file is opened again.
#[derive(Debug)]
pub(crate) struct Probe {
    path: PathBuf,
    identity: Identity,
    file: RefCell<ManuallyDrop<File>>,
}

/// How often one query opens the file again.
const TRIES: u32 = 3;

impl Probe {
    /// Opens the file; [`io::ErrorKind::NotFound`] if `path` leads to another one by now.
    pub(crate) fn open(path: &Path, identity: Identity) -> io::Result<Probe> {
        let file = RefCell::new(ManuallyDrop::new(open(path, identity)?));
        Ok(Probe { path: path.to_owned(), identity, file })
    }

    /// Whether `byte` is locked.
    pub(crate) fn is_held(&self, byte: i64) -> io::Result<bool> {
        for _ in 0..TRIES {
            let held = ofd_lock::is_held(&self.file.borrow(), byte);
            // Checked after the query: if the descriptor is the probe's now, it was during the query.
            if self.is_ours() {
                return held;
            }
            // The old one is not dropped: its number may belong to another file now, which stays open.
            *self.file.borrow_mut() = ManuallyDrop::new(open(&self.path, self.identity)?);
        }
        Err(io::Error::other("its descriptor is closed by another part of this program again and again"))
    }

    fn is_ours(&self) -> bool {
        let file = self.file.borrow();
        // SAFETY: reads the flags of the descriptor, open or not.
        let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
        flags >= 0 && flags & libc::O_ACCMODE == libc::O_RDONLY && self.identity.is_of(&file)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(self.file.get_mut()) };
        }
    }
}

fn open(path: &Path, identity: Identity) -> io::Result<File> {
    let gone = || io::Error::new(io::ErrorKind::NotFound, "its path leads to another file by now");
    file::reopen(path, identity, false)?.ok_or_else(gone)
}

#[cfg(test)]
mod tests {
    use std::os::fd::{FromRawFd, OwnedFd};

    use super::*;
    use crate::os::fork_guard;
    use crate::os::ofd_lock::{LockPage, Mode};

    fn read_write(path: &Path) -> File {
        File::options().read(true).write(true).open(path).unwrap()
    }

    /// Puts `file` in the place of the probe's descriptor, as a program does that closes unknown descriptors and
    /// then opens a file.
    fn replace_descriptor(probe: &Probe, file: &File) -> OwnedFd {
        let number = probe.file.borrow().as_raw_fd();
        // SAFETY: two open descriptors; the probe copes with the loss of its own.
        assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
        // SAFETY: made just now; the probe will find that it is not its own.
        unsafe { OwnedFd::from_raw_fd(number) }
    }

    #[test]
    fn a_probe_without_its_descriptor_reports_no_false_death() {
        let ring = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        ring.as_file().set_len(4096).unwrap();
        // A child forked by another test would inherit `owner` and keep its lock.
        fork_guard::prepare();
        let no_fork = fork_guard::block_forks();
        let owner = read_write(ring.path());
        let page = ofd_lock::hold(&owner, 7, Mode::Exclusive).unwrap().unwrap();
        let identity = Identity::of(&ring.as_file().metadata().unwrap());
        let probe = Probe::open(ring.path(), identity).unwrap();
        assert!(probe.is_held(7).unwrap());
        let replaced = replace_descriptor(&probe, &File::open("/dev/null").unwrap());
        assert!(probe.is_held(7).unwrap(), "asked of another file");
        drop(replaced);
        let replaced = replace_descriptor(&probe, &owner);
        assert!(probe.is_held(7).unwrap(), "asked through the owner's own description");
        drop(replaced);
        drop(replace_descriptor(&probe, &owner));
        assert!(probe.is_held(7).unwrap(), "asked of nothing, or of what another test has opened since");
        assert!(!probe.is_held(8).unwrap());
        // SAFETY: held above, released once.
        unsafe { LockPage::release(page.as_ptr()) };
        drop(owner);
        drop(no_fork);
        assert!(!probe.is_held(7).unwrap());
    }

    #[test]
    fn a_dropped_probe_closes_no_foreign_descriptor() {
        let ring = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let other = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let identity = Identity::of(&ring.as_file().metadata().unwrap());
        let probe = Probe::open(ring.path(), identity).unwrap();
        let others = File::from(replace_descriptor(&probe, other.as_file()));
        drop(probe);
        assert!(others.metadata().is_ok(), "it is still open");
    }

    #[test]
    fn a_probe_that_cannot_open_again_returns_an_error() {
        let ring = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let identity = Identity::of(&ring.as_file().metadata().unwrap());
        let probe = Probe::open(ring.path(), identity).unwrap();
        let _others = replace_descriptor(&probe, &File::open("/dev/null").unwrap());
        std::fs::remove_file(ring.path()).unwrap();
        assert_eq!(probe.is_held(7).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
