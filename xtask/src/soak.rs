//! `cargo x soak`

use std::process::Command;

use anyhow::{Context, Result};

use crate::{shell, test};

/// How long the step of `cargo x prove` takes.
const SECONDS_IN_PROOFS: u64 = 60;

/// Builds and runs the soak for so long; the seed is chosen at random unless it is given.
///
/// It is built as the tests are, optimised a little and with every assertion on. On the same two cores that kills more
/// processes a second than an optimised build, which only moves more records.
pub fn run(seconds: u64, seed: Option<u64>) -> Result<()> {
    test::build()?;
    // Beside this very program, where the build has put it.
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    let mut soak = Command::new(own.with_file_name("ringlog-soak"));
    soak.args(["--seconds", &seconds.to_string()]);
    if let Some(seed) = seed {
        soak.args(["--seed", &seed.to_string()]);
    }
    shell::run(&mut soak)
}

/// The step of `cargo x prove`, with another seed each time.
pub fn step() -> Result<()> {
    run(SECONDS_IN_PROOFS, None)
}
