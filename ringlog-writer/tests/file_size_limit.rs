//! The limit for the size of a file (`ulimit -f`) is an error like a full disk.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;

const SOON: Duration = Duration::from_secs(20);
const SIGXFSZ_BIT: u64 = 1 << 24;

fn has_sigxfsz(child: &Child, set: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let word = status.lines().find_map(|line| line.strip_prefix(set)).unwrap();
    u64::from_str_radix(word.trim(), 16).unwrap() & SIGXFSZ_BIT != 0
}

/// Whether there is a program `prlimit`.
fn can_limit() -> bool {
    let version = Command::new("prlimit").arg("--version").stdout(Stdio::null()).status();
    let can = version.is_ok_and(|status| status.success());
    if !can {
        println!("SKIPPED: there is no program `prlimit`");
    }
    can
}

/// A writer whose files may have so many bytes.
fn limited_writer(bytes: u32, ring: &Ring, dir: &Scratch) -> Command {
    let script = format!("ulimit -S -f unlimited; exec prlimit --fsize={bytes}:unlimited \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(env!("CARGO_BIN_EXE_ringlog-writer"));
    command.args([ring.path().to_str().unwrap(), "--out", &dir.text("app.log"), "--format", "raw"]);
    command.stderr(Stdio::piped());
    command
}

#[test]
fn a_limit_below_the_size_of_a_checkpoint_is_named() {
    if !can_limit() {
        return;
    }
    let dir = Scratch::new();
    let ring = Ring::options().size("1MiB").create(&dir.text("app")).unwrap();
    let mut writer = limited_writer(20_480, &ring, &dir).spawn().unwrap();
    let said = BufReader::new(writer.stderr.take().unwrap()).lines().next().expect("it says why").unwrap();
    let expected = "app.log: cannot write its checkpoint: File too large (os error 27): its checkpoint has 36 KiB, and \
                    the writer may make no file of this size; raise its limit (`ulimit -f`); records wait in the ring";
    assert!(said.ends_with(expected), "{said}");
    ring.logger().text(Level::INFO, "test", "a record").unwrap();
    let raise = ["--pid", &writer.id().to_string(), "--fsize=unlimited"];
    assert!(Command::new("prlimit").args(raise).status().unwrap().success());
    ring.logger().flush(SOON).unwrap();
    assert_eq!(fs::read_to_string(dir.file("app.log")).unwrap(), "a record\n");
    ringlog::admin::request(ring.path().to_str().unwrap(), ringlog::admin::Request::Stop).unwrap();
    assert!(writer.wait().unwrap().success());
}

#[test]
fn records_wait_at_the_limit_and_no_file_is_deleted() {
    if !can_limit() {
        return;
    }
    let dir = Scratch::new();
    let ring = Ring::options().size("1MiB").create(&dir.text("app")).unwrap();
    let log = ring.logger();
    fs::write(dir.file("app.000001.log"), "closed\n").unwrap();
    let rotation = ["--rotate-size", "1GiB", "--naming", "number", "--on-full", "drop-oldest-file"];
    let mut writer = limited_writer(102_400, &ring, &dir).args(rotation).spawn().unwrap();
    // A record is 100 bytes, so 1024 of them reach the limit.
    let record = |number: u32| format!("{number:099}");
    (0..2000).for_each(|number| log.text(Level::INFO, "test", record(number)).unwrap());
    let said = BufReader::new(writer.stderr.take().unwrap()).lines().next().expect("it says why").unwrap();
    let expected =
        "app.log: File too large (os error 27): the writer may make no larger file; raise its limit";
    assert!(said.contains(expected) && said.contains("trying again, records wait in the ring"), "{said}");
    assert!(dir.file("app.000001.log").exists(), "deleting it would help nothing");
    // Handled and not ignored: a program that it executes does not inherit that.
    assert!(has_sigxfsz(&writer, "SigCgt:") && !has_sigxfsz(&writer, "SigIgn:"));

    let raise = ["--pid", &writer.id().to_string(), "--fsize=unlimited"];
    assert!(Command::new("prlimit").args(raise).status().unwrap().success());
    log.flush(SOON).unwrap();
    let written = fs::read_to_string(dir.file("app.log")).unwrap();
    assert!(written.lines().map(str::to_owned).eq((0..2000).map(record)), "each record once");
    ringlog::admin::request(ring.path().to_str().unwrap(), ringlog::admin::Request::Stop).unwrap();
    assert!(writer.wait().unwrap().success());
}
