//! Words for values that several settings have: levels, and what they look like in a file.

use ringlog::Level;

use super::{Pattern, Syntax};
use crate::text_enum::{nearest, suggestion};

/// The largest number in a file.
pub(crate) const NUMBER_MAX: u64 = i64::MAX as u64;

pub(crate) const ANY: Syntax = Syntax::String(Pattern::Any);
pub(crate) const LEVEL: Syntax = Syntax::StringOrNumber(Pattern::Level, 0..=255);

/// A level as a word that can be parsed again. Levels between the named ones are written as numbers.
pub(crate) fn level_word(level: Level) -> String {
    match level.name() {
        ("LEVEL", _) => level.number().to_string(),
        (name, 0) => name.to_owned(),
        _ => level.number().to_string(),
    }
}

/// A level as a word that can be parsed again; `NOTSET` for 0.
pub(crate) fn level_or_notset(level: Level) -> String {
    if level.number() == 0 { "NOTSET".to_owned() } else { level_word(level) }
}

/// Parses a level: a name in any case, or a number; 0 for `NOTSET`.
pub(crate) fn parse_level(word: &str) -> Result<Level, String> {
    if word.eq_ignore_ascii_case("notset") || word == "0" {
        return Ok(Level::from_number(0));
    }
    word.parse().map_err(|_| {
        let near = suggestion(nearest(word, LEVELS.iter().copied()));
        format!(
            "{word:?} is not a level; expected trace, debug, info, warn, error, critical, notset, or a number from 0 \
             to 255{near}"
        )
    })
}

/// The names of levels.
pub(crate) const LEVELS: &[&str] =
    &["trace", "debug", "info", "warn", "warning", "error", "critical", "fatal", "notset"];
