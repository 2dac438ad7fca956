//! What holds for every setting, also for those that are added later.

use std::path::Path;

use ringlog::admin;

use super::flags::flags;
use super::options::{Options, Out};
use super::settings::{handler_keys, tables};
use crate::config::Config;
use crate::setting::{Key, Pattern, Syntax};

/// A valid value that is not the default; `None` for lists and tables.
pub(crate) fn sample(key: &Key) -> Option<String> {
    let is_default = |word: &str| key.default == Some(key.about.syntax.value_of_word(word));
    let word = match &key.about.syntax {
        Syntax::Boolean => ["true", "false"].into_iter().find(|word| !is_default(word))?,
        Syntax::StringOrNumber(Pattern::Size, range) => {
            return Some(admin::size_word((3 << 20).clamp(*range.start(), *range.end())));
        }
        Syntax::String(pattern) | Syntax::StringOrNumber(pattern, _) => word(pattern, &is_default)?,
        Syntax::Strings(_) | Syntax::Table(_) | Syntax::Tables(_) => return None,
    };
    Some(word.to_owned())
}

fn word(pattern: &Pattern, is_default: &impl Fn(&str) -> bool) -> Option<&'static str> {
    match pattern {
        Pattern::Any | Pattern::Expression(_) | Pattern::Limits => None,
        Pattern::OneOf(words) => words.iter().rev().find(|word| !is_default(word)).copied(),
        Pattern::Duration => Some("7s"),
        Pattern::Size => Some("3MiB"),
        Pattern::Level | Pattern::LevelName => Some("ERROR"),
        Pattern::Either(patterns) => patterns.iter().find_map(|pattern| word(pattern, is_default)),
    }
}

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("ringlog.toml")).unwrap_or_else(|errors| panic!("{errors}\n{text}")).config
}

/// A file with this line in the table, which is of a kind that may have the key.
fn file(header: &str, key: &Key, line: &str) -> String {
    let kind = key.of.first().map_or("kind = \"file\"", String::as_str);
    let handlers = handler_keys();
    let required = handlers.iter().filter(|key| key.about.is_required && key.of.iter().any(|of| of == kind));
    let required: String = required.map(|key| format!("\n{} = \"p\"", key.name)).collect();
    let handler = "\n[handlers.h]\nkind = \"file\"\npath = \"p\"\n";
    match header {
        "" => format!("{line}\n{handler}"),
        "formatters.NAME" => {
            let kind = if kind == "format" { "format = \"\"" } else { "kind = \"text\"" };
            format!("[formatters.f]\n{kind}\n{line}\n{handler}formatter = \"f\"\n")
        }
        "handlers.NAME" => format!("[handlers.h]\n{kind}{required}\n{line}\n"),
        // Without it some names of closed files do not go with others of its settings.
        "handlers.NAME.rotate" if key.name != "every" => {
            format!("{handler}[handlers.h.rotate]\nevery = \"midnight\"\n{line}\n")
        }
        "handlers.NAME.rotate" => format!("{handler}[handlers.h.rotate]\n{line}\n"),
        "root" => format!("{handler}[root]\nhandlers = [\"h\"]\n{line}\n"),
        "loggers.NAME" => format!("{handler}[loggers.l]\nhandlers = [\"h\"]\n{line}\n"),
        other => panic!("no file for [{other}]"),
    }
}

#[test]
fn every_setting_is_read_printed_and_read_back() {
    let mut tried = 0;
    for table in tables() {
        for key in table.keys.iter().filter(|key| key.name != "kind") {
            let Some(word) = sample(key) else { continue };
            let line = format!("{} = {}", key.name, key.about.syntax.value_of_word(&word));
            let config = parse(&file(table.header, key, &line));
            assert_ne!(config, parse(&file(table.header, key, "")), "{line} in [{}]", table.header);
            let printed = config.to_string();
            assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
            assert_eq!(parse(&printed), config, "{line}");
            tried += 1;
        }
    }
    assert!(tried >= 16, "{tried}");
}

#[test]
fn every_flag_does_what_its_key_does() {
    let mut tried = 0;
    for flag in flags().into_iter().filter(|flag| flag.key.name != "kind") {
        let Some(word) = sample(&flag.key) else { continue };
        let mut options = Options::new("app");
        options.out = Out::file("p");
        let plain = options.clone();
        flag.set(&mut options, &word).unwrap();
        assert_ne!(options.to_args(), plain.to_args());
        let line = format!("{} = {}", flag.key.name, flag.key.about.syntax.value_of_word(&word));
        let printed = Config::from(&options).to_string();
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
        tried += 1;
    }
    assert!(tried >= 12, "{tried}");
}
