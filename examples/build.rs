//! Makes a documentation test of each Rust block in the documents.
//!
//! A block runs unchanged. The test adds `fn main` where the block has none, a directory of its own for rings, and a
//! check that exactly the records in its comments after `// →` are logged. `cargo test -p ringlog-examples --doc`
//! runs them.

use std::fmt::Write;
use std::path::Path;

/// The documents, relative to the workspace's root.
const DOCUMENTS: [&str; 2] = ["README.md", "docs/logging.md"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tests = String::new();
    for document in DOCUMENTS {
        let path = root.join(document);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = document.replace(['/', '.'], "_").to_lowercase();
        let blocks = rust_blocks(&text);
        if blocks.is_empty() {
            return Err(format!("{document} has no Rust block: its fences are not read any more").into());
        }
        for (line, block) in blocks {
            let test = format!("```\n{}\n```", program(&block));
            writeln!(tests, "#[doc = {test:?}]\npub mod {name}_line_{line} {{}}")?;
        }
    }
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("documents.rs"), tests)?;
    Ok(())
}

/// The blocks fenced as `rust`, each with the number of its first line.
fn rust_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, fence)) = lines.next() {
        let Some(language) = fence.strip_prefix("```") else { continue };
        let block: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        if language == "rust" {
            blocks.push((index + 2, block.join("\n")));
        }
    }
    blocks
}

/// The block as a program that checks itself.
fn program(block: &str) -> String {
    let promised: Vec<&str> = block.lines().filter_map(promise).collect();
    let (mut before, mut after) = ("let __rings = ringlog_examples::own_rings();".to_owned(), String::new());
    if !promised.is_empty() {
        before += " let __log = ringlog::testing::capture();";
        after = format!("ringlog_examples::check(&__log, &{promised:?});");
    }
    let Some(main) = block.lines().find(|line| line.starts_with("fn main()")) else {
        let result = "Result<(), Box<dyn std::error::Error>>";
        return format!("fn main() -> {result} {{\n{before}\n{block}\n{after}\nOk(())\n}}");
    };
    // A block with `fn main` ends with its own result, so no check can follow it.
    assert!(promised.is_empty(), "a block with `fn main` makes promises: {promised:?}");
    block.replacen(main, &format!("{main} {before}"), 1)
}

/// The record that the line's comment promises.
fn promise(line: &str) -> Option<&str> {
    line.split_once("// → ").map(|(_, text)| text)
}
