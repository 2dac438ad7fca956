//! Reader for the dictionaries of `logging.config.dictConfig`, in JSON.

use serde_json::Value as Json;

use super::json::{self, Object};
use super::python_config::{PythonConfig, PythonFormatter, PythonHandler, PythonLogger, logger_name};
use super::{ConfigPlace, Notes, Unreadable};

const FACTORY: &str = "()";
/// The keys of the dictionary.
const KEYS: &[&str] = &[
    "version",
    "incremental",
    "disable_existing_loggers",
    "formatters",
    "filters",
    "handlers",
    "loggers",
    "root",
];
/// The key of attributes that are set on a handler.
const ATTRIBUTES: &str = ".";

/// Reads a dictionary.
///
/// # Errors
/// The reason why Python would refuse it.
pub fn read(text: &str, notes: &mut Notes) -> Result<PythonConfig, Unreadable> {
    let dict = json::parse(text)?;
    let unreadable = |what: &str| Unreadable { line: None, what: what.to_owned() };
    match dict.get("version") {
        None => return Err(unreadable("there is no \"version\": 1, so this is not a dictConfig dictionary")),
        // For Python true is 1.
        Some(version) if version.as_f64() != Some(1.0) && *version != Json::Bool(true) => {
            return Err(unreadable(&format!("version is {version}; only 1 is known")));
        }
        Some(_) => {}
    }
    if dict.get("incremental").is_some_and(json::is_true) {
        return Err(unreadable("incremental only changes levels of another configuration; import that one"));
    }
    if dict.get("disable_existing_loggers").is_some_and(json::is_true) {
        let what = "loggers that the program made before are not disabled; levels apply to all";
        notes.hint(&place("disable_existing_loggers"), what);
    }
    for name in json::object(&dict, "filters", "filters")?.keys() {
        notes.lost(&place(&format!("filters.{name}")), "filters have no counterpart: they are Python code");
    }
    note_ignored(&dict, KEYS, &place("the dictionary"), notes);
    let mut source = PythonConfig::default();
    for (name, formatter) in objects(&dict, "formatters")? {
        source.formatters.push(self::formatter(name, formatter, notes)?);
    }
    for (name, handler) in objects(&dict, "handlers")? {
        source.handlers.push(self::handler(name, handler, &source.formatters, notes)?);
    }
    for (name, logger) in objects(&dict, "loggers")? {
        let at = place(&format!("loggers.{name}"));
        source.loggers.push(self::logger(&logger_name(&name), at, &logger, &source.handlers, notes)?);
    }
    let root = json::object(&dict, "root", "root")?;
    if !root.is_empty() {
        source.loggers.push(logger("", place("root"), &root, &source.handlers, notes)?);
    }
    Ok(source)
}

fn place(place: &str) -> ConfigPlace {
    ConfigPlace { line: None, place: place.to_owned() }
}

/// Returns the objects under a key, by name.
fn objects(dict: &Object, key: &str) -> Result<Vec<(String, Object)>, Unreadable> {
    let all = json::object(dict, key, key)?;
    let names: Vec<String> = all.keys().cloned().collect();
    names
        .into_iter()
        .map(|name| match all.get(&name) {
            Some(Json::Object(object)) => Ok((name, object.clone())),
            other => Err(json::wrong(&format!("{key}.{name}"), "an object", other.unwrap_or(&Json::Null))),
        })
        .collect()
}

/// Returns the string under a key, `None` if it is missing or null.
fn text(object: &Object, key: &str, at: &ConfigPlace) -> Result<Option<String>, Unreadable> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(json::wrong(&format!("{}.{key}", at.place), "a string", other)),
    }
}

