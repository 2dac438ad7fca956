//! Reports of `anyhow` and `eyre` are one field, with causes and backtrace.

use std::process::Command;
use std::time::Duration;

use ringlog::schema::Value;
use ringlog::{Ring, error};
use ringlog_testkit::Scratch;

#[derive(Debug, thiserror::Error)]
#[error("disk full")]
struct DiskError;

fn save() -> anyhow::Result<()> {
    Err(anyhow::Error::new(DiskError).context("cannot save the order"))
}

/// The text of the one error that was logged.
fn logged(log: impl FnOnce(&ringlog::Logger)) -> String {
    let dir = Scratch::new();
    let ring = Ring::options().size("1MiB").create(&dir.text("ring")).unwrap();
    log(&ring.logger());
    let mut consumer = ring.consumer().unwrap();
    let entry = consumer.next(Duration::from_secs(20)).unwrap().expect("one was logged");
    let fields: Vec<_> = entry.record().expect("a record").fields().collect();
    let [("err", Value::Error(text))] = fields[..] else { panic!("one error, and no more: {fields:?}") };
    String::from_utf8(text.to_vec()).unwrap()
}

/// Runs a test of this program in a process of its own, because the standard library reads the variable only once.
fn run_alone(test: &str, backtrace: &str) {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", test, "--ignored"]).env("RUST_BACKTRACE", backtrace);
    let output = program.env_remove("RUST_LIB_BACKTRACE").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_report_has_a_backtrace_if_one_is_asked_for() {
    run_alone("with_backtrace", "1");
    run_alone("without_backtrace", "0");
}

#[test]
#[ignore = "run by the test above, with RUST_BACKTRACE=1"]
fn with_backtrace() {
    if std::env::var("RUST_BACKTRACE").as_deref() != Ok("1") {
        return;
    }
    let report = save().unwrap_err();
    for text in [
        logged(|log| error!(to: log, "lost", err = report)),
        logged(|log| error!(to: log, "lost", err = &report)),
    ] {
        assert_eq!(text, format!("{report:?}"));
        assert!(text.starts_with("cannot save the order\n\nCaused by:\n    disk full\n"), "{text}");
        assert!(text.contains("\nStack backtrace:\n") && text.contains("reports.rs"), "{text}");
    }
}

#[test]
#[ignore = "run by the test above, with RUST_BACKTRACE=0"]
fn without_backtrace() {
    if std::env::var("RUST_BACKTRACE").as_deref() != Ok("0") {
        return;
    }
    let report = save().unwrap_err();
    let text = logged(|log| error!(to: log, "lost", err = &report));
    assert_eq!(text, "cannot save the order\n\nCaused by:\n    disk full");
    let report = eyre::Report::new(DiskError).wrap_err("cannot save the order");
    let text = logged(|log| error!(to: log, "lost", err = &report));
    assert!(
        text.starts_with("cannot save the order\n\nCaused by:\n") && text.contains("disk full"),
        "{text}"
    );
}

#[derive(Debug, thiserror::Error)]
#[error("no port")]
struct PortError(#[from] std::num::ParseIntError);

#[test]
fn an_error_of_the_standard_library_comes_with_its_sources() {
    let error = std::io::Error::other(PortError("x".parse::<u16>().unwrap_err()));
    let text = logged(|log| error!(to: log, "lost", err = &error));
    assert_eq!(text, "no port\ncaused by: invalid digit found in string");
}
