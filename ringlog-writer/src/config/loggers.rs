//! Reading `root` and the tables under `loggers`.

use std::collections::HashSet;

use toml::de::DeValue;

use super::handlers::HandlerTables;
use super::model::LoggerConfig;
use super::settings::{LOGGER, ROOT};
use crate::setting::diagnostics::Findings;
use crate::setting::keys;
use crate::setting::section::{Section, TableEntry};
use crate::text_enum::suggestion;

/// Reads the loggers: the root first, then the others in the order of the file.
pub(super) fn read<'a>(
    file: &Section<'a>,
    handlers: &mut HandlerTables<'a>,
    findings: &mut Findings,
) -> Vec<LoggerConfig> {
    let mut loggers = vec![root(file, handlers, findings)];
    let mut seen = HashSet::new();
    let keys = keys(LOGGER, &[]);
    let tables = file.table("loggers", findings).map(|section| section.tables(findings));
    for (name, section) in tables.unwrap_or_default() {
        for entry in section.unknown(&keys) {
            match entry.1.get_ref() {
                DeValue::Table(_) => refuse_nested(name, entry, findings),
                _ => section.refuse(entry, &keys, findings),
            }
        }
        // Rust's module paths are logger names too.
        let name = name.replace("::", ".");
        match wrong_name(&name) {
            Some(wrong) => findings.wrong(&section.at, wrong),
            None if !seen.insert(name.clone()) => {
                let what =
                    format!("the logger {name:?} is defined already; `::` in a name is the same as a dot");
                findings.wrong(&section.at, what);
            }
            None => {}
        }
        let mut logger = LoggerConfig { name, ..LoggerConfig::root(handlers.of(&section, findings)) };
        section.read(LOGGER, "", &mut logger, findings);
        if !logger.propagate && logger.handlers.is_empty() {
            let name = &logger.name;
            let what = format_args!(
                "records of {name:?} are discarded: the logger has no handlers and does not propagate"
            );
            findings.warn(&section.key_at("propagate").unwrap_or(section.at.clone()), what);
        }
        loggers.push(logger);
    }
    loggers
}

fn root<'a>(file: &Section<'a>, handlers: &mut HandlerTables<'a>, findings: &mut Findings) -> LoggerConfig {
    let Some(section) = file.table("root", findings) else {
        findings.warn(&(0..0), "the root has no handlers; write [root] with handlers = [\"…\"]");
        return LoggerConfig::root(Vec::new());
    };
    section.allow(&keys(ROOT, &[]), findings);
    let mut root = LoggerConfig::root(handlers.of(&section, findings));
    section.read(ROOT, "", &mut root, findings);
    if root.handlers.is_empty() {
        findings.warn(
            &section.at,
            "the root has no handlers; records of other loggers that propagate are discarded",
        );
    }
    root
}

fn wrong_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("the logger has no name; write settings for all loggers into [root]".to_owned());
    }
    if name == "root" {
        return Some(
            "the root logger has a table of its own; write [root] instead of [loggers.root]".to_owned(),
        );
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

/// Reports `[loggers.db.pool]`, which in TOML is a table in a table.
fn refuse_nested(outer: &str, (key, value): TableEntry<'_>, findings: &mut Findings) {
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
