//! The code blocks of docs/from-python-logging.md are true.

use std::fs;
use std::path::Path;

use ringlog_writer::config::Config;

use super::{imported, lost};

/// All code blocks: the line before the block, its language, its text.
fn blocks() -> Vec<(usize, String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/from-python-logging.md");
    let text = fs::read_to_string(path).unwrap();
    let mut blocks: Vec<(usize, String, String)> = Vec::new();
    let mut is_inside = false;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), blocks.last_mut()) {
            (Some(language), _) if !is_inside => {
                blocks.push((index, language.to_owned(), String::new()));
                is_inside = true;
            }
            (Some(_), _) => is_inside = false,
            (None, Some((_, _, block))) if is_inside => block.extend([line, "\n"]),
            _ => {}
        }
    }
    blocks
}

#[test]
fn every_block_is_true() {
    let blocks = blocks();
    let (mut loaded, mut made) = (0, 0);
    for (i, (line, language, block)) in blocks.iter().enumerate() {
        match language.as_str() {
            "toml" => {
                let read =
                    Config::parse(block, "docs".as_ref()).unwrap_or_else(|errors| panic!("{line}: {errors}"));
                assert_eq!(read.warnings, [], "{line}");
                loaded += 1;
            }
            "ini" | "json" => {
                let imported = imported(block);
                assert_eq!(lost(&imported), [""; 0], "{line}");
                let next = &blocks[i + 1];
                assert_eq!(next.1, "toml", "{line}: what it becomes follows");
                let shown = Config::parse(&next.2, "docs".as_ref()).unwrap().config;
                // Handlers are sorted by name in a dictionary, and as they come in a file.
                assert_eq!(imported.config, shown, "{line}:\n{}", imported.config);
                made += 1;
            }
            _ => assert_eq!(language, "text", "{line}: a test is to try this"),
        }
    }
    assert_eq!((loaded, made), (4, 2));
}
