//! A user who may read some files, and does there what reading allows.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::{Gid, Pid, Uid, pipe, read, setgid, setgroups, setuid, write};

use crate::fork_child;

const NOBODY: u32 = 65534;

/// Runs `act` in a child of the user `nobody`; whether it returned true. `None`, and a message, where this process may
/// not become another user.
pub fn as_stranger(act: impl FnOnce() -> bool) -> Option<bool> {
    if !Uid::effective().is_root() {
        println!("SKIPPED: only root can become another user");
        return None;
    }
    let child = fork_child(|| {
        become_nobody();
        let is_true = std::panic::catch_unwind(AssertUnwindSafe(act)).unwrap_or(false);
        // SAFETY: ends the process at once, which is always allowed.
        unsafe { libc::_exit(i32::from(!is_true)) }
    });
    Some(nix::sys::wait::waitpid(child, None).unwrap() == WaitStatus::Exited(child, 0))
}

fn become_nobody() {
    setgroups(&[]).unwrap();
    setgid(Gid::from_raw(NOBODY)).unwrap();
    setuid(Uid::from_raw(NOBODY)).unwrap();
}

/// A process of the user `nobody` that holds locks until it is dropped.
#[derive(Debug)]
pub struct Stranger {
    pid: Pid,
    opened: u32,
}

impl Stranger {
    /// Takes every lock that it can get on every file in `dir`, hidden ones too. `None`, and a message, where this
    /// process may not become another user.
    pub fn locking(dir: &Path) -> Option<Stranger> {
        if !Uid::effective().is_root() {
            println!("SKIPPED: only root can become another user");
            return None;
        }
        let (ready, report) = pipe().unwrap();
        let pid = fork_child(|| {
            close_all_but(&report);
            become_nobody();
            let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            let locked: Vec<File> = entries.filter_map(|path| lock_all(&path)).collect();
            write(&report, &[locked.len() as u8]).unwrap();
            loop {
                std::thread::park();
            }
        });
        let mut opened = [0];
        assert_eq!(read(&ready, &mut opened).unwrap(), 1);
        Some(Stranger { pid, opened: opened[0].into() })
    }

    /// How many files it could open.
    pub fn opened(&self) -> u32 {
        self.opened
    }
}

/// Closes what a forked child has inherited: locks of other tests in this process would be held by it too.
fn close_all_but(kept: &impl AsRawFd) {
    let kept = kept.as_raw_fd().unsigned_abs();
    // SAFETY: the child uses none of these descriptors, and its destructors do not run.
    unsafe {
        libc::close_range(3, kept - 1, 0);
        libc::close_range(kept + 1, libc::c_uint::MAX, 0);
    }
}

/// Opens the file for as much as it may, and locks all of it in every way there is.
fn lock_all(path: &Path) -> Option<File> {
    let open = |write| File::options().read(true).write(write).custom_flags(libc::O_NONBLOCK).open(path);
    let file = open(true).or_else(|_| open(false)).ok()?;
    // SAFETY: all zero is a valid value of this plain C struct.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    for kind in [libc::F_WRLCK, libc::F_RDLCK] {
        lock.l_type = kind as libc::c_short;
        // SAFETY: valid descriptors and structs; what is refused is not held.
        unsafe {
            libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock);
            libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock);
            libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB);
            libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK);
        }
    }
    Some(file)
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = nix::sys::wait::waitpid(self.pid, None);
    }
}
