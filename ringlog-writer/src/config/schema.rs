//! The JSON schema of configuration files, by which editors complete and check them.

use super::json::Json;
use super::model::Config;
use super::settings;
use crate::setting::words::LEVELS;
use crate::setting::{Key, Pattern, Syntax, Table, names, plain_text};

impl Config {
    /// A JSON schema of configuration files, for editors. It accepts the notations that docs/configuration.md
    /// describes. It does not know what depends on several tables, for example whether a formatter exists.
    pub fn schema() -> String {
        let tables = settings::tables();
        // Uses only what draft 4 has too, because some editors know no more.
        let mut schema = vec![
            ("$schema", Json::text("http://json-schema.org/draft-07/schema#")),
            ("title", Json::text("Configuration of ringlog writer")),
        ];
        schema.extend(table("", &tables));
        Json::Object(schema).to_string()
    }
}

type Members = Vec<(&'static str, Json)>;

/// The schema of the table with this header. Keys stand directly in it, and not once for each kind of table, so that
/// editors point at the key that is wrong.
fn table(header: &str, tables: &[Table]) -> Members {
    let keys = tables.iter().find(|table| table.header == header).map_or(&[][..], |table| &table.keys);
    let mut members = vec![
        ("type", Json::text("object")),
        ("properties", Json::Object(properties(keys, tables))),
        ("additionalProperties", Json::Bool(false)),
    ];
    let always = keys.iter().filter(|key| key.about.is_required && key.of.is_empty());
    members.extend(required(always.map(|key| key.name)));
    let kinds = kinds(keys);
    if !kinds.is_empty() {
        members.push(("anyOf", Json::List(kinds)));
    }
    members
}

/// The kinds of a table, one of which has to fit.
fn kinds(keys: &[Key]) -> Vec<Json> {
    let Some(kind) = keys.iter().find(|key| key.name == "kind") else { return Vec::new() };
    let Syntax::String(Pattern::OneOf(words)) = kind.about.syntax else { return Vec::new() };
    let other = kind.about.instead_of;
    let of_word = |word: &&'static str| {
        let written = kind.about.syntax.value_of_word(word);
        let is_default = kind.default.as_ref() == Some(&written);
        let mut members = of_kind(&format!("kind = {written}"), keys, (!is_default).then_some("kind"), other);
        let value = Json::Object(vec![("enum", Json::List(vec![Json::text(word)]))]);
        members.push(("properties", Json::Object(vec![("kind", value)])));
        Json::Object(members)
    };
    let of_other = other.map(|other| Json::Object(of_kind(other, keys, Some(other), Some("kind"))));
    words.iter().map(of_word).chain(of_other).collect()
}

/// Which keys a table of this kind needs, and which it may not have.
fn of_kind(kind: &str, keys: &[Key], needed: Option<&'static str>, not: Option<&'static str>) -> Members {
    let own = keys.iter().filter(|key| key.about.is_required && key.of.iter().any(|of| of == kind));
    let mut members = required(needed.into_iter().chain(own.map(|key| key.name)));
    let is_foreign = |name: &str| !keys.iter().any(|key| key.name == name && key.is_of(kind));
    let foreign = names(keys).into_iter().filter(|name| is_foreign(name)).chain(not);
    let foreign: Vec<Json> = foreign.map(|name| Json::Object(required([name].into_iter()))).collect();
    if !foreign.is_empty() {
        members.push(("not", Json::Object(vec![("anyOf", Json::List(foreign))])));
    }
    members
}

fn required(names: impl Iterator<Item = &'static str>) -> Members {
    let names: Vec<Json> = names.map(Json::text).collect();
    if names.is_empty() { Vec::new() } else { vec![("required", Json::List(names))] }
}

/// The schemas of the values of these keys.
fn properties(keys: &[Key], tables: &[Table]) -> Members {
    let of_name = |name: &'static str| {
        let schemas = keys.iter().filter(|key| key.name == name).map(|key| property(key, tables));
        let mut schemas: Vec<Json> = schemas.collect();
        match schemas.len() {
            1 => (name, schemas.remove(0)),
            _ => (name, Json::Object(vec![("anyOf", Json::List(schemas))])),
        }
    };
    names(keys).into_iter().map(of_name).collect()
}

