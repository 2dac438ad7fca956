//! The rule for panics in the crates a program links: whoever writes `unwrap`
//! or `expect` says in a comment beside it why it cannot happen.

use std::path::{Path, PathBuf};

use super::Finding;
use super::files::File;
use super::rust::has_word;

/// One of these in the comment makes it a proof.
const PROOF_WORDS: &[&str] = &["cannot", "can not", "never", "always", "proof"];
/// How far above its call a proof may stand.
const LINES_ABOVE: usize = 3;

/// Put together from parts so that a search for them finds the real ones.
const CALLS: &[&str] = &[concat!(".unwrap", "()"), concat!(".expect", "(")];

pub fn check(files: &[File]) -> Vec<Finding> {
    let sources: Vec<&File> = files.iter().filter(|file| is_library_source(&file.path)).collect();
    let test_modules: Vec<PathBuf> = sources.iter().flat_map(|file| test_modules(file)).collect();
    let is_test = |path: &str| {
        let path = Path::new(path).with_extension("");
        test_modules.iter().any(|module| path.starts_with(module))
    };
    sources.iter().filter(|file| !is_test(&file.path)).flat_map(|file| check_file(file)).collect()
}

/// `ringlog-*/src/**.rs`
fn is_library_source(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next().is_some_and(|part| part.starts_with("ringlog-"))
        && parts.next() == Some("src")
        && path.ends_with(".rs")
}

fn check_file(file: &File) -> Vec<Finding> {
    let lines: Vec<&str> = file.text.lines().collect();
    let tests = test_lines(&lines);
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(index, _)| !tests[*index]) {
        let (code, _) = split_comment(line);
        let nearby = &lines[index.saturating_sub(LINES_ABOVE)..=index];
        for call in CALLS.iter().filter(|call| code.contains(**call)) {
            if !nearby.iter().any(|line| is_proof(line)) {
                let message = format!("{call} without a proof: a comment why it cannot happen");
                findings.push(Finding::at(&file.path, index + 1, message));
            }
        }
    }
    findings
}

fn is_proof(line: &str) -> bool {
    let comment = split_comment(line).1.to_lowercase();
    PROOF_WORDS.iter().any(|word| comment.contains(word))
}

/// The line's code and its comment. The slashes of `https://` begin none.
fn split_comment(line: &str) -> (&str, &str) {
    let begins = |(start, _): &(usize, &str)| !line[..*start].ends_with(':');
    line.match_indices("//").find(begins).map_or((line, ""), |(start, _)| line.split_at(start))
}

/// For each line whether it belongs to an item that only tests and models are built with.
fn test_lines(lines: &[&str]) -> Vec<bool> {
    let mut tests = vec![false; lines.len()];
    let mut index = 0;
    while index < lines.len() {
        if !is_test_attribute(lines[index]) {
            index += 1;
            continue;
        }
        let end = item_end(lines, index);
        tests[index..end].fill(true);
        index = end;
    }
    tests
}

/// `#[cfg(test)]`, `#[cfg(all(test, loom))]` and their like; with `!` for the whole file.
fn is_test_attribute(line: &str) -> bool {
    let attribute = line.trim().trim_start_matches("#!").trim_start_matches('#');
    let condition = attribute.strip_prefix("[cfg(").and_then(|rest| rest.split_once(")]"));
    condition.is_some_and(|(condition, _)| needs_test(condition))
}

/// Whether a `cfg` condition holds only in builds of tests or models.
fn needs_test(condition: &str) -> bool {
    let inside = |name| condition.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(list) = inside("all") {
        return split_list(list).any(needs_test);
    }
    if let Some(list) = inside("any") {
        return split_list(list).all(needs_test);
    }
    matches!(condition, "test" | "loom")
}

/// The parts of a list between its commas, except those inside brackets.
fn split_list(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let parts = list.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// The line after the item whose attribute stands at `start`. Rustfmt indents
/// an item's last line like its first, and nothing between them ends so.
fn item_end(lines: &[&str], start: usize) -> usize {
    if lines[start].trim_start().starts_with("#!") {
        return lines.len();
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_last = |line: &str| {
        let code = split_comment(line).0.trim_end();
        indent(line) == indent(lines[start]) && code.ends_with(['}', ';', ','])
    };
    let length = lines[start..].iter().position(|line| is_last(line));
    length.map_or(lines.len(), |length| start + length + 1)
}

/// The modules in files of their own that this file declares for tests alone,
/// as paths without `.rs`.
fn test_modules(file: &File) -> Vec<PathBuf> {
    let path = Path::new(&file.path);
    let owns_directory = ["lib", "main", "mod"].map(|stem| path.file_stem() == Some(stem.as_ref()));
    let directory = if owns_directory.contains(&true) {
        path.parent().unwrap_or(path).to_owned()
    } else {
        path.with_extension("")
    };
    let lines: Vec<&str> = file.text.lines().collect();
    let tests = test_lines(&lines);
    let declared = lines.iter().zip(tests).filter(|(_, is_test)| *is_test);
    declared.filter_map(|(line, _)| module_name(line)).map(|name| directory.join(name)).collect()
}

/// The name in `mod name;`
fn module_name(line: &str) -> Option<&str> {
    let (before, name) = line.trim().strip_suffix(';')?.rsplit_once(' ')?;
    has_word(before, "mod").then_some(name)
}

#[cfg(test)]
mod tests;
