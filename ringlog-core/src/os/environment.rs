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

/// Why [`variable`] gives no value: the end of a sentence that begins with the variable.
pub(crate) fn why_missing(name: &str) -> &'static str {
    let is_set = || std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match is_from_stranger() && is_set() {
        true => {
            "is ignored: this program has more rights than its caller (setuid, setgid, file capabilities)"
        }
        false => "is not set",
    }
}

/// Whether the environment comes from a process with fewer rights than this one.
pub fn is_from_stranger() -> bool {
    // SAFETY: reads a word that the kernel gave the process at its start.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
