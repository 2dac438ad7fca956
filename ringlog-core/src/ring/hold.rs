//! Holds: who still needs a ring that is to be removed after its last user.
//!
//! A process attaches to a ring when it first uses it, so a forked child that has not done so is not seen. A hold is
//! inherited: its lock belongs to an open file description, which the child shares.

use std::fs::File;

use crate::error::Error;
use crate::os::ofd_lock::{Mode, ScopedLock};
use crate::ring::handle::Ring;
use crate::ring::lock_file::LockFile;
use crate::shm::layout::lock as lock_byte;

/// Keeps a ring from being removed by [`remove_unheld`](crate::admin::remove_unheld), as long as this value is there,
/// or a copy in a forked child that has not ended. Does not pass on to programs that are executed.
#[derive(Debug)]
pub struct Hold {
    #[expect(dead_code, reason = "the lock is as long-lived as the description")]
    file: File,
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
        let Ok(lock) = ScopedLock::try_hold(file, lock_byte::HOLD, Mode::Shared).map_err(io)? else {
            return Ok(None);
        };
        // Who removes a ring keeps its own lock meanwhile, so what is there now stays.
        let is_there = session.lock_file.is_there() && session.identity.is_at(&session.path);
        Ok(is_there.then(|| Hold { file: lock.leave() }))
    }
}

impl LockFile {
    /// Locks out who would hold the ring; `None` if somebody does.
    pub(crate) fn lock_holders_out(&self) -> std::io::Result<Option<ScopedLock>> {
        let file = self.open()?.ok_or(std::io::ErrorKind::NotFound)?;
        Ok(ScopedLock::try_hold(file, lock_byte::HOLD, Mode::Exclusive)?.ok())
    }
}
