//! The JSON schema for editors agrees with the reader.

use std::path::Path;

use regex_automata::meta::Regex;
use ringlog_writer::config::Config;
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::docs::{blocks, document};

fn schema() -> Value {
    serde_json::from_str(&Config::schema()).unwrap()
}

/// Whether the value is of the schema. Knows the keywords that the schema uses and no others.
fn is_valid(value: &Value, schema: &Value) -> bool {
    let schema = schema.as_object().unwrap();
    schema.iter().all(|(keyword, rule)| obeys(value, keyword, rule, schema))
}

fn obeys(value: &Value, keyword: &str, rule: &Value, schema: &Map<String, Value>) -> bool {
    let (object, list, number) = (value.as_object(), value.as_array(), value.as_i64());
    match keyword {
        "$schema" | "title" | "description" | "default" => true,
        "type" => match rule.as_str().unwrap() {
            "object" => object.is_some(),
            "array" => list.is_some(),
            "string" => value.is_string(),
            "integer" => number.is_some(),
            "boolean" => value.is_boolean(),
            other => panic!("{other}"),
        },
        "enum" => rule.as_array().unwrap().contains(value),
        "pattern" => {
            let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        "minimum" => number.is_none_or(|number| number >= rule.as_i64().unwrap()),
        "maximum" => number.is_none_or(|number| number <= rule.as_i64().unwrap()),
        "items" => list.is_none_or(|list| list.iter().all(|value| is_valid(value, rule))),
        "minItems" => list.is_none_or(|list| list.len() as u64 >= rule.as_u64().unwrap()),
        "maxItems" => list.is_none_or(|list| list.len() as u64 <= rule.as_u64().unwrap()),
        "uniqueItems" => list.is_none_or(|list| (1..list.len()).all(|i| !list[..i].contains(&list[i]))),
        "required" => object.is_none_or(|object| {
            rule.as_array().unwrap().iter().all(|name| object.contains_key(name.as_str().unwrap()))
        }),
        "properties" => object.is_none_or(|object| {
            object.iter().all(|(name, value)| rule.get(name).is_none_or(|rule| is_valid(value, rule)))
        }),
        "additionalProperties" => object.is_none_or(|object| {
            let known = schema.get("properties");
            let mut others =
                object.iter().filter(|(name, _)| known.is_none_or(|known| known.get(name).is_none()));
            others.all(|(_, value)| if rule.is_object() { is_valid(value, rule) } else { rule == true })
        }),
        "anyOf" => rule.as_array().unwrap().iter().any(|rule| is_valid(value, rule)),
        "not" => !is_valid(value, rule),
        other => panic!("the test does not know {other}"),
    }
}

/// The value as editors see it.
fn json_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(i64::from_str_radix(number.as_str(), number.radix()).unwrap()),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(flag) => json!(flag),
        DeValue::Datetime(time) => json!({ "datetime": time.to_string() }),
        DeValue::Array(values) => values.iter().map(|value| json_of(value.get_ref())).collect(),
        DeValue::Table(table) => json_of_table(table),
    }
}

fn json_of_table(table: &DeTable<'_>) -> Value {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), json_of(value.get_ref()))).collect()
}

fn accepts(text: &str) -> bool {
    is_valid(&json_of_table(DeTable::parse(text).unwrap().get_ref()), &schema())
}

fn reads(text: &str) -> bool {
    Config::parse(text, Path::new("ringlog.toml")).is_ok()
}

#[test]
fn the_schema_accepts_every_example_of_the_document() {
    let text = document();
    let examples = blocks(&text, "toml");
    assert!(examples.len() >= 8);
    for example in examples.iter().map(String::as_str).chain([include_str!("valid.toml")]) {
        assert!(accepts(example), "{example}");
    }
    let wrong = blocks(&text, "toml wrong");
    assert!(!wrong.is_empty() && wrong.iter().all(|example| !accepts(example)));
}

#[test]
fn a_key_that_no_table_has_is_refused_in_each() {
    let valid = include_str!("valid.toml");
    let headers: Vec<&str> = valid.lines().filter(|line| line.starts_with('[')).collect();
    assert!(headers.len() > 5, "{headers:?}");
    for header in headers {
        let wrong = valid.replacen(header, &format!("{header}\nno-such-key = 1"), 1);
        assert!(!accepts(&wrong) && !reads(&wrong), "{wrong}");
    }
    assert!(!accepts(&format!("no-such-key = 1\n{valid}")));
}

