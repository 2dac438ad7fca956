//! Any text is read as a configuration or refused with positions inside the text; nothing panics.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use ringlog_testkit::Scratch;
use ringlog_writer::config::Config;

const VALID: &str = include_str!("valid.toml");

/// The pieces that a mutation inserts.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\n",
    "\r",
    "\\",
    "#",
    " ",
    "\0",
    "\u{feff}",
    "ä",
    "%",
    "%(",
    "%(name)99999d",
    "true",
    "-1",
    "0x1F",
    "1e999",
    "99999999999999999999999999",
    "nan",
    "1979-05-27",
    "02:30",
    "[root]",
    "[handlers]",
    "[handlers.file]",
    "[handlers.file.rotate]",
    "[loggers.a.b.c]",
    "[formatters.json]",
    "level",
    "handlers",
    "kind = \"file\"",
    "path = \"log/app.log\"",
    "naming = \"python\"",
    "a.b.c.d.e = 1",
    "\"console\"",
    "[\"console\"]",
];

/// Replaces a stretch of the text by `piece`.
fn mutated(text: &str, at: Index, len: usize, piece: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = at.index(chars.len() + 1);
    let end = (at + len).min(chars.len());
    chars[..at].iter().copied().chain(piece.chars()).chain(chars[end..].iter().copied()).collect()
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let path = Path::new("app.toml");
    let problems = match Config::parse(text, path) {
        Ok(checked) => {
            checked.check_targets();
            let again = Config::parse(&checked.config.to_string(), path).map(|checked| checked.config);
            prop_assert_eq!(again, Ok(checked.config));
            checked.warnings
        }
        Err(errors) => {
            prop_assert!(!errors.0.is_empty());
            errors.0
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in &problems {
        let (line, column) = problem.place.unwrap();
        let line = lines.get(line - 1).map(|line| line.chars().count() + 1);
        prop_assert!((1..=line.unwrap_or(0)).contains(&column), "{problem} in {text}");
    }
    prop_assert!(problems.is_sorted_by_key(|problem| problem.place));
    Ok(())
}

/// A file of the largest size takes a second or two, not minutes.
#[test]
fn many_of_everything() {
    let many = |piece: &dyn Fn(usize) -> String| (0..50_000).map(piece).collect::<String>();
    let handlers = many(&|i| format!("[handlers.h{i}]\n"));
    for text in [
        format!("rings = [{}]", many(&|i| format!("\"r{i}\","))),
        format!("[root]\nhandlers = [{}]\n{handlers}", many(&|i| format!("\"h{i}\","))),
        many(&|i| format!("[loggers.l{i}]\n")),
        many(&|i| format!("[formatters.f{i}]\n")),
        many(&|i| format!("x{i} = 1\n")),
        many(&|i| format!("x{i} = y\n")),
        format!("x = [{}]", many(&|_| "y,".to_owned())),
        format!("x = [{}]", many(&|_| "y,\n".to_owned())),
    ] {
        let began = Instant::now();
        assert!(Config::parse(&text, Path::new("app.toml")).is_err());
        assert!(began.elapsed() < Duration::from_secs(20), "{:?} for {text:.100}", began.elapsed());
    }
}

#[test]
fn the_valid_file_is_valid() {
    let checked = Config::parse(VALID, Path::new("app.toml")).unwrap();
    assert_eq!(checked.warnings, []);
    assert_eq!((checked.config.handlers.len(), checked.config.loggers.len()), (3, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn mutations_of_a_valid_file(
        edits in vec((any::<Index>(), select(&[0_usize, 0, 1, 2, 10, 40, 200][..]), select(PIECES)), 1..5),
    ) {
        let edit = |text: String, (at, len, piece): (Index, usize, &str)| mutated(&text, at, len, piece);
        check(&edits.into_iter().fold(VALID.to_owned(), edit))?;
    }

    #[test]
    fn lines_in_any_order(lines in vec(select(VALID.lines().collect::<Vec<_>>()), 0..30)) {
        check(&lines.join("\n"))?;
    }

    #[test]
    fn pieces_and_any_text(
        pieces in vec(prop_oneof![select(PIECES).prop_map(str::to_owned), any::<String>()], 0..20),
    ) {
        check(&pieces.concat())?;
    }

    #[test]
    fn any_bytes_of_a_file(bytes in vec(any::<u8>(), 0..100)) {
        let dir = Scratch::on_disk();
        let path = dir.file("app.toml");
        std::fs::write(&path, bytes).unwrap();
        let _ = Config::read(&path);
    }
}
