//! An exclusive lock on an open file.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// The outcome of an attempt to lock a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locking {
    /// The file is locked for this writer.
    Done,
    /// A process that may write the file holds it.
    HeldExclusively,
    /// A process holds it that may be allowed no more than to read the file, so it proves no other writer.
    HeldShared,
}

/// How often a lock that was released in the very moment is tried again.
const ATTEMPTS: u32 = 16;

/// Locks the file for this writer. The kernel ties the lock to the open file description: it is released when the
/// process dies, and two writers in one process exclude each other too.
pub(crate) fn try_lock(file: &File) -> io::Result<Locking> {
    for _ in 0..ATTEMPTS {
        let mut whole = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        match fcntl(file, FcntlArg::F_OFD_SETLK(&whole)) {
            Ok(_) => return Ok(Locking::Done),
            Err(Errno::EAGAIN | Errno::EACCES) => {}
            Err(errno) => return Err(errno.into()),
        }
        // A writer's lock covers the whole file and is exclusive, so it is the only one if there is one.
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut whole))?;
        match i32::from(whole.l_type) {
            libc::F_WRLCK => return Ok(Locking::HeldExclusively),
            libc::F_RDLCK => return Ok(Locking::HeldShared),
            _ => {}
        }
    }
    // A writer keeps its lock as long as it runs; only a reader's comes and goes.
    Ok(Locking::HeldShared)
}
