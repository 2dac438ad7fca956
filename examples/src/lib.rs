//! What the examples in README.md and docs/logging.md need to run as documentation tests.
//!
//! The tests themselves are made by `build.rs`, one for each block and named after the line it begins in.
//! Besides ringlog they use [`log`] and, to fork, `libc::fork`.

#[cfg(doctest)]
pub mod documents {
    include!(concat!(env!("OUT_DIR"), "/documents.rs"));
}

use ringlog::testing::{Capture, Captured};

/// Lets names of rings stand for files in a directory that is gone with the result.
///
/// # Panics
/// If there is no room for one in shared memory.
#[allow(unsafe_code)]
pub fn own_rings() -> tempfile::TempDir {
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory in shared memory");
    // SAFETY: called first of all in a process of its own, which has no other thread yet.
    unsafe {
        std::env::set_var("RINGLOG_DIR", directory.path());
        std::env::remove_var("RINGLOG");
        std::env::remove_var("RINGLOG_LEVEL");
    }
    directory
}

/// Checks that just this was logged: messages, or levels, loggers and messages where a text does not fit the
/// message alone.
///
/// # Panics
/// If it was not.
pub fn check(log: &Capture, promised: &[&str]) {
    let logged = log.everything();
    let messages: Vec<String> = logged.iter().map(Captured::message).collect();
    assert_eq!(logged.len(), promised.len(), "promised {promised:#?}, logged {messages:#?}");
    for (record, promised) in logged.iter().zip(promised) {
        let message = record.message().replace('\n', "\\n");
        let whole = format!("{} {}: {message}", record.level(), record.logger());
        assert!(
            [&message, &whole].contains(&&promised.to_string()),
            "promised {promised:?}, logged {whole:?}"
        );
    }
}
