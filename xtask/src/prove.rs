//! `cargo x prove`: the proofs that try every case and take longer than a person waits.

use anyhow::{Result, bail};

use crate::shell::root;
use crate::steps::Step;
use crate::test::{build, tests};
use crate::tidy::files;
use crate::tidy::source;
use crate::{fuzz, model, programs, races, soak};

pub const STEPS: &[Step] = &[
    Step { name: "model", about: "the protocol under every interleaving", run: model::run },
    Step { name: "races", about: "threads of one process, under ThreadSanitizer", run: races::run },
    Step { name: "soak", about: "processes killed, stopped and forked at random", run: soak::step },
    Step {
        name: "fuzz",
        about: "any bytes in a ring: kept inputs and the fuzzer, or random ones",
        run: fuzz::prove,
    },
    Step { name: "exhaustive", about: "death at each instruction and at each system call", run: exhaustive },
];

/// Runs the tests that are marked so, by their names: other tests are ignored for other reasons.
fn exhaustive() -> Result<()> {
    let mut names = Vec::new();
    for file in files::list(root()?)?.iter().filter(|file| file.is_rust()) {
        let tests = source::test_functions(&file.text).unwrap_or_default();
        names.extend(tests.into_iter().filter(|test| test.is_exhaustive).map(|test| test.name));
    }
    if names.is_empty() {
        bail!("no test is marked as exhaustive: #[ignore = \"{}\"]", source::EXHAUSTIVE);
    }
    build()?;
    let mut command = tests();
    command.args(["--lib", "--bins", "--tests", "--", "--ignored"]).args(&names);
    let outcome = programs::run(&mut command)?;
    if outcome.passed < names.len() as u64 {
        bail!("{} exhaustive tests are marked, but only {} ran", names.len(), outcome.passed);
    }
    println!("exhaustive tests passed: {}; {}", outcome.passed, outcome.slowest());
    Ok(())
}
