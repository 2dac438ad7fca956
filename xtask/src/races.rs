//! `cargo x races`

use std::env;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::shell;
use crate::steps::seconds;

/// The only target on which ThreadSanitizer has been tried with this code.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Reports that are not about ringlog, each with its reason.
const SUPPRESSIONS: &str = "xtask/thread-sanitizer.supp";

/// The tests whose threads share a ring within one process. One command runs them, so that what both packages need is
/// built once.
#[rustfmt::skip]
const TESTS: &[&str] = &[
    "-p", "ringlog-tests", "-p", "ringlog-core", "--lib", "--example", "races", "--test", "roundtrip",
    "--test", "stubborn", "--", "--test-threads=1",
];

/// Runs the tests under ThreadSanitizer, if its toolchain is installed.
///
/// The standard library is not instrumented, because building it takes sources that not every nightly has. The
/// sanitizer therefore misses what only the library synchronises (channels, contended mutexes). It sees ringlog's own
/// atomics and all code that is generic or inlined.
pub fn run() -> Result<()> {
    let nightly = shell::read(&mut nightly(&["--version"]));
    if nightly.is_err() || !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        println!(
            "SKIPPED: ThreadSanitizer did not run; `rustup toolchain install nightly` on {TARGET} lets it"
        );
        return Ok(());
    }
    let started = Instant::now();
    shell::run(&mut under_sanitizer()?)?;
    println!("no races found, in {}", seconds(started.elapsed()));
    Ok(())
}

/// Cargo of the nightly toolchain, whichever toolchain runs this program.
fn nightly(args: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(args);
    command
}

fn under_sanitizer() -> Result<Command> {
    let mut command = nightly(&["test", "--target", TARGET, "--target-dir", "target/races"]);
    command.args(TESTS);
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    let ours = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg races";
    command.env("RUSTFLAGS", format!("{flags} {ours}").trim_start());
    let suppressions = shell::root()?.join(SUPPRESSIONS);
    command.env("TSAN_OPTIONS", format!("suppressions={} halt_on_error=1", suppressions.display()));
    // Values at random in one thread race with nothing; a few show that their tests still pass.
    command.env("PROPTEST_CASES", "16");
    Ok(command)
}
