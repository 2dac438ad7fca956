//! docs/configuration.md documents every key as the reader handles it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ringlog_writer::config::{Checked, Config};
use toml::de::{DeTable, DeValue};

pub(crate) fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md")).unwrap()
}

fn parse(text: &str) -> Result<Checked, String> {
    Config::parse(text, Path::new("ringlog.toml")).map_err(|errors| errors.to_string())
}

/// The blocks that begin with this fence.
pub(crate) fn blocks(text: &str, fence: &str) -> Vec<String> {
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(begun) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if begun == fence {
            found.push(block.join("\n"));
        }
    }
    found
}

type Key = (String, String);

/// The keys of a table, and of those in it, with names as `Config::keys` has them.
fn keys(table: &DeTable<'_>, at: &str, found: &mut BTreeSet<Key>) {
    for (key, value) in table.iter() {
        let is_named = ["formatters", "handlers", "loggers"].contains(&at);
        if !is_named {
            found.insert((at.to_owned(), key.get_ref().to_string()));
        }
        if let DeValue::Table(inner) = value.get_ref() {
            let key = if is_named { "NAME" } else { key.get_ref() };
            let at = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
            keys(inner, &at, found);
        }
    }
}

fn known() -> BTreeSet<Key> {
    Config::keys().map(|(table, key)| (table.to_owned(), key.to_owned())).collect()
}

#[test]
fn every_example_is_a_configuration_without_a_warning() {
    let text = document();
    let blocks = blocks(&text, "toml");
    assert!(blocks.len() >= 8, "{}", blocks.len());
    for block in blocks {
        let checked = parse(&block).unwrap_or_else(|errors| panic!("{errors}\n{block}"));
        assert_eq!(checked.warnings, [], "{block}");
    }
}

#[test]
fn every_key_is_shown_in_an_example() {
    let mut shown = BTreeSet::new();
    for block in blocks(&document(), "toml") {
        keys(DeTable::parse(&block).unwrap().get_ref(), "", &mut shown);
    }
    assert_eq!(shown, known());
}

/// A row of a table in the document: the key and its default.
fn rows(text: &str) -> Vec<(Key, String)> {
    let mut table = "";
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let name = heading.strip_prefix("`[").and_then(|name| name.strip_suffix("]`"));
            table = name.unwrap_or_default();
        } else if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<&str> = row.split(" | ").collect();
            let [key, _, default, .., meaning] = cells[..] else { panic!("{line}") };
            assert!(meaning.len() > 10, "{line}");
            rows.push(((table.to_owned(), key.trim_end_matches('`').to_owned()), default.to_owned()));
        }
    }
    rows
}

/// Configurations that may hold a key, at `KEY`.
fn files(table: &str, key: &str) -> &'static [&'static str] {
    match (table, key) {
        ("", _) => &["KEY\nhandlers.h.kind = 'null'"],
        ("formatters.NAME", "datefmt" | "zone") => {
            &["handlers.h.kind = 'null'\nhandlers.h.formatter = 'f'\n\
             [formatters.f]\nformat = ''\nKEY"]
        }
        ("formatters.NAME", "newlines") => &[
            "handlers.h.kind = 'null'\nhandlers.h.formatter = 'f'\n[formatters.f]\nformat = ''\nKEY",
            "handlers.h.kind = 'null'\nhandlers.h.formatter = 'f'\n[formatters.f]\nKEY",
        ],
        ("formatters.NAME", _) => {
            &["handlers.h.kind = 'null'\nhandlers.h.formatter = 'f'\n[formatters.f]\nKEY"]
        }
        ("handlers.NAME", "level" | "formatter") => &[
            "[handlers.h]\nkind = 'console'\nKEY",
            "[handlers.h]\nkind = 'file'\npath = 'p'\nKEY",
            "[handlers.h]\nkind = 'null'\nKEY",
        ],
        ("handlers.NAME", "stream" | "color") => &["[handlers.h]\nkind = 'console'\nKEY"],
        ("handlers.NAME", _) => &["[handlers.h]\nkind = 'file'\npath = 'p'\nKEY"],
        ("handlers.NAME.rotate", _) => {
            &["[handlers.h]\nkind = 'file'\npath = 'p'\n[handlers.h.rotate]\nevery = 'midnight'\nKEY"]
        }
        ("root", _) => &["handlers.h.kind = 'null'\n[root]\nKEY"],
        ("loggers.NAME", _) => &["handlers.h.kind = 'null'\n[loggers.l]\nKEY"],
        other => panic!("{other:?} has a default"),
    }
}

#[test]
fn every_key_has_a_row_with_its_default() {
    let rows = rows(&document());
    let described: BTreeSet<Key> = rows.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(described, known());
    assert_eq!(described.len(), rows.len(), "a key has two rows");
    let mut with_default = 0;
    for ((table, key), default) in rows.iter().filter(|(_, default)| default != "—") {
        let value = default.trim_matches('`');
        for file in files(table, key) {
            let said = parse(&file.replace("KEY", &format!("{key} = {value}"))).unwrap().config;
            let unsaid = parse(&file.replace("KEY", "")).unwrap().config;
            assert_eq!(said, unsaid, "{key} in [{table}]");
        }
        with_default += 1;
    }
    assert!(with_default >= 21, "{with_default}");
}

#[test]
fn the_errors_are_those_in_the_document() {
    let text = document();
    let (wrong, said) = (blocks(&text, "toml wrong"), blocks(&text, "text"));
    assert_eq!((wrong.len(), said.len()), (1, 1));
    assert_eq!(parse(&wrong[0]).unwrap_err(), said[0]);
}