fn formatter(name: String, object: Object, notes: &mut Notes) -> Result<PythonFormatter, Unreadable> {
    let at = place(&format!("formatters.{name}"));
    if object.get("defaults").is_some_and(json::is_true) {
        let what = "defaults of a formatter have no counterpart: a field that a record lacks is empty";
        notes.lost(&at, what);
    }
    let class = text(&object, FACTORY, &at)?.or(text(&object, "class", &at)?);
    // A factory may name its parameter `fmt`; most do.
    let format = text(&object, "format", &at)?.or(text(&object, "fmt", &at)?);
    let (date, style) = (text(&object, "datefmt", &at)?, text(&object, "style", &at)?);
    let is_validated = object.get("validate").is_none_or(json::is_true);
    if object.get(FACTORY).is_none() {
        let known = ["format", "fmt", "datefmt", "style", "validate", "defaults", "class"];
        note_ignored(&object, &known, &at, notes);
    }
    Ok(PythonFormatter {
        name,
        format,
        date,
        style,
        is_validated,
        class: class.filter(|class| !class.is_empty()),
        at,
    })
}

fn handler(
    name: String,
    mut object: Object,
    formatters: &[PythonFormatter],
    notes: &mut Notes,
) -> Result<PythonHandler, Unreadable> {
    let at = place(&format!("handlers.{name}"));
    note_filters(&object, &at, notes);
    if object.get(ATTRIBUTES).is_some_and(json::is_true) {
        notes.lost(&at, "attributes that are set on a handler have no counterpart");
    }
    let factory = text(&object, FACTORY, &at)?.map(|factory| format!("{factory}()"));
    let Some(class) = factory.or(text(&object, "class", &at)?) else {
        return Err(Unreadable { line: None, what: format!("{}: it has no \"class\"", at.place) });
    };
    if matches!(class.as_str(), "StreamHandler" | "FileHandler" | "NullHandler") {
        notes.refuse(&at, format_args!("the class {class:?} cannot be imported; it is \"logging.{class}\""));
    }
    let formatter = text(&object, "formatter", &at)?.filter(|name| !name.is_empty());
    if let Some(name) = &formatter
        && !formatters.iter().any(|formatter| formatter.name == *name)
    {
        return Err(Unreadable { line: None, what: format!("{}: there is no formatter {name:?}", at.place) });
    }
    let level = object.get("level").map(json::value);
    for known in [FACTORY, ATTRIBUTES, "class", "formatter", "level", "filters"] {
        object.remove(known);
    }
    let kwargs = object.iter().map(|(name, value)| (name.clone(), json::value(value))).collect();
    Ok(PythonHandler {
        name,
        class,
        level,
        formatter,
        kwargs,
        args_at: at.clone(),
        at,
        ..PythonHandler::default()
    })
}

fn logger(
    name: &str,
    at: ConfigPlace,
    object: &Object,
    handlers: &[PythonHandler],
    notes: &mut Notes,
) -> Result<PythonLogger, Unreadable> {
    note_filters(object, &at, notes);
    note_ignored(object, &["level", "handlers", "propagate", "filters"], &at, notes);
    let wrong =
        |found: &Json| json::wrong(&format!("{}.handlers", at.place), "a list of names of handlers", found);
    let names = match object.get("handlers") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(names)) => {
            let name = |json: &Json| json.as_str().map(str::to_owned).ok_or_else(|| wrong(json));
            names.iter().map(name).collect::<Result<Vec<_>, _>>()?
        }
        Some(other) => return Err(wrong(other)),
    };
    for wanted in &names {
        if !handlers.iter().any(|handler| handler.name == *wanted) {
            return Err(Unreadable {
                line: None,
                what: format!("{}: there is no handler {wanted:?}", at.place),
            });
        }
    }
    let propagate = object.get("propagate").is_none_or(|json| json.is_null() || json::is_true(json));
    Ok(PythonLogger {
        name: name.to_owned(),
        level: object.get("level").map(json::value),
        handlers: names,
        propagate,
        at,
    })
}

/// Notes keys that Python ignores too.
fn note_ignored(object: &Object, known: &[&str], at: &ConfigPlace, notes: &mut Notes) {
    for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
        notes.hint(at, format_args!("{key} is ignored, as Python does"));
    }
}

fn note_filters(object: &Object, at: &ConfigPlace, notes: &mut Notes) {
    if let Some(filters) = object.get("filters").filter(|filters| json::is_true(filters)) {
        notes.lost(at, format_args!("its filters {filters} have no counterpart: they are Python code"));
    }
}
