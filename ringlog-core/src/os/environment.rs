//! The variables of the environment that ringlog reads.

#![allow(unsafe_code)]

use std::ffi::OsString;

/// The value of a variable of ringlog's own, such as `RINGLOG_DIR`; `None` if it is empty.
///
/// Also `None` in a process that has more rights than the one that started it, and with it chose its environment: a
/// setuid or setgid program, or one with file capabilities (`AT_SECURE`). Otherwise such a program would write where
/// its caller says, and start the program that its caller names.
pub fn variable(name: &str) -> Option<OsString> {
    if is_from_stranger() {
        return None;
    }
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether the environment comes from a process with fewer rights than this one.
pub fn is_from_stranger() -> bool {
    // SAFETY: reads a word that the kernel gave the process at its start.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
