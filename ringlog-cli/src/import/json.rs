//! JSON for the dictionaries of `dictConfig`, with Python's notion of values.

use serde_json::{Map, Value as Json};

use super::Unreadable;
use super::expression::PythonValue;

pub type Object = Map<String, Json>;

/// Parses a text that is one JSON object.
pub fn parse(text: &str) -> Result<Object, Unreadable> {
    serde_json::from_str(text).map_err(|error| {
        // The parser's message ends with the place, which is reported apart.
        let what = error.to_string();
        let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
        Unreadable::at(error.line().max(1), format!("this is not JSON: {what}, column {}", error.column()))
    })
}

/// Returns the object under a key; an empty one if it is missing.
pub fn object(parent: &Object, key: &str, place: &str) -> Result<Object, Unreadable> {
    match parent.get(key) {
        None | Some(Json::Null) => Ok(Object::new()),
        Some(Json::Object(object)) => Ok(object.clone()),
        Some(other) => Err(wrong(place, "an object", other)),
    }
}

/// The error for a value of the wrong type.
pub fn wrong(place: &str, expected: &str, found: &Json) -> Unreadable {
    Unreadable { line: None, what: format!("{place}: expected {expected}, found {found}") }
}

/// Converts JSON to the value of an argument. `ext://` names an object of the program.
pub fn value(json: &Json) -> PythonValue {
    match json {
        Json::Null => PythonValue::None,
        Json::Bool(truth) => PythonValue::Bool(*truth),
        Json::Number(number) => match number.as_i128() {
            Some(number) => PythonValue::Integer(number),
            None => PythonValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => match text.strip_prefix("ext://") {
            Some(name) => PythonValue::Name(name.to_owned()),
            None if text.starts_with("cfg://") => PythonValue::Name(text.clone()),
            None => PythonValue::Text(text.clone()),
        },
        Json::Array(items) => PythonValue::Items(items.iter().map(value).collect()),
        Json::Object(pairs) => {
            PythonValue::Pairs(pairs.iter().map(|(name, json)| (name.clone(), value(json))).collect())
        }
    }
}

/// Whether Python takes the value as true.
pub fn is_true(json: &Json) -> bool {
    match json {
        Json::Null => false,
        Json::Bool(truth) => *truth,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(pairs) => !pairs.is_empty(),
    }
}
