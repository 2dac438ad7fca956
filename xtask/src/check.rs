//! `cargo x check`

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{self, cargo, root};
use crate::steps::Step;
use crate::tidy::files;
use crate::{fuzz, tidy, unused};

/// The workspace's; rustfmt does not read it from Cargo.toml.
const EDITION: &str = "2024";
/// An architecture with weakly ordered memory: the core must at least compile there.
const OTHER_TARGET: &str = "aarch64-unknown-linux-gnu";

pub const STEPS: &[Step] = &[
    Step { name: "format", about: "rustfmt on every file", run: format },
    Step { name: "lint", about: "clippy on every target and feature", run: lint },
    Step { name: "fuzz", about: "clippy on the fuzz targets", run: fuzz::check },
    Step { name: "docs", about: "rustdoc without warnings", run: docs },
    Step { name: "unused", about: "dependencies that no source names", run: unused::run },
    Step { name: "aarch64", about: "the core on another architecture", run: aarch64 },
    Step { name: "tidy", about: "the repository's own rules", run: tidy::run },
];

/// Every Rust file is named: `cargo fmt` sees only what the modules of a package lead to, and stops at a macro.
fn format() -> Result<()> {
    let files = files::list(root()?)?;
    let files: Vec<&str> =
        files.iter().filter(|file| file.is_rust()).map(|file| file.path.as_str()).collect();
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--check", "--edition", EDITION]).args(&files).current_dir(root()?);
    println!("$ rustfmt --check --edition {EDITION} …{} files", files.len());
    if !rustfmt.status().context("cannot start rustfmt")?.success() {
        bail!("some files are not formatted; to do it: rustfmt --edition {EDITION} $(git ls-files '*.rs')");
    }
    Ok(())
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
    // Without rustup the target counts as not installed.
    let installed = shell::read(Command::new("rustup").args(["target", "list", "--installed"]));
    if !installed.unwrap_or_default().lines().any(|target| target == OTHER_TARGET) {
        println!("skipped: rustup target add {OTHER_TARGET} makes this step run");
        return Ok(());
    }
    shell::run(&mut cargo(&["check", "--target", OTHER_TARGET, "-p", "ringlog-core"]))
}
