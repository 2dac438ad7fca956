//! The surroundings in which the examples of README.md and docs/logging.md run as documentation tests.
//!
//! The tests themselves are made by `build.rs`, one for each block and named after the line it begins in.
//! Besides ringlog they use [`log`] and, to fork, `libc::fork`.

#[cfg(doctest)]
pub mod documents {
    include!(concat!(env!("OUT_DIR"), "/documents.rs"));
}

use ringlog::testing::{Capture, Captured};

/// Puts rings into a directory that is removed with the result, and removes the environment variables that ringlog
/// reads.
///
/// # Panics
/// If shared memory has no room for the directory.
#[allow(unsafe_code)]
pub fn own_rings() -> tempfile::TempDir {
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory in shared memory");
    // SAFETY: called first of all in a process of its own, which has no other thread yet.
    unsafe {
        std::env::set_var("RINGLOG_DIR", directory.path());
        for variable in ["RINGLOG", "RINGLOG_LEVEL", "RUST_BACKTRACE", "RUST_LIB_BACKTRACE"] {
            std::env::remove_var(variable);
        }
    }
    directory
}

/// Checks that exactly these records were logged: each a message, or level, logger and message, with `…` for any text.
///
/// # Panics
/// If others were logged.
pub fn check(log: &Capture, promised: &[&str]) {
    let logged = log.everything();
    let messages: Vec<String> = logged.iter().map(Captured::message).collect();
    assert_eq!(logged.len(), promised.len(), "promised {promised:#?}, logged {messages:#?}");
    for (record, promised) in logged.iter().zip(promised) {
        let message = record.message().replace('\n', "\\n");
        let whole = format!("{} {}: {message}", record.level(), record.logger());
        let is_kept = keeps(promised, &message) || keeps(promised, &whole);
        assert!(is_kept, "promised {promised:?}, logged {whole:?}");
    }
}

fn keeps(promised: &str, logged: &str) -> bool {
    match promised.split_once('…') {
        Some((start, end)) => logged.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
        None => promised == logged,
    }
}

#[test]
fn a_promise_is_kept_or_not() {
    assert!(keeps("a b", "a b") && keeps("a … b", "a x b") && keeps("a…", "a"));
    assert!(!keeps("a b", "a bc") && !keeps("a … b", "a x c") && !keeps("a…a", "a"));
}
