//! When a file is synced.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ringlog::Level;
use ringlog::admin;

use crate::rotation::{is_too_large, parse_duration};
use crate::setting::words::level_word;
use crate::text_enum::InvalidValue;

/// When a file is synced, so that its records survive a power cut. A killed process, be it a producer or the writer,
/// loses nothing under any policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Never: the kernel writes back when it sees fit.
    #[default]
    Never,
    /// With a batch, if the last sync was at least this long ago.
    Every(Duration),
    /// With every batch, before it is acknowledged.
    Batch,
    /// With every batch that has a record of at least this level.
    Level(Level),
}

/// The interval that the word `interval` stands for.
const FSYNC_INTERVAL: Duration = Duration::from_secs(1);

impl fmt::Display for Fsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fsync::Never => f.write_str("never"),
            Fsync::Every(interval) => f.write_str(&admin::duration_word(*interval)),
            Fsync::Batch => f.write_str("batch"),
            Fsync::Level(level) => f.write_str(&word_of_level(*level)),
        }
    }
}

/// How a level without a name begins. A number alone could as well be meant as a time.
const LEVEL: &str = "level:";

fn word_of_level(level: Level) -> String {
    let word = level_word(level);
    if word.parse::<u8>().is_ok() { format!("{LEVEL}{word}") } else { word }
}

/// Parses a level: a name, or a number behind [`LEVEL`].
fn parse_level(word: &str) -> Option<Level> {
    match word.strip_prefix(LEVEL) {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.parse().ok().map(Level::from_number)
        }
        Some(_) => None,
        None if is_number(word) => None,
        None => word.parse().ok(),
    }
}

fn is_number(word: &str) -> bool {
    word.trim().parse::<f64>().is_ok()
}

/// The error for a number without a unit: the words for a time and, if it is one, for a level.
fn neither(number: &str) -> InvalidValue {
    let number = number.trim();
    let level = number.parse().map(|level| word_of_level(Level::from_number(level)));
    let level = level.map_or(String::new(), |level| format!(", or {level:?} for records of that level"));
    InvalidValue::new("fsync policy", number, format!("a unit: \"{number}s\" for a time{level}"))
}

impl FromStr for Fsync {
    type Err = InvalidValue;

    fn from_str(word: &str) -> Result<Self, InvalidValue> {
        const WORDS: [&str; 3] = ["never", "interval", "batch"];
        match word {
            "never" => return Ok(Fsync::Never),
            "interval" => return Ok(Fsync::Every(FSYNC_INTERVAL)),
            "batch" => return Ok(Fsync::Batch),
            _ => {}
        }
        let parsed =
            parse_duration(word).map(Fsync::Every).ok().or_else(|| parse_level(word).map(Fsync::Level));
        parsed.ok_or_else(|| {
            if is_number(word) {
                return neither(word);
            }
            let expected = match is_too_large(word, parse_duration) {
                true => "a duration of at most 213503d",
                false => "never, interval, batch, a duration like 5s, a level like error",
            };
            InvalidValue::new("fsync policy", word, expected).near(WORDS)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fsync_policies_display_as_they_parse() {
        for word in ["never", "batch", "5s", "1500ms", "1min", "ERROR", "level:25", "level:3"] {
            assert_eq!(word.parse::<Fsync>().unwrap().to_string(), word);
        }
        for (word, same) in
            [("interval", "1s"), ("1ms 500000ns", "1500us"), ("2 minutes", "2min"), ("PT1H", "1h")]
        {
            assert_eq!(word.parse::<Fsync>().unwrap().to_string(), same);
        }
        assert_eq!("level:5".parse::<Fsync>().unwrap().to_string(), "TRACE");
    }

    #[test]
    fn a_number_alone_is_neither_a_time_nor_a_level() {
        for (word, why) in [
            ("5", "expected a unit: \"5s\" for a time, or \"TRACE\" for records of that level"),
            (" 25 ", "expected a unit: \"25s\" for a time, or \"level:25\" for records of that level"),
            ("300", "expected a unit: \"300s\" for a time"),
            ("0.5", "expected a unit: \"0.5s\" for a time"),
        ] {
            let error = word.parse::<Fsync>().unwrap_err().to_string();
            assert_eq!(error, format!("invalid fsync policy {:?}; {why}", word.trim()));
        }
        for word in ["level:", "level:+5", "level:256", "level:error"] {
            assert!(word.parse::<Fsync>().is_err(), "{word}");
        }
    }
}
