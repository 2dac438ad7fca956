//! `root` and the tables under `loggers`: which records go to which handlers.

use std::collections::HashSet;

use ringlog::Level;
use toml::de::DeValue;

use super::Logger;
use super::diagnostics::Findings;
use super::handlers::Handlers;
use super::section::{Key, Named, Section};
use crate::rotation::suggestion;

pub(super) const ROOT_KEYS: &[Key] = &[Key::new("level"), Key::new("handlers")];

pub(super) const KEYS: &[Key] = &[Key::new("level"), Key::new("handlers"), Key::new("propagate")];

/// The root, and behind it the others in the order of the file.
pub(super) fn read<'a>(
    file: &Section<'a>,
    handlers: &mut Handlers<'a>,
    findings: &mut Findings,
) -> Vec<Logger> {
    let mut loggers = vec![root(file, handlers, findings)];
    let mut seen = HashSet::new();
    let tables = file.table("loggers", findings).map(|section| section.tables(findings));
    for (name, section) in tables.unwrap_or_default() {
        for entry in section.unknown(KEYS) {
            match entry.1.get_ref() {
                DeValue::Table(_) => refuse_nested(name, entry, findings),
                _ => section.refuse(entry, KEYS, findings),
            }
        }
        // As in Rust's paths of modules.
        let name = name.replace("::", ".");
        match wrong_name(&name) {
            Some(wrong) => findings.wrong(&section.at, wrong),
            None if !seen.insert(name.clone()) => {
                let what =
                    format!("the logger {name:?} is there already; `::` in a name is the same as a dot");
                findings.wrong(&section.at, what);
            }
            None => {}
        }
        let logger = Logger {
            name,
            level: level(&section, findings),
            handlers: handlers.of(&section, findings),
            propagate: section.flag("propagate", findings).unwrap_or(true),
        };
        if !logger.propagate && logger.handlers.is_empty() {
            let name = &logger.name;
            let what = format_args!(
                "what is logged to {name:?} goes nowhere: the logger has no handlers and does not propagate"
            );
            findings.warn(&section.key_at("propagate").unwrap_or(section.at.clone()), what);
        }
        loggers.push(logger);
    }
    loggers
}

fn root<'a>(file: &Section<'a>, handlers: &mut Handlers<'a>, findings: &mut Findings) -> Logger {
    let Some(section) = file.table("root", findings) else {
        findings.warn(&(0..0), "the root has no handlers; write [root] with handlers = [\"…\"]");
        return Logger::root(Vec::new());
    };
    section.allow(ROOT_KEYS, findings);
    let root = Logger { level: level(&section, findings), ..Logger::root(handlers.of(&section, findings)) };
    if root.handlers.is_empty() {
        findings.warn(&section.at, "the root has no handlers; what no other logger hands on goes nowhere");
    }
    root
}

/// The level, or none for `NOTSET`.
fn level(section: &Section<'_>, findings: &mut Findings) -> Option<Level> {
    section.level("level", findings).filter(|level| level.number() > 0)
}

fn wrong_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a logger without a name; what holds for all stands in [root]".to_owned());
    }
    if name == "root" {
        return Some("the root is no logger among others; write [root] instead of [loggers.root]".to_owned());
    }
    let parts: Vec<&str> = name.split('.').collect();
    if parts.iter().all(|part| !part.is_empty()) {
        return None;
    }
    let whole: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let whole = whole.join(".");
    let hint = suggestion(Some(whole.as_str()).filter(|whole| !whole.is_empty()));
    Some(format!(
        "the logger's name {name:?} has an empty part; expected names with single dots between{hint}"
    ))
}

/// `[loggers.db.pool]` is a table in a table.
fn refuse_nested(outer: &str, (key, value): Named<'_>, findings: &mut Findings) {
    let mut name = format!("{outer}.{}", key.get_ref());
    let mut value = value.get_ref();
    while let DeValue::Table(table) = value
        && let Some((key, inner)) = table.iter().next()
        && table.len() == 1
        && matches!(inner.get_ref(), DeValue::Table(_))
    {
        name = format!("{name}.{}", key.get_ref());
        value = inner.get_ref();
    }
    let what = format!("a logger's name with dots needs quotes; write [loggers.{name:?}]");
    findings.wrong(&key.span(), what);
}
