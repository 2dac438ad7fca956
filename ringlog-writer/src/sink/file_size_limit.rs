//! The limit of a process for the size of its files (`ulimit -f`). At the limit a write sends SIGXFSZ, which by default
//! kills the process, before it fails as on a full disk.

use std::fs;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::Once;

use signal_hook::consts::SIGXFSZ;

/// Lets a write at the limit fail without ending the process. A signal that is handled or ignored already stays so.
///
/// The signal gets a handler, because children would inherit that it is ignored. A handler ends with `exec`.
///
/// # Errors
/// The system's error.
pub(super) fn survive() -> io::Result<()> {
    static ONCE: Once = Once::new();
    let mut done = Ok(());
    ONCE.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        if !["SigIgn:", "SigCgt:"].iter().any(|set| has_signal(&status, set)) {
            done = signal_hook::flag::register(SIGXFSZ, Arc::default()).map(|_| ());
        }
    });
    done
}

/// Whether SIGXFSZ is in this set of signals of `/proc/PID/status`.
fn has_signal(status: &str, set: &str) -> bool {
    let words = status.lines().find_map(|line| line.strip_prefix(set));
    words
        .and_then(|word| u64::from_str_radix(word.trim(), 16).ok())
        .is_some_and(|set| set >> (SIGXFSZ - 1) & 1 == 1)
}

/// Adds to the error of a write what to do, if it is of this limit.
pub(super) fn explain(error: io::Error) -> io::Error {
    explain_as(error, || {
        "the writer may make no larger file; raise its limit (`ulimit -f`), or rotate by size".to_owned()
    })
}

/// Adds to the error of writing a checkpoint of `len` bytes what to do, if it is of this limit.
pub(super) fn explain_checkpoint(error: io::Error, len: u64) -> io::Error {
    explain_as(error, || {
        let size = len.div_ceil(1024);
        format!(
            "its checkpoint has {size} KiB, and the writer may make no file of this size; raise its limit (`ulimit -f`)"
        )
    })
}

fn explain_as(error: io::Error, what: impl FnOnce() -> String) -> io::Error {
    match error.kind() {
        ErrorKind::FileTooLarge => io::Error::new(ErrorKind::FileTooLarge, format!("{error}: {}", what())),
        _ => error,
    }
}
