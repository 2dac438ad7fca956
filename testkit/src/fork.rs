//! Forking in the middle of everything.

#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::unistd::{ForkResult, Pid};

/// Forks; the child runs `act` and ends without returning, and without destructors: with status 101 if it panics.
pub fn fork_child(act: impl FnOnce()) -> Pid {
    // SAFETY: the child runs `act`, which logs: that this is safe in the child of a process with many
    // threads is what the tests are about.
    match unsafe { nix::unistd::fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let ended = catch_unwind(AssertUnwindSafe(act));
            // SAFETY: ends the process at once, which is always allowed.
            unsafe { libc::_exit(if ended.is_ok() { 0 } else { 101 }) }
        }
    }
}