/// Each line may stand in a file by itself; the schema accepts it if the reader does.
#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let handler = |keys: &str| format!("[handlers.h]\n{keys}\n");
    let file = |keys: &str| handler(&format!("kind = 'file'\npath = 'p'\n{keys}"));
    let formatter = |keys: &str| format!("handlers.h.kind = 'null'\n[formatters.f]\n{keys}\n");
    let top = |keys: &str| format!("{keys}\nhandlers.h.kind = 'null'\n");
    let logger = |keys: &str| format!("handlers.h.kind = 'null'\n[loggers.l]\n{keys}\n");
    let mut texts =
        vec![top(""), String::new(), handler(""), handler("kind = 'file'"), handler("kind = 'socket'")];
    let spans = ["10ms", "1.5s", "1h30m", "2 d", "1 h 5 min", "10", "5 parsecs", "", "1.s", "-1s", "3us"];
    let sizes = ["10MiB", "1.5MiB", "10MB", "64 k", "4096", "100B", "1gib", "10MX", "", "B", "-1"];
    let sizes = sizes.into_iter().chain(["0", "0B", "0.0 MiB", "0.5KiB", "010", "100.0B"]);
    texts.extend(spans.map(|word| top(&format!("grace = '{word}'"))));
    texts.extend(spans.map(|word| file(&format!("fsync = '{word}'"))));
    texts.extend(sizes.map(|word| file(&format!("rotate.size = '{word}'"))));
    texts.extend(
        ["1", "0", "-1", "1.5", "true", "[]", "{}"].map(|value| file(&format!("rotate.size = {value}"))),
    );
    let limits = ["7", "30d", "7,30d", "7, 2GiB", "1d12h", "all", "ever", "1,", "-1", "1.5KiB", "d"];
    let counts = ["0", "007", "4294967295", "4294967296", "7,5000000000", "1.5", "99999d,4294967300"];
    let limits = limits.into_iter().chain(counts);
    texts.extend(limits.map(|word| file(&format!("rotate.keep = '{word}'"))));
    texts.extend(["7", "0", "-1", "7.5", "4294967296"].map(|value| file(&format!("rotate.keep = {value}"))));
    let levels =
        ["'trace'", "'Info'", "'WARNING'", "'NotSet'", "25", "0", "'255'", "256", "'256'", "-1", "'info5'"];
    texts.extend(levels.map(|value| handler(&format!("kind = 'null'\nlevel = {value}"))));
    texts.extend(levels.map(|value| logger(&format!("level = {value}"))));
    texts.extend(
        ["never", "interval", "batch", "error", "30", "level:30", "level:256", "level:", "Trace", "alway"]
            .map(|word| file(&format!("fsync = '{word}'"))),
    );
    texts.extend(["midnight", "sunday", "6h", "mondy"].map(|word| file(&format!("rotate.every = '{word}'"))));
    let times = ["02:30", "23:59:59", "24:00", "2:30", "02:60"];
    texts.extend(times.map(|word| file(&format!("rotate = {{ every = 'midnight', at = '{word}' }}"))));
    texts.extend(["'a'", "[]", "['a']", "['a', 'a']", "[1]"].map(|value| top(&format!("rings = {value}"))));
    texts.extend(
        ["existing = 'truncate'", "existing = 'w'", "checkpoint = 1", "checkpoint = false"].map(file),
    );
    texts.extend(
        ["stream = 'stdout'", "color = 'blue'", "color = 'always'"]
            .map(|key| handler(&format!("kind = 'console'\n{key}"))),
    );
    texts.extend(["stream = 'stdout'", "rotate = 1", "rotate = {}"].map(file));
    texts.extend(
        ["path = 'p'", "fsync = 'batch'", "rotate.on-start = true"]
            .map(|key| handler(&format!("kind = 'console'\n{key}"))),
    );
    texts.extend(
        ["kind = 'text'\nids = true", "ids = true", "kind = 'json'", "kind = 'json'\nids = true"]
            .map(formatter),
    );
    texts.extend(["format = ''", "format = ''\nids = true", "format = ''\nkind = 'text'"].map(formatter));
    texts.extend(
        ["format = ''\nzone = 'utc'", "zone = 'utc'", "kind = 'raw'\nnewlines = 'raw'"].map(formatter),
    );
    texts.extend(["format = ''\nnewlines = 'raw'", "newlines = 'raw'", "format = 1"].map(formatter));
    texts.extend(["propagate = false", "propagate = 0"].map(logger));
    let accepted = texts.iter().filter(|text| reads(text)).count();
    for text in &texts {
        assert_eq!(accepts(text), reads(text), "{text}");
    }
    println!("{accepted} of {} accepted", texts.len());
    assert!(accepted > 40 && texts.len() - accepted > 40, "{accepted} of {}", texts.len());
}

#[test]
fn every_key_has_a_description_and_no_markup() {
    fn check(schema: &Value, keys: &mut usize) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let text =
                property["description"].as_str().unwrap_or_else(|| panic!("{name} has no description"));
            assert!(!text.contains("]("), "{text}");
            *keys += 1;
            check(property, keys);
            check(&property["additionalProperties"], keys);
        }
    }
    let mut keys = 0;
    check(&schema(), &mut keys);
    assert_eq!(keys, Config::keys().count());
}
