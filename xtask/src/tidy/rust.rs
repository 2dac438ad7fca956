//! Rules for Rust files: they stay small, and nothing unfinished stays in them.

use super::Finding;
use super::source;

const MAX_LINES: usize = 440;
/// Tests are lists of cases: they grow without becoming harder to read.
const MAX_TEST_LINES: usize = 600;
const MAX_COLUMNS: usize = 120;
/// A test's name says what is promised, in one line of the test run.
const MAX_TEST_NAME: usize = 60;
/// Where longer names are still to be shortened.
const LONG_TEST_NAMES: &[&str] = &[];

/// Marks of unfinished work in comments; clippy knows the macros. Put together from parts so that this file obeys its
/// own rule.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_test = path.split('/').any(|part| part == "tests" || part == "tests.rs");
    let max_lines = if is_test { MAX_TEST_LINES } else { MAX_LINES };
    let lines = text.lines().count();
    if lines > max_lines {
        findings.push(Finding::whole(path, format!("{lines} lines, at most {max_lines} are allowed")));
    }
    for (index, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        // An address cannot be broken over two lines.
        if columns > MAX_COLUMNS && !line.contains("://") {
            let message = format!("{columns} columns, at most {MAX_COLUMNS} are allowed");
            findings.push(Finding::at(path, index + 1, message));
        }
        for mark in UNFINISHED.iter().filter(|mark| has_word(line, mark)) {
            findings.push(Finding::at(path, index + 1, format!("unfinished: {mark}")));
        }
    }
    findings.extend(check_test_names(path, text));
    findings
}

fn check_test_names(path: &str, text: &str) -> Vec<Finding> {
    let tests = source::test_functions(text).unwrap_or_default();
    let is_open = LONG_TEST_NAMES.iter().any(|prefix| path.starts_with(prefix));
    let long = tests.iter().filter(|test| !is_open && test.name.len() > MAX_TEST_NAME);
    let finding = |test: &source::TestFunction| {
        let length = test.name.len();
        let message =
            format!("a test's name of {length} letters, at most {MAX_TEST_NAME} are allowed: {}", test.name);
        Finding::at(path, test.line, message)
    };
    long.map(finding).collect()
}

/// Whether the word stands in the line by itself and not inside a longer one.
pub fn has_word(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(is_word) && !line[start + word.len()..].starts_with(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(path, text).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn long_files_are_found_and_tests_may_be_longer() {
        let text = "//\n".repeat(MAX_LINES + 1);
        assert_eq!(messages("a/src/b.rs", &text), ["a/src/b.rs: 441 lines, at most 440 are allowed"]);
        assert_eq!(messages("a/tests/b.rs", &text), [""; 0]);
        assert_eq!(messages("a/src/b/tests.rs", &text), [""; 0]);
        let text = "//\n".repeat(MAX_TEST_LINES + 1);
        assert_eq!(messages("tests/b.rs", &text), ["tests/b.rs: 601 lines, at most 600 are allowed"]);
    }

    #[test]
    fn long_lines_are_found_unless_they_hold_an_address() {
        let long = "ä".repeat(MAX_COLUMNS + 1);
        let expected = ["a.rs:1: 121 columns, at most 120 are allowed"];
        assert_eq!(messages("a.rs", &format!("{long}\n")), expected);
        assert_eq!(messages("a.rs", &format!("// https://a.example/{long}\n")), [""; 0]);
        assert_eq!(messages("a.rs", &format!("{}\n", "ä".repeat(MAX_COLUMNS))), [""; 0]);
    }

    #[test]
    fn long_names_of_tests_are_found() {
        let long = "a".repeat(MAX_TEST_NAME + 1);
        let expected = [format!("a.rs:2: a test's name of 61 letters, at most 60 are allowed: {long}")];
        assert_eq!(messages("a.rs", &format!("#[test]\nfn {long}() {{}}\n")), expected);
        assert_eq!(
            messages("a.rs", &format!("fn {long}() {{}}\n#[test]\nfn {}() {{}}\n", &long[1..])),
            [""; 0]
        );
    }

    #[test]
    fn unfinished_work_is_found() {
        for mark in UNFINISHED {
            let expected = [format!("a.rs:2: unfinished: {mark}")];
            assert_eq!(messages("a.rs", &format!("fn f() {{\n    {mark}(1)\n}}\n")), expected);
            assert_eq!(messages("a.rs", &format!("fn a{mark}a() {{}}\n")), [""; 0]);
        }
    }
}
