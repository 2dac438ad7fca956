//! Running Python, for tests that compare with it.

use std::io::Write;
use std::process::{Command, Stdio};

/// The output of a script with this input and time zone; `None`, with a message, if there is no Python.
pub(super) fn says(script: &str, input: &str, zone: &str) -> Option<String> {
    if !is_there() {
        eprintln!(
            "SKIPPED: no python3, and apt-get cannot install it; patterns are not compared with Python's. \
             To have it: apt-get install python3 tzdata"
        );
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script.py");
    std::fs::write(&file, script).unwrap();
    let mut python = Command::new("python3")
        .arg(&file)
        .envs([("TZ", zone), ("LC_ALL", "C.UTF-8")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // A script that reads nothing may have ended.
            let _ = stdin.write_all(input.as_bytes());
            drop(stdin);
        });
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "the script ended with {}", output.status);
        Some(String::from_utf8(output.stdout).unwrap())
    })
}

/// Whether Python is installed; installs it if that needs no questions.
fn is_there() -> bool {
    let works =
        || Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !works() {
        let mut install = Command::new("apt-get");
        install.args(["install", "--yes", "python3", "tzdata"]).env("DEBIAN_FRONTEND", "noninteractive");
        let _ = install.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    works()
}
