//! Which calls need a proof, and what counts as one.

use super::*;

fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

/// The lines accused in a library source with this text.
fn accused(text: &str) -> Vec<usize> {
    let findings = check(&[file("ringlog-core/src/lib.rs", text)]);
    findings.into_iter().filter_map(|finding| finding.line).collect()
}

#[test]
fn a_call_without_a_proof_is_found() {
    let findings = check(&[file("ringlog-core/src/a.rs", "let a = b.unwrap();\n")]);
    let found: Vec<_> = findings.iter().map(Finding::to_string).collect();
    let expected = "ringlog-core/src/a.rs:1: .unwrap() without a proof: a comment why it cannot happen";
    assert_eq!(found, [expected]);
    assert_eq!(accused("// a comment that proves nothing\nlet a = b.expect(\"b\");\n"), [2]);
    assert_eq!(accused("let url = \"https://a.example\".parse().unwrap();\n"), [1]);
}

#[test]
fn a_proof_stands_beside_the_call_or_up_to_three_lines_above() {
    for word in PROOF_WORDS {
        assert_eq!(accused(&format!("b.unwrap() // {word} empty\n")), [0; 0]);
        assert_eq!(accused(&format!("// {word} empty\n\n\nb.unwrap()\n")), [0; 0]);
        assert_eq!(accused(&format!("// {word} empty\n\n\n\nb.unwrap()\n")), [5]);
    }
    assert_eq!(accused("// Never empty.\nb.unwrap()\n"), [0; 0]);
    assert_eq!(accused("let never = b.unwrap();\n"), [1]);
}

#[test]
fn other_calls_and_comments_need_no_proof() {
    let text =
        "/// let a = b.unwrap();\n//! b.unwrap()\n// b.unwrap()\nb.unwrap_or(1); b.expect_err(\"b\");\n";
    assert_eq!(accused(text), [0; 0]);
}

#[test]
fn tests_need_no_proof_and_what_follows_them_does() {
    for condition in [
        "test",
        "loom",
        "all(test, loom)",
        "all(test, not(loom))",
        "all(any(unix, windows), any(test, loom))",
    ] {
        let attribute = format!("#[cfg({condition})]");
        let text = format!("{attribute}\nmod tests {{\n    // }}\n    b.unwrap()\n}}\nb.unwrap()\n");
        assert_eq!(accused(&text), [6], "{attribute}");
        let text = format!("{attribute}\nuse a::{{\n    b, c,\n}};\nb.unwrap()\n");
        assert_eq!(accused(&text), [5], "{attribute}");
    }
    assert_eq!(accused("#![cfg(test)]\nfn f() {}\nb.unwrap()\n"), [0; 0]);
}

#[test]
fn what_is_also_built_without_tests_needs_a_proof() {
    for condition in ["not(test)", "any(test, feature = \"x\")", "all(unix, not(loom))", "unix"] {
        let attribute = format!("#[cfg({condition})]");
        assert_eq!(accused(&format!("{attribute}\nfn f() {{\n    b.unwrap()\n}}\n")), [3], "{attribute}");
    }
}

#[test]
fn test_modules_in_files_of_their_own_need_no_proof() {
    let unproven = "b.unwrap()\n";
    let files = [
        file("ringlog-core/src/lib.rs", "#[cfg(test)]\nmod tests;\nmod ring;\n"),
        file("ringlog-core/src/tests.rs", unproven),
        file("ringlog-core/src/ring.rs", "#[cfg(all(test, loom))]\npub(crate) mod model;\n"),
        file("ringlog-core/src/ring/model.rs", unproven),
        file("ringlog-core/src/ring/model/take.rs", unproven),
        file("ringlog-core/src/ring/take.rs", unproven),
        file("ringlog-core/src/model.rs", unproven),
    ];
    let found: Vec<_> = check(&files).into_iter().map(|finding| finding.path).collect();
    assert_eq!(found, ["ringlog-core/src/ring/take.rs", "ringlog-core/src/model.rs"]);
}

#[test]
fn only_sources_of_the_ringlog_crates_are_judged() {
    let paths =
        ["xtask/src/main.rs", "tests/src/lib.rs", "ringlog-core/benches/a.rs", "ringlog-cli/src/a.md"];
    assert!(check(&paths.map(|path| file(path, "b.unwrap()\n"))).is_empty());
}
