//! The example runs, its check of the file passes, and it shows lines of the library and of its own.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_library_in_four_processes_logs_into_one_file() {
    let output = Command::new(env!("CARGO_BIN_EXE_ringlog-examples")).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("lines of 4 processes are in one file, each exactly once"), "{stdout}");

    let samples: Vec<Value> = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let [databases, ours] = &samples[..] else { panic!("expected two samples:\n{stdout}") };
    assert!(databases["logger"].as_str().unwrap().starts_with("sled::"), "{databases}");
    assert!(
        databases["file"].as_str().unwrap().ends_with(".rs") && databases["fields"].is_null(),
        "{databases}"
    );
    let shown = ["level", "logger", "message", "process"].map(|key| ours[key].as_str().unwrap());
    assert_eq!(shown, ["INFO", "ringlog_examples", "written", "ringlog-examples"]);
    assert!(ours["fields"]["rows"] == 500 && ours["fields"]["seconds"].is_f64(), "{ours}");
}
