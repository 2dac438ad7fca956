//! Where there is nothing in Python to compare with: policies, gaps, several errors, absent fields.

use jiff::tz::TimeZone;
use ringlog::reader::{Body, ExitCause, UncleanExit};
use ringlog::schema::{Type, Value};

use super::super::samples::{changed, line, notice_line, origin, statement, text, typed};
use super::*;

fn pattern(pattern: &str, newlines: Newlines) -> Pattern {
    Pattern::new(pattern, None, TimeZone::UTC, newlines).unwrap()
}

const USUAL: &str = "%(levelname)s:%(name)s:%(message)s";

/// A message of two lines, a field, and two errors that it does not show.
fn failed() -> ringlog::reader::OwnedEntry {
    statement(
        "no\nfill",
        &[
            ("n", Type::U8, Value::U64(7)),
            ("first", Type::Error, Value::Error(b"refused\n\tcaused by: \x1b[m")),
            ("second", Type::Error, Value::Error(b"late\r")),
        ],
    )
}

#[test]
fn errors_follow_as_the_policy_for_newlines_says() {
    let of = |newlines| line(&mut pattern(USUAL, newlines), &failed());
    assert_eq!(of(Newlines::Raw), "INFO:orders:no\nfill\nrefused\n\tcaused by: \\x1b[m\nlate\\x0d\n");
    assert_eq!(
        of(Newlines::Indent),
        "INFO:orders:no\n    fill\n    refused\n    \\x09caused by: \\x1b[m\n    late\\x0d\n"
    );
    assert_eq!(
        of(Newlines::Escape),
        "INFO:orders:no\\nfill\\nrefused\\n\\x09caused by: \\x1b[m\\nlate\\x0d\n"
    );
}

#[test]
fn an_error_that_the_pattern_shows_does_not_follow() {
    let mut format = pattern("%(message)s (%(exc_info)s)", Newlines::Escape);
    assert_eq!(line(&mut format, &failed()), "no\\nfill (refused\\n\\x09caused by: \\x1b[m\\nlate\\x0d)\n");
    let shown = statement("failed: {0}", &[("err", Type::Error, Value::Error(b"e"))]);
    assert_eq!(line(&mut pattern("%(message)s", Newlines::Raw), &shown), "failed: e\n");
    // A typed record says it all with its fields, and its error once.
    let typed = typed("", &[("n", Type::U8, Value::U64(7)), ("err", Type::Error, Value::Error(b"e"))]);
    for (newlines, expected) in [(Newlines::Raw, "n=7\ne\n"), (Newlines::Escape, "n=7\\ne\n")] {
        assert_eq!(line(&mut pattern("%(message)s", newlines), &typed), expected);
    }
}

#[test]
fn no_record_forges_a_line_unless_newlines_are_raw() {
    for newlines in [Newlines::Escape, Newlines::Indent] {
        let mut format = pattern("INFO %(name)s %(threadName)s %(message)s %(user)s", newlines);
        let forger = statement(
            "x\nINFO forged",
            &[
                ("user", Type::Str, Value::Text(b"u\nINFO forged")),
                ("err", Type::Error, Value::Error(b"e\nINFO forged")),
            ],
        );
        let line = changed(&mut format, &forger, |record| record.logger = "l\nINFO forged");
        assert_eq!(line.lines().filter(|line| line.starts_with("INFO")).count(), 1, "{line}");
        // Nor where the pattern itself ends the line.
        let error = statement("m", &[("err", Type::Error, Value::Error(b"INFO forged"))]);
        let line = super::super::samples::line(&mut pattern("INFO %(message)s\n", newlines), &error);
        assert_eq!(line.lines().filter(|line| line.starts_with("INFO")).count(), 1, "{line}");
    }
}

#[test]
fn an_error_follows_an_empty_line_too() {
    let entry = statement("", &[("err", Type::Error, Value::Error(b"e"))]);
    let (mut format, mut out) = (pattern("%(user)s", Newlines::Raw), b"the one before\n".to_vec());
    format.entry(&entry.entry(), &mut out);
    assert_eq!(out, b"the one before\n\ne\n");
}

