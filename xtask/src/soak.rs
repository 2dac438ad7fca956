//! `cargo x soak`

use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::{self, cargo};

/// How long the step of `cargo x test` takes.
const SECONDS_IN_TESTS: u64 = 60;

/// Builds and runs the soak for so long; the seed is chosen at random unless it is given.
///
/// It runs as the tests do, optimised a little and with every assertion on: on the same two cores that
/// hurts more processes a second than an optimised build, which only moves more records.
pub fn run(seconds: u64, seed: Option<u64>) -> Result<()> {
    shell::run(&mut cargo(&["build", "--workspace", "--all-features", "--bins"]))?;
    // Beside this very program, where the build has put it.
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let mut soak = Command::new(own.with_file_name("ringlog-soak"));
    soak.args(["--seconds", &seconds.to_string()]);
    if let Some(seed) = seed {
        soak.args(["--seed", &seed.to_string()]);
    }
    shell::run(&mut soak)
}

/// The step of `cargo x test`, with another seed each time.
pub fn step() -> Result<()> {
    run(SECONDS_IN_TESTS, None)
}
