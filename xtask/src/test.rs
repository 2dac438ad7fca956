//! `cargo x test`

use anyhow::Result;

use crate::shell::{self, cargo};
use crate::steps::Step;
use crate::{fuzz, model, races, soak, tidy};

pub const STEPS: &[Step] = &[
    Step { name: "tests", about: "unit, process and documentation tests", run: tests },
    Step { name: "model", about: "the protocol under every interleaving", run: model::run },
    Step { name: "races", about: "threads of one process, under ThreadSanitizer", run: races::run },
    Step { name: "soak", about: "processes killed, stopped and forked at random", run: soak::step },
    Step {
        name: "fuzz",
        about: "any bytes in a ring: kept inputs and the fuzzer, or random ones",
        run: fuzz::test,
    },
    Step { name: "tidy", about: "the repository's own rules", run: tidy::run },
];

/// The binaries are built here and not in a step of their own: the process
/// tests start whatever lies in the target directory, and a stale writer there
/// would make `--only tests` judge yesterday's code.
fn tests() -> Result<()> {
    shell::run(&mut cargo(&["build", "--workspace", "--all-features", "--bins"]))?;
    shell::run(&mut cargo(&["test", "--workspace", "--all-features"]))
}