#[test]
fn what_a_record_does_not_have_is_empty_or_said() {
    let entry = text(Level::INFO, "", "m");
    let mut format = pattern(
        "%(name)s|%(pathname)s|%(module)s|%(lineno)d|%(funcName)s|%(exc_info)s|%(ip)s|%(n)4d|%(message)s",
        Newlines::Raw,
    );
    assert_eq!(
        line(&mut format, &entry),
        "root|(unknown file)|(unknown file)|0|(unknown function)|||    |m\n"
    );
    let cut = changed(&mut pattern("%(message).1s", Newlines::Raw), &entry, |record| record.cut = true);
    assert_eq!(cut, "m\n");
    let cut = changed(&mut pattern("%(message)s", Newlines::Raw), &entry, |record| record.cut = true);
    assert_eq!(cut, "m [cut]\n");
}

#[test]
fn an_unclean_exit_has_the_level_of_its_cause() {
    for (cause, level) in [(ExitCause::Unknown, "WARNING"), (ExitCause::Status(0), "INFO")] {
        let died = notice_line(
            &mut pattern("%(asctime)s %(levelname)s %(name)s %(message).12s", Newlines::Raw),
            Body::UncleanExit(UncleanExit { cause, lanes: &[] }),
            &origin(),
        );
        assert_eq!(died, format!("2026-11-21 10:15:30,123 {level} ringlog process shop\n"));
    }
}

#[test]
fn a_problem_says_whether_it_is_in_the_date() {
    let new = |pattern, date| Pattern::new(pattern, Some(date), TimeZone::UTC, Newlines::Raw).unwrap_err();
    assert!(!new("100% %(message)s", "%Y").is_in_date());
    let problem = new("%(message)s", "%Y %Q");
    assert_eq!((problem.is_in_date(), problem.at()), (true, 3));
}

/// A record of another logging system, with attributes of its own.
fn foreign(attributes: &[(&'static str, Type, Value<'_>)]) -> String {
    let fields = [&[("", Type::Str, Value::Text(b"hi"))][..], attributes].concat();
    let all = "%(asctime)s|%(created).3f|%(msecs)d|%(relativeCreated)d|%(thread)d|%(threadName)s|%(process)d|\
               %(processName)s|%(levelname)s|%(levelno)d|%(filename)s|%(module)s|%(taskName)s|%(message)s";
    line(&mut pattern(all, Newlines::Raw), &statement("{0}", &fields))
}

#[test]
fn a_record_goes_before_the_ring_in_what_it_says() {
    let attributes = [
        ("ringlog.created", Type::F64, Value::F64(1000.25)),
        ("ringlog.msecs", Type::F64, Value::F64(249.999)),
        ("ringlog.relativeCreated", Type::F64, Value::F64(7.5)),
        ("ringlog.thread", Type::U64, Value::U64(140_000_000_000)),
        ("ringlog.threadName", Type::Str, Value::Text(b"fetch\x1b")),
        ("ringlog.process", Type::I64, Value::I64(42)),
        ("ringlog.processName", Type::Str, Value::Text(b"Fetcher-1")),
        ("ringlog.levelname", Type::Str, Value::Text(b"NOTICE")),
        ("ringlog.levelno", Type::I64, Value::I64(1000)),
        ("ringlog.filename", Type::Str, Value::Text(b"f.py")),
        ("ringlog.module", Type::Str, Value::Text(b"mod")),
        ("ringlog.taskName", Type::Str, Value::Text(b"Task-3")),
    ];
    let expected = "1970-01-01 00:16:40,249|1000.250|249|7|140000000000|fetch\\x1b|42|Fetcher-1|NOTICE|1000|f.py|mod|\
                    Task-3|hi\n";
    assert_eq!(foreign(&attributes), expected);
    // As a program may put it that makes its records by itself.
    let whole =
        [("ringlog.created", Type::I64, Value::I64(1000)), ("ringlog.msecs", Type::I64, Value::I64(0))];
    let line = foreign(&whole);
    assert!(line.starts_with("1970-01-01 00:16:40,000|1000.000|0|"), "{line}");
}

#[test]
fn impossible_times_of_a_record_stay_printable() {
    for created in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300] {
        let line = foreign(&[
            ("ringlog.created", Type::F64, Value::F64(created)),
            ("ringlog.msecs", Type::F64, Value::F64(created)),
        ]);
        assert!(line.ends_with("|hi\n"), "{line}");
    }
}
