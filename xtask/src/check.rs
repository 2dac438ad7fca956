//! `cargo x check`

use std::process::Command;

use anyhow::Result;

use crate::shell::{self, cargo};
use crate::steps::Step;
use crate::{fuzz, tidy, unused};

/// An architecture with weakly ordered memory: the core must at least compile there.
const OTHER_TARGET: &str = "aarch64-unknown-linux-gnu";

pub const STEPS: &[Step] = &[
    Step { name: "format", about: "rustfmt", run: format },
    Step { name: "lint", about: "clippy on every target and feature", run: lint },
    Step { name: "fuzz", about: "rustfmt and clippy on the fuzz targets", run: fuzz::check },
    Step { name: "docs", about: "rustdoc without warnings", run: docs },
    Step { name: "unused", about: "dependencies that no source names", run: unused::run },
    Step { name: "aarch64", about: "the core on another architecture", run: aarch64 },
    Step { name: "tidy", about: "the repository's own rules", run: tidy::run },
];

fn format() -> Result<()> {
    shell::run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn lint() -> Result<()> {
    let mut clippy = cargo(&["clippy", "--workspace", "--all-targets", "--all-features"]);
    shell::run(clippy.args(["--", "-D", "warnings"]))
}

fn docs() -> Result<()> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--all-features"]);
    shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn aarch64() -> Result<()> {
    // Without rustup there is nobody to ask, which is the same as "not installed".
    let installed = shell::read(Command::new("rustup").args(["target", "list", "--installed"]));
    if !installed.unwrap_or_default().lines().any(|target| target == OTHER_TARGET) {
        println!("skipped: rustup target add {OTHER_TARGET} makes this step run");
        return Ok(());
    }
    shell::run(&mut cargo(&["check", "--target", OTHER_TARGET, "-p", "ringlog-core"]))
}
