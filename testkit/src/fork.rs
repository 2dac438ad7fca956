//! Forking in the middle of everything.

#![allow(unsafe_code)]

use nix::unistd::{ForkResult, Pid};

/// Forks; the child runs `act` and ends without returning, and without destructors.
pub fn fork_child(act: impl FnOnce()) -> Pid {
    // SAFETY: the child runs `act`, which logs: that this is safe in the child of a process with many
    // threads is what the tests are about.
    match unsafe { nix::unistd::fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            act();
            // SAFETY: ends the process at once, which is always allowed.
            unsafe { libc::_exit(0) }
        }
    }
}
