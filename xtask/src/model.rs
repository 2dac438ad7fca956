//! `cargo x model`

use std::env;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::shell::{self, cargo};
use crate::steps::seconds;

/// How often loom may preempt a running thread. Its documentation calls two or three enough for most bugs, and the
/// number of executions grows steeply with each further one.
const MAX_PREEMPTIONS: &str = "3";

pub fn run() -> Result<()> {
    let started = Instant::now();
    shell::run(&mut models(&["--test-threads=1"]))?;
    // A filter that matches no test would pass.
    let count = count_tests(&shell::read(&mut models(&["--list"]))?);
    if count == 0 {
        bail!(
            "no loom model found: a model is a #[test] of ringlog-core, \
             compiled under cfg(loom), with `model` in its path"
        );
    }
    println!("loom models passed: {count}, in {}", seconds(started.elapsed()));
    Ok(())
}

/// The command that runs the models. It has a target directory of its own: in the common one, each change of flags
/// would build everything again.
fn models(options: &[&str]) -> Command {
    let mut command = cargo(&["test", "-p", "ringlog-core", "--lib"]);
    command.args(["--target-dir", "target/loom", "--"]).args(options).arg("model");
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} --cfg loom").trim_start());
    if env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
        command.env("LOOM_MAX_PREEMPTIONS", MAX_PREEMPTIONS);
    }
    command
}

/// Counts the tests in the output of `--list`: one `path: test` a line.
fn count_tests(list: &str) -> usize {
    list.lines().filter(|line| line.ends_with(": test")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_tests_are_counted() {
        assert_eq!(
            count_tests("shm::block::model::take: test\nshm::block::model::seal: test\n\n2 tests\n"),
            2
        );
        assert_eq!(count_tests("\n0 tests, 0 benchmarks\n"), 0);
    }
}
