//! Writes the source of a program with 10,000 log statements: `src/main.rs` includes it.

use std::fmt::Write;
use std::path::Path;

/// How many, in functions of their own so that a process may use any of them.
const SITES: u32 = 10_000;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var_os("OUT_DIR").expect("cargo says where to");
    let mut source = String::new();
    for site in 0..SITES {
        // Each on a line of its own, which its definition names as well.
        writeln!(source, "fn site_{site}(n: u64) {{ ringlog::info!(\"site {site} said {{n}}\"); }}")
            .expect("memory");
    }
    let names: String = (0..SITES).map(|site| format!("site_{site},\n")).collect();
    writeln!(source, "static SITES: [fn(u64); {SITES}] = [\n{names}];").expect("memory");
    std::fs::write(Path::new(&out).join("sites.rs"), source).expect("the directory is cargo's own");
}
