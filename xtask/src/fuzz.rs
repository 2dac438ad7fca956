//! `cargo x fuzz`, and what `cargo x check` and `cargo x prove` do with the same package.

use std::env;
use std::fs;
use std::panic::resume_unwind;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::shell::{self, cargo, root};

/// Sanitizers and coverage need it.
const TOOLCHAIN: &str = "nightly";
/// The version of cargo-fuzz that this is known to work with.
const CARGO_FUZZ: &str = "0.13.2";
/// How long `cargo x prove` runs each target.
const IN_PROOFS: Limit = Limit::Seconds(10);
/// The longest input. Longer scripts only repeat more of the same.
const INPUT_BYTES: u32 = 512;

/// When a target has run enough.
#[derive(Clone, Copy)]
pub enum Limit {
    Seconds(u64),
    Runs(u64),
}

/// Runs one target, or all of them one after the other; gets cargo-fuzz if it is not there.
pub fn run(target: Option<&str>, limit: Limit) -> Result<()> {
    if !has_toolchain() {
        bail!("the fuzz targets need {TOOLCHAIN}: rustup toolchain install {TOOLCHAIN} --profile minimal");
    }
    if !has_cargo_fuzz() {
        shell::run(&mut cargo(&["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ]))?;
    }
    let known = targets()?;
    let chosen: Vec<&str> = match target {
        None => known.iter().map(String::as_str).collect(),
        Some(name) if known.iter().any(|known| known == name) => vec![name],
        Some(name) => bail!("there is no fuzz target {name}; expected one of {}", known.join(", ")),
    };
    if chosen.len() > 1 {
        // Before any of them runs, so that none waits for another one's build.
        shell::run(&mut cargo_fuzz(&["build", "--target-dir", "target/fuzz", "--no-trace-compares"]))?;
    }
    let total = run_all(&chosen, limit)?;
    println!("fuzz targets: {} passed, {total} runs in all", chosen.len());
    Ok(())
}

/// Runs the targets, one on each processor at a time; returns how many inputs they have tried.
fn run_all(chosen: &[&str], limit: Limit) -> Result<u64> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<u64> {
        let mut total = 0;
        while let Some(target) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let runs = run_one(target, limit)?;
            println!("fuzz target {target}: {runs} runs, nothing found");
            total += runs;
        }
        Ok(total)
    };
    let processors = thread::available_parallelism().map_or(1, |count| count.get());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..processors.min(chosen.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).sum()
    })
}

/// The step of `cargo x prove`: the fuzzer for a while, which begins with the kept inputs. Without cargo-fuzz, the kept
/// inputs and random ones, on any toolchain.
pub fn prove() -> Result<()> {
    if has_toolchain() && has_cargo_fuzz() {
        return run(None, IN_PROOFS);
    }
    shell::run(&mut flagged(&["test"], &["--", "--nocapture"]))?;
    println!(
        "\n!!! SKIPPED: cargo-fuzz is not installed, so only kept and random inputs were run. To install it:\n\
         !!!   rustup toolchain install {TOOLCHAIN} --profile minimal\n\
         !!!   cargo install cargo-fuzz --locked --version {CARGO_FUZZ}\n"
    );
    Ok(())
}

/// Lints of the package, which is no member of the workspace.
pub fn check() -> Result<()> {
    shell::run(&mut flagged(&["clippy", "--all-targets"], &["--", "-D", "warnings"]))
}

/// A cargo command on the package as the fuzzer builds it, but for the fuzzer itself. It has a target directory of its
/// own: in the common one, each change of flags would build everything again.
fn flagged(command: &[&str], options: &[&str]) -> Command {
    let mut cargo = cargo(command);
    cargo.args(["--manifest-path", "fuzz/Cargo.toml", "--locked", "--no-default-features"]);
    cargo.args(["--target-dir", "target/fuzz-replay"]).args(options);
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    cargo.env("RUSTFLAGS", format!("{flags} --cfg fuzzing").trim_start());
    cargo
}

/// `cargo +nightly fuzz …`, by rustup's `cargo`: only that one takes `+nightly`.
fn cargo_fuzz(args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.arg(format!("+{TOOLCHAIN}")).arg("fuzz").args(args);
    command
}

fn has_toolchain() -> bool {
    shell::read(Command::new("cargo").args([&format!("+{TOOLCHAIN}"), "--version"])).is_ok()
}

fn has_cargo_fuzz() -> bool {
    shell::read(&mut cargo_fuzz(&["--version"])).is_ok()
}

/// The targets, which are a file each.
fn targets() -> Result<Vec<String>> {
    let dir = root()?.join("fuzz/targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// Runs a target; returns how many inputs it has tried. New inputs worth keeping go to the build's directory; the
/// kept corpus is only read.
fn run_one(target: &str, limit: Limit) -> Result<u64> {
    let found = format!("target/fuzz/corpus/{target}");
    fs::create_dir_all(root()?.join(&found)).with_context(|| format!("cannot make {found}"))?;
    let kept = format!("fuzz/corpus/{target}");
    let limit = match limit {
        Limit::Seconds(seconds) => format!("-max_total_time={seconds}"),
        Limit::Runs(runs) => format!("-runs={runs}"),
    };
    let length = format!("-max_len={INPUT_BYTES}");
    // Comparisons are not traced: the scripts need no hints, and formatting would take ten times as long.
    let mut command = cargo_fuzz(&["run", "--target-dir", "target/fuzz", "--no-trace-compares", target]);
    command.args([&found, &kept, "--", &limit, &length]);
    // A run takes a fraction of a millisecond, and a ring of a few KiB needs no allocation of megabytes.
    command.args(["-timeout=10", "-malloc_limit_mb=64", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    // The C library frees what it keeps for a thread only when the next one starts.
    command.arg("-detect_leaks=0");
    // The first option turns off a search for uses of dead locals, which safe code does not have, and saves a fifth of
    // the time. The others keep less freed memory, of which a run has a few KiB.
    let options = "detect_stack_use_after_return=0:malloc_context_size=4:quarantine_size_mb=16";
    command.env("ASAN_OPTIONS", options);
    let mut runs = None;
    shell::run_watching(&mut command, |line| {
        runs = runs.or(executed(line));
        // libFuzzer prints each input that reaches new code; there are thousands.
        !line.contains("\tNEW ") && !line.contains("\tREDUCE ")
    })?;
    runs.with_context(|| format!("fuzz target {target} did not print how many inputs it has tried"))
}

/// The number of runs in libFuzzer's statistics.
fn executed(line: &str) -> Option<u64> {
    line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_runs_is_read() {
        assert_eq!(executed("stat::number_of_executed_units: 4711"), Some(4711));
        assert_eq!(executed("stat::average_exec_per_sec:     940"), None);
    }

    #[test]
    fn every_target_has_a_corpus() {
        let targets = targets().unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(root().unwrap().join("fuzz/corpus").join(&target).is_dir(), "{target}");
        }
    }

    #[test]
    fn an_unknown_target_is_refused_with_the_known_ones() {
        if has_toolchain() && has_cargo_fuzz() {
            let error = run(Some("nothing"), IN_PROOFS).unwrap_err().to_string();
            assert!(
                error.starts_with("there is no fuzz target nothing; expected one of checkpoint, consumer, "),
                "{error}"
            );
        }
    }
}
