//! Holds: who still needs a ring that is to be removed after its last user.
//!
//! A process attaches to a ring when it first uses it, so a forked child that has not done so is not seen. A hold is
//! inherited: its lock belongs to an open file description, which the child shares. A second lock belongs to a mapping,
//! because a daemon closes the descriptors that it has.

#![allow(unsafe_code)]

use std::fs::File;

use crate::error::Error;
use crate::os::fork_guard;
use crate::os::ofd_lock::{self, LockPage, Mode, ScopedLock};
use crate::ring::handle::Ring;
use crate::ring::lock_file::LockFile;
use crate::shm::layout::lock as lock_byte;

/// Keeps a ring from being removed by [`remove_unheld`](crate::admin::remove_unheld), as long as this value is there,
/// or a copy in a forked child that has not ended. A child that closes descriptors it does not know takes a hold of its
/// own. Does not pass on to programs that are executed.
#[derive(Debug)]
pub struct Hold {
    #[cfg_attr(not(test), expect(dead_code, reason = "the lock is as long-lived as the description"))]
    file: File,
    page: LockPage,
    /// The process that has the page: its children do not.
    pid: u32,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            // SAFETY: from `hold` in this process, released once.
            unsafe { LockPage::release(self.page.as_ptr()) };
        }
    }
}

impl Ring {
    /// Holds the ring. `None` if it was removed meanwhile, or is just being removed: then make it anew.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no descriptor or lock for it.
    pub fn hold(&self) -> Result<Option<Hold>, Error> {
        let session = self.session();
        let io = |e| Error::io("lock", session.lock_file.path(), e);
        let Some(file) = session.lock_file.open().map_err(io)? else { return Ok(None) };
        let Some(again) = session.lock_file.open().map_err(io)? else { return Ok(None) };
        let Ok(lock) = ScopedLock::try_hold(file, lock_byte::HOLD, Mode::Shared).map_err(io)? else {
            return Ok(None);
        };
        let page = {
            let _no_fork = fork_guard::block_forks();
            ofd_lock::hold(&again, lock_byte::HOLD, Mode::Shared).map_err(io)?
        };
        let Some(page) = page else { return Ok(None) };
        let hold = Hold { file: lock.leave(), page, pid: std::process::id() };
        // Who removes a ring keeps its own lock meanwhile, so what is there now stays.
        let is_there = session.lock_file.is_there() && session.identity.is_at(&session.path);
        Ok(is_there.then_some(hold))
    }
}

impl LockFile {
    /// Locks out who would hold the ring; `None` if somebody does.
    pub(crate) fn lock_holders_out(&self) -> std::io::Result<Option<ScopedLock>> {
        let file = self.open()?.ok_or(std::io::ErrorKind::NotFound)?;
        Ok(ScopedLock::try_hold(file, lock_byte::HOLD, Mode::Exclusive)?.ok())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::admin;

    fn ring_in(dir: &tempfile::TempDir) -> (Ring, String) {
        let name = dir.path().join("ring").to_str().unwrap().to_owned();
        (Ring::options().size("1MiB").create(&name).unwrap(), name)
    }

    /// Forks a child that does `act`, and then stays until it is told to end.
    fn child(act: impl FnOnce()) -> (libc::pid_t, std::io::PipeWriter) {
        let (mut told, tell) = std::io::pipe().unwrap();
        let (mut ready, mut is_ready) = std::io::pipe().unwrap();
        // SAFETY: the child calls what may be called after a fork of a process with threads, and ends.
        match unsafe { libc::fork() } {
            0 => {
                drop(tell);
                act();
                let _ = is_ready.write_all(b"1");
                let _ = told.read(&mut [0]);
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(0) }
            }
            pid => {
                drop(is_ready);
                ready.read_exact(&mut [0]).unwrap();
                (pid, tell)
            }
        }
    }

    fn end((pid, tell): (libc::pid_t, std::io::PipeWriter)) {
        drop(tell);
        // SAFETY: our own child.
        assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
    }

    #[test]
    fn a_forked_child_holds_the_ring_too() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let (ring, name) = ring_in(&dir);
        let hold = ring.hold().unwrap().unwrap();
        let child = child(|| ());
        drop(hold);
        assert!(!admin::remove_unheld(&name).unwrap(), "its child lives");
        end(child);
        assert!(admin::remove_unheld(&name).unwrap());
        assert!(ring.hold().unwrap().is_none(), "it is gone");
        assert!(!admin::remove_unheld(&name).unwrap(), "it is gone");
    }

    #[test]
    fn a_hold_outlives_its_descriptor() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let (ring, name) = ring_in(&dir);
        let hold = ring.hold().unwrap().unwrap();
        let child = child(|| {
            let own = ring.hold().unwrap().unwrap();
            for inherited in [&hold.file, &own.file] {
                // SAFETY: the child does not use these values any more.
                unsafe { libc::close(inherited.as_raw_fd()) };
            }
            std::mem::forget(own);
        });
        drop(hold);
        assert!(!admin::remove_unheld(&name).unwrap(), "its child lives");
        end(child);
        assert!(admin::remove_unheld(&name).unwrap());
    }

    #[test]
    fn nobody_holds_a_ring_that_is_being_removed() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let (ring, name) = ring_in(&dir);
        let unheld = admin::unheld(&name).unwrap().unwrap();
        assert!(ring.hold().unwrap().is_none());
        assert!(admin::unheld(&name).unwrap().is_none());
        drop(unheld);
        assert!(ring.hold().unwrap().is_some());
    }
}
