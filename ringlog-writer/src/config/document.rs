//! The tables of docs/configuration.md, which this test compares with the settings. With RINGLOG_UPDATE=1 it writes
//! them.

use std::fs;
use std::path::Path;

use super::settings::tables;
use crate::setting::{Form, Key, Pattern, Syntax, Table};
use crate::sink::SinkConfig;

/// How a table of settings begins in the document.
const HEAD: &str = "| key | type | default |";

#[test]
fn the_document_has_the_tables_of_the_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let expected = with_guarantees(&with_tables(&text, &tables()));
    if std::env::var_os("RINGLOG_UPDATE").is_some() {
        return fs::write(&path, &expected).unwrap();
    }
    let differs = text.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        differs.is_none() && text.len() == expected.len(),
        "docs/configuration.md does not have the tables of settings and guarantees; write them with RINGLOG_UPDATE=1 \
         cargo test -p ringlog-writer --lib the_document: {differs:#?}"
    );
}

/// The document with these tables in place of its own, in their order.
fn with_tables(text: &str, tables: &[Table]) -> String {
    let mut parts = tables.iter().flat_map(split);
    let mut written = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with(HEAD) {
            written.extend([line, "\n"]);
            continue;
        }
        while lines.next_if(|line| line.starts_with('|')).is_some() {}
        written.push_str(&rows(&parts.next().expect("the document has more tables than the settings")));
    }
    let missing: Vec<_> = parts.flatten().map(|key| key.name).collect();
    assert!(missing.is_empty(), "settings without a table in the document: {missing:?}");
    written
}

/// How the table of guarantees begins in the document.
const GUARANTEES: &str = "| output | guarantee |";

/// The document with the guarantees of each kind of output in place of its own.
fn with_guarantees(text: &str) -> String {
    let mut rows = format!(
        "{GUARANTEES} when the writer is killed and starts again | when it cannot be written, or is slow |\n\
         |---|---|---|---|\n"
    );
    let all = SinkConfig::all();
    let kinds = all.iter().flat_map(|sink| sink.kind().outputs());
    let cases = kinds.flat_map(|kind| {
        let alone = kind.alone.is_some().then_some((kind, false));
        [(kind, true)].into_iter().chain(alone)
    });
    let mut cases: Vec<_> =
        cases.map(|(kind, better)| (kind.guarantee.among(better), kind, better)).collect();
    cases.sort_by_key(|(guarantee, ..)| *guarantee);
    for (guarantee, kind, has_better) in cases {
        // A kind that is called otherwise where it is alone.
        let is_alone = kind.alone.is_some() && !has_better;
        let slow = guarantee.when_slow(!is_alone);
        let cells = [kind.name(has_better), guarantee.name(), guarantee.after_a_kill(), slow];
        rows.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    let (before, table) = text.split_once(GUARANTEES).expect("the document has a table of guarantees");
    let (_, after) = table.split_once("\n\n").expect("text follows the table");
    format!("{before}{rows}\n{after}")
}

/// A table's keys as the document divides them: those of handlers by the kind of handler.
fn split(table: &Table) -> Vec<Vec<&Key>> {
    let mut parts: Vec<Vec<&Key>> = Vec::new();
    for key in &table.keys {
        match parts.last_mut() {
            Some(part) if table.header != "handlers.NAME" || part[0].of == key.of => part.push(key),
            _ => parts.push(vec![key]),
        }
    }
    parts
}

fn rows(keys: &[&Key]) -> String {
    let has_flags = keys.iter().any(|key| key.about.flag.is_some());
    let mut text = HEAD.to_owned();
    text.push_str(if has_flags { " flag | |\n|---|---|---|---|---|\n" } else { " |\n|---|---|---|---|\n" });
    // A part of one kind of table has a heading that says so.
    let is_mixed = keys.iter().any(|key| key.of != keys[0].of);
    for key in keys {
        let default = key.default.as_ref().map_or("—".to_owned(), |default| format!("`{default}`"));
        let flag = if has_flags { format!("{} | ", flag(key)) } else { String::new() };
        let condition = if is_mixed { condition(key) } else { String::new() };
        let doc = if condition.is_empty() { key.about.doc.to_owned() } else { uncapitalized(key.about.doc) };
        assert!(!doc.contains('|'), "{doc}");
        let (name, of_type) = (key.name, type_name(&key.about.syntax));
        text.push_str(&format!("| `{name}` | {of_type} | {default} | {flag}{condition}{doc} |\n"));
    }
    text
}

fn type_name(syntax: &Syntax) -> &'static str {
    match syntax {
        Syntax::Boolean => "boolean",
        Syntax::String(Pattern::Duration) => "duration",
        Syntax::String(_) => "string",
        Syntax::StringOrNumber(Pattern::Level, _) => "level",
        Syntax::StringOrNumber(..) => "string or number",
        Syntax::Strings(_) => "list of strings",
        Syntax::Table(_) => "table",
        Syntax::Tables(_) => "tables",
    }
}

fn flag(key: &Key) -> String {
    match key.about.flag.as_ref().map(|flag| &flag.form) {
        None => String::new(),
        Some(Form::Value { name, .. }) => format!("`--{name}`"),
        Some(Form::Switches(switches)) => {
            switches.iter().map(|switch| format!("`--{}`", switch.name)).collect::<Vec<_>>().join(" ")
        }
    }
}

/// When the key is allowed, as the beginning of a sentence.
fn condition(key: &Key) -> String {
    let of: Vec<_> = key.of.iter().map(|of| format!("`{of}`")).collect();
    match key.about.instead_of {
        Some(other) => format!("Instead of `{other}`: "),
        None if of.is_empty() => String::new(),
        None => format!("With {}: ", of.join(" or ")),
    }
}

/// The text with its first letter in lower case.
fn uncapitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_lowercase().chain(characters).collect())
}

#[test]
fn a_document_with_other_tables_is_found() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md")).unwrap();
    for (of_the_document, other) in
        [("`\"never\"`", "`\"batch\"`"), ("| `ids` | boolean |", "| `ids` | string |")]
    {
        let wrong = text.replacen(of_the_document, other, 1);
        assert_ne!(wrong, text);
        assert_eq!(with_tables(&wrong, &tables()), with_tables(&text, &tables()));
    }
}
