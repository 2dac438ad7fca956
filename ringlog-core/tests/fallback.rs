//! Without a ring, or with one that cannot be opened, records go to standard error.
#![cfg(feature = "log")]

use std::process::Command;

use ringlog::{Initialized, critical, debug, info, init, log_panics};

/// The environment variable of the process that logs.
const ROLE: &str = "RINGLOG_TEST_LOGS";

/// The standard error of a process that logs with these variables set.
fn printed(variables: &[(&str, &str)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "a_process_that_logs", "--nocapture"])
        .env_remove("RINGLOG")
        .env_remove("RINGLOG_LEVEL")
        .env_remove("RUST_BACKTRACE");
    let output = child.env(ROLE, "yes").envs(variables.iter().copied()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    stderr
}

/// The process that logs; in a normal run of the tests it does nothing.
#[test]
fn a_process_that_logs() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    assert!(matches!(init(), Initialized::Fallback(_)));
    assert_eq!(init(), Initialized::AlreadySet);
    log_panics(std::time::Duration::from_secs(1));
    info!("filled", order = 7, venue = "a\nb\x1b[2J");
    debug!(logger: "db", "lookup");
    log::info!(target: "shop::db", order = 7; "by the facade");
    log::debug!(target: "shop::db", "below");
    critical!("end");
    assert!(std::thread::spawn(|| panic!("no price")).join().is_err());
}

const BY_DEFAULT: [&str; 3] = [
    "INFO  fallback: filled order=7 venue=a\\nb\\x1b[2J",
    "INFO  shop::db: by the facade order=7",
    "CRITICAL fallback: end",
];

#[test]
fn without_a_ring_each_record_is_a_line_on_standard_error() {
    let printed = printed(&[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[..3], BY_DEFAULT, "{printed}");
    assert!(lines[3].starts_with("CRITICAL panic: no price at=ringlog-core/tests/fallback.rs:"), "{printed}");
    assert!(printed.contains(" panicked at "), "the previous hook runs too: {printed}");
}

#[test]
fn levels_hold_on_standard_error_too() {
    let printed = printed(&[("RINGLOG_LEVEL", "error,db=debug,shop.db=debug")]);
    let lines: Vec<&str> = printed.lines().collect();
    let expected =
        ["DEBUG db: lookup", "INFO  shop::db: by the facade order=7", "DEBUG shop::db: below", BY_DEFAULT[2]];
    assert_eq!(lines[..4], expected, "{printed}");
}

#[test]
fn errors_of_init_come_before_the_first_record() {
    let missing = printed(&[("RINGLOG", "/nowhere/app")]);
    let mut lines = missing.lines();
    assert_eq!(
        lines.next(),
        Some("ringlog: no ring \"app\" in /nowhere; logging to standard error until it can be opened")
    );
    assert_eq!(lines.next(), Some(BY_DEFAULT[0]));

    let wrong = printed(&[("RINGLOG_LEVEL", "db=loud")]);
    let mut lines = wrong.lines();
    let complaint = lines.next().unwrap();
    assert!(
        complaint.starts_with("ringlog: RINGLOG_LEVEL: \"loud\" is not a level; ")
            && complaint.ends_with("; using info")
    );
    assert_eq!(lines.next(), Some(BY_DEFAULT[0]));
}
