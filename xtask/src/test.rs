//! `cargo x test`: what a person waits for.

use std::io::{IsTerminal, stdout};
use std::process::Command;

use anyhow::Result;

use crate::shell::{self, cargo};
use crate::steps::Step;
use crate::{programs, tidy};

pub const STEPS: &[Step] = &[
    Step { name: "build", about: "programs and tests", run: build },
    Step { name: "tidy", about: "the repository's own rules", run: tidy::run },
    Step { name: "tests", about: "unit, process and documentation tests", run: measured },
];

/// Builds every program and test that the steps run.
///
/// One command does it: `cargo build` and `cargo test` would each choose features of their own for what they share, and
/// the workspace would be compiled twice.
pub fn build() -> Result<()> {
    shell::run(tests().arg("--no-run"))
}

/// The tests. The process tests start the programs in the target directory, which this command builds too.
fn measured() -> Result<()> {
    let outcome = programs::run(&mut tests())?;
    println!("tests passed: {}; {}", outcome.passed, outcome.slowest());
    Ok(())
}

/// The `cargo test` command that all steps share, so that each finds what another has built.
pub fn tests() -> Command {
    let mut command = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
    if stdout().is_terminal() {
        // Its output goes through a pipe.
        command.env("CARGO_TERM_COLOR", "always");
    }
    command
}
