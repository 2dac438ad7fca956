//! `cargo test`, with the time that each test program takes.

use std::cmp::Reverse;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::shell;
use crate::steps::seconds;

/// A program faster than this is not worth naming.
const SLOW: Duration = Duration::from_secs(5);
const NAMED: usize = 8;

/// What one run of `cargo test` has shown.
pub struct Outcome {
    /// The tests that passed, in all programs.
    pub passed: u64,
    programs: Vec<Program>,
}

struct Program {
    name: String,
    took: Duration,
}

/// Runs a `cargo test` command and measures its programs.
pub fn run(command: &mut Command) -> Result<Outcome> {
    let mut programs: Vec<Program> = Vec::new();
    let mut passed = 0;
    let mut started = Instant::now();
    shell::run_watching(command, |line| {
        if let Some(program) = programs.last_mut() {
            program.took = started.elapsed();
        }
        if let Some(name) = started_program(line) {
            programs.push(Program { name, took: Duration::ZERO });
            started = Instant::now();
        }
        passed += passed_tests(line).unwrap_or(0);
        true
    })?;
    Ok(Outcome { passed, programs })
}

impl Outcome {
    /// The slowest programs in one line, the slowest first.
    pub fn slowest(&self) -> String {
        let mut slow: Vec<_> = self.programs.iter().filter(|program| program.took >= SLOW).collect();
        slow.sort_by_key(|program| Reverse(program.took));
        let named: Vec<_> = slow
            .iter()
            .take(NAMED)
            .map(|program| format!("{} {}", program.name, seconds(program.took)))
            .collect();
        if named.is_empty() {
            return format!("no program took {}", seconds(SLOW));
        }
        format!("slowest programs: {}", named.join(", "))
    }
}

/// The program that cargo starts, by the line in which it says so: `Running tests/a.rs (target/debug/deps/a-1f)` or
/// `Doc-tests a`.
fn started_program(line: &str) -> Option<String> {
    let line = without_colours(line);
    if let Some(name) = line.trim_start().strip_prefix("Doc-tests ") {
        return Some(format!("{name} (documentation)"));
    }
    let (source, file) = line.trim_start().strip_prefix("Running ")?.strip_suffix(')')?.split_once(" (")?;
    let stem = file.rsplit('/').next()?.rsplit_once('-')?.0;
    Some(if source.starts_with("unittests") { format!("{stem} (unit tests)") } else { stem.to_owned() })
}

/// The line without the escape sequences that colour it.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default();
    let coloured = parts.filter_map(|part| part.split_once('m')).map(|(_, text)| text);
    std::iter::once(first).chain(coloured).collect()
}

/// The number in `test result: ok. 3 passed; …`
fn passed_tests(line: &str) -> Option<u64> {
    let (before, _) = line.split_once(" passed;")?;
    if !before.starts_with("test result:") {
        return None;
    }
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_what_cargo_says() {
        let named = |line: &str| started_program(line);
        let line = "     Running unittests src/lib.rs (target/debug/deps/ringlog_writer-0f3)";
        assert_eq!(named(line).as_deref(), Some("ringlog_writer (unit tests)"));
        let coloured =
            "\u{1b}[1m\u{1b}[92m     Running\u{1b}[0m tests/death.rs (target/debug/deps/death-a1b2)";
        assert_eq!(named(coloured).as_deref(), Some("death"));
        let coloured = "\u{1b}[1m\u{1b}[92m   Doc-tests\u{1b}[0m ringlog";
        for line in ["   Doc-tests ringlog", coloured] {
            assert_eq!(named(line).as_deref(), Some("ringlog (documentation)"));
        }
        assert_eq!(named("test Running_late ... ok"), None);
    }

    #[test]
    fn passed_tests_are_counted() {
        assert_eq!(passed_tests("test result: ok. 17 passed; 0 failed; 2 ignored;"), Some(17));
        assert_eq!(passed_tests("3 passed; or not"), None);
    }

    #[test]
    fn the_slowest_programs_are_named_in_order() {
        let program = |name: &str, secs| Program { name: name.into(), took: Duration::from_secs(secs) };
        let programs = vec![program("a", 7), program("b", 90), program("c", 2)];
        let mut outcome = Outcome { passed: 0, programs };
        assert_eq!(outcome.slowest(), "slowest programs: b 1 min 30 s, a 7.0 s");
        outcome.programs.clear();
        assert_eq!(outcome.slowest(), "no program took 5.0 s");
    }
}