/// The schema of a key's value.
fn property(key: &Key, tables: &[Table]) -> Json {
    let mut members = vec![("description", Json::text(&plain_text(key.about.doc)))];
    if let Some(default) = &key.default {
        members.push(("default", Json::Written(default.clone())));
    }
    members.extend(match &key.about.syntax {
        Syntax::Boolean => vec![("type", Json::text("boolean"))],
        Syntax::String(pattern) => string(pattern),
        Syntax::StringOrNumber(pattern, range) => {
            let number = vec![
                ("type", Json::text("integer")),
                ("minimum", Json::Number(*range.start())),
                ("maximum", Json::Number(*range.end())),
            ];
            vec![("anyOf", Json::List(vec![Json::Object(string(pattern)), Json::Object(number)]))]
        }
        Syntax::Strings(range) => vec![
            ("type", Json::text("array")),
            ("items", Json::Object(string(&Pattern::Any))),
            ("minItems", Json::Number(*range.start() as u64)),
            ("maxItems", Json::Number(*range.end() as u64)),
            ("uniqueItems", Json::Bool(true)),
        ],
        Syntax::Table(header) => table(header, tables),
        Syntax::Tables(header) => vec![
            ("type", Json::text("object")),
            ("additionalProperties", Json::Object(table(header, tables))),
        ],
    });
    Json::Object(members)
}

fn string(pattern: &Pattern) -> Members {
    let mut members = vec![("type", Json::text("string"))];
    match pattern {
        Pattern::Any => {}
        Pattern::OneOf(words) => {
            members.push(("enum", Json::List(words.iter().map(|word| Json::text(word)).collect())));
        }
        pattern => members.push(("pattern", Json::text(&format!("^({})$", expression(pattern))))),
    }
    members
}

/// A regular expression for a number from 0 to 4294967295.
const COUNT: &str = "0*([0-9]{1,9}|[1-3][0-9]{9}|4([01][0-9]{8}|2([0-8][0-9]{7}|9([0-3][0-9]{6}|4([0-8][0-9]{5}|\
                     9([0-5][0-9]{4}|6([0-6][0-9]{3}|7([01][0-9]{2}|2([0-8][0-9]|9[0-5])))))))))";

/// A regular expression, in the dialect of JavaScript, for what a pattern accepts.
fn expression(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Any => ".*".to_owned(),
        Pattern::OneOf(words) => words.join("|"),
        Pattern::Duration => r"(\s*[0-9]+(\.[0-9]+)?\s*(ns|us|µs|ms|s|m|min|h|d|w))+\s*".to_owned(),
        Pattern::Size => {
            r"\s*([0-9]*[1-9][0-9]*(\.[0-9]+)?|0+\.[0-9]*[1-9][0-9]*)\s*([KkMmGgTt]([Ii]?[Bb])?|[Bb])?\s*"
                .to_owned()
        }
        Pattern::Limits => {
            let limit =
                format!(r"\s*({COUNT}|[0-9]+(\.[0-9]+)?\s*[A-Za-z][A-Za-z0-9. ]*|[0-9]+:[0-9.:]+)\s*");
            format!("all|{limit}(,{limit})*")
        }
        Pattern::Level => format!("{}|1?[0-9]?[0-9]|2[0-4][0-9]|25[0-5]", expression(&Pattern::LevelName)),
        Pattern::LevelName => LEVELS.iter().map(|name| in_any_case(name)).collect::<Vec<_>>().join("|"),
        Pattern::Expression(expression) => (*expression).to_owned(),
        Pattern::Either(patterns) => patterns.iter().map(expression).collect::<Vec<_>>().join("|"),
    }
}

/// JavaScript has no flag for case within an expression.
fn in_any_case(word: &str) -> String {
    word.chars().map(|c| format!("[{}{c}]", c.to_ascii_uppercase())).collect()
}
