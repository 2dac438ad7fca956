//! `cargo x bench`

use anyhow::Result;

use crate::shell::{self, cargo};

pub fn run(name: Option<&str>) -> Result<()> {
    let mut bench = cargo(&["bench", "-p", "ringlog-benches"]);
    if let Some(name) = name {
        bench.args(["--bench", name]);
    }
    shell::run(&mut bench)
}
