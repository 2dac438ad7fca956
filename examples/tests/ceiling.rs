//! The features of docs/logging.md leave statements out of a program: one is built with them, as a user would.

use std::fs;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = r#"
use ringlog::{debug, info, trace, warn};

fn main() {
    ringlog::init();
    let note = |text: &'static str| {
        println!("{text} is evaluated");
        text
    };
    trace!("{}", note("trace"));
    debug!("{}", note("debug"));
    info!("{}", note("info"));
    warn!("{}", note("warn"));
}
"#;

/// The document's block that names such features, with the library's path.
fn dependencies(workspace: &Path) -> String {
    let text = fs::read_to_string(workspace.join("docs/logging.md")).unwrap();
    let mut blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.contains("max_level")).expect("a block about features");
    assert!(block.contains(r#"["max_level_debug", "release_max_level_info"]"#), "tested for others: {block}");
    block.replace("../ringlog", workspace.to_str().unwrap())
}

/// The output of the program with every level wanted.
fn printed(package: &Path, debug_assertions: bool) -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline", "--config"]);
    cargo.arg(format!("profile.dev.package.ringlog-core.debug-assertions={debug_assertions}"));
    cargo.current_dir(package).env("CARGO_TARGET_DIR", package.join("target"));
    let output = cargo.env_remove("RINGLOG").env("RINGLOG_LEVEL", "trace").output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stderr}");
    stdout.lines().chain(stderr.lines()).map(str::to_owned).collect()
}

#[test]
fn statements_below_the_ceiling_are_left_out() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ceiling");
    fs::create_dir_all(package.join("src")).unwrap();
    let manifest = "[package]\nname = \"shop\"\nedition = \"2024\"\n\n[workspace]\n\n".to_owned();
    fs::write(package.join("Cargo.toml"), manifest + &dependencies(workspace)).unwrap();
    fs::write(package.join("src/main.rs"), PROGRAM).unwrap();
    // Uses the versions that are already downloaded.
    fs::copy(workspace.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();

    let from_info = ["info is evaluated", "warn is evaluated", "INFO  shop: info", "WARN  shop: warn"];
    assert_eq!(printed(&package, false), from_info);
    let mut from_debug = from_info.to_vec();
    from_debug.insert(2, "DEBUG shop: debug");
    from_debug.insert(0, "debug is evaluated");
    assert_eq!(printed(&package, true), from_debug);
}
