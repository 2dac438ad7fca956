//! The example runs, and its own check of the file passes.

use std::process::Command;

#[test]
fn an_unmodified_library_in_four_processes_logs_into_one_file() {
    let output = Command::new(env!("CARGO_BIN_EXE_ringlog-examples")).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("lines of 4 processes are in one file, each exactly once"), "{stdout}");
}
