//! Asking the kernel who lives.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::os::file::{self, Identity};
use crate::os::ofd_lock;

/// A description of a ring's file to ask for locks with. Read-only, so that it can never be an owner's:
/// asked through the description that holds it, a lock seems free.
///
/// A program may close descriptors that it does not know; the number may be another file's then, whose
/// locks would say that everybody is dead. So each answer counts only if the descriptor is still ours
/// after it was given, and else the file is opened anew.
#[derive(Debug)]
pub(crate) struct Probe {
    path: PathBuf,
    identity: Identity,
    file: RefCell<ManuallyDrop<File>>,
}

/// How often to open the file anew for one question.
const TRIES: u32 = 3;

impl Probe {
    /// Opens the file; [`io::ErrorKind::NotFound`] if `path` leads to another one by now.
    pub(crate) fn open(path: &Path, identity: Identity) -> io::Result<Probe> {
        let file = RefCell::new(ManuallyDrop::new(open(path, identity)?));
        Ok(Probe { path: path.to_owned(), identity, file })
    }

    /// Whether anybody holds a lock on `byte`.
    pub(crate) fn is_held(&self, byte: i64) -> io::Result<bool> {
        for _ in 0..TRIES {
            let held = ofd_lock::is_held(&self.file.borrow(), byte);
            // After the question: what it was asked of is ours if this still is.
            if self.is_ours() {
                return held;
            }
            // The old one is not dropped: whatever has its number now is not ours to close.
            *self.file.borrow_mut() = ManuallyDrop::new(open(&self.path, self.identity)?);
        }
        Err(io::Error::other("its descriptor is closed by another part of this program again and again"))
    }

    /// The size of the file, if it is less than `bytes`. Nothing is said through a descriptor that has been
    /// closed: the next question opens another.
    pub(crate) fn size_if_shorter(&self, bytes: u64) -> Option<u64> {
        let found = file::size_if_shorter(&self.file.borrow(), bytes);
        found.filter(|_| self.is_ours())
    }

    fn is_ours(&self) -> bool {
        let file = self.file.borrow();
        // SAFETY: asks for the flags of whatever the descriptor is, if anything.
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
    use crate::os::ofd_lock::{LockPage, Mode};

    fn read_write(path: &Path) -> File {
        File::options().read(true).write(true).open(path).unwrap()
    }

    /// Puts `file` in the place of the probe's descriptor, as a program does that closes what it does not
    /// know and then opens something.
    fn replace_descriptor(probe: &Probe, file: &File) -> OwnedFd {
        let number = probe.file.borrow().as_raw_fd();
        // SAFETY: two open descriptors; the probe copes with the loss of its own.
        assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
        // SAFETY: made just now, and the probe will find that it is not its own.
        unsafe { OwnedFd::from_raw_fd(number) }
    }

    #[test]
    fn a_probe_whose_descriptor_is_closed_or_replaced_calls_nobody_dead() {
        let ring = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        ring.as_file().set_len(4096).unwrap();
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
        assert!(!probe.is_held(7).unwrap());
    }

    #[test]
    fn a_probe_that_is_dropped_closes_nobody_elses_descriptor() {
        let ring = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let other = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let identity = Identity::of(&ring.as_file().metadata().unwrap());
        let probe = Probe::open(ring.path(), identity).unwrap();
        let others = File::from(replace_descriptor(&probe, other.as_file()));
        drop(probe);
        assert!(others.metadata().is_ok(), "it is still open");
    }

    #[test]
    fn a_probe_that_can_not_be_opened_anew_says_so() {
        let ring = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let identity = Identity::of(&ring.as_file().metadata().unwrap());
        let probe = Probe::open(ring.path(), identity).unwrap();
        let _others = replace_descriptor(&probe, &File::open("/dev/null").unwrap());
        std::fs::remove_file(ring.path()).unwrap();
        assert_eq!(probe.is_held(7).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
