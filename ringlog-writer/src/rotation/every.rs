//! The settings of a schedule: interval, time of day and time zone.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::units::{self, Unit};
use crate::text_enum::{InvalidValue, name_of};

/// How often a file is closed: `30s`, `15min`, `6h`, `1d`, `midnight`, or a weekday such as `monday`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// A number of seconds, minutes, hours or days of 24 hours.
    Interval {
        /// The number, at least one.
        number: u32,
        /// The unit.
        unit: Unit,
    },
    /// Each day.
    Midnight,
    /// Each week.
    Weekday(Weekday),
}

impl Every {
    /// The time between two rotations if the clock does not change.
    pub(super) fn seconds(self) -> u64 {
        match self {
            Every::Interval { number, unit } => u64::from(number) * unit.seconds(),
            Every::Midnight => Unit::Day.seconds(),
            Every::Weekday(_) => 7 * Unit::Day.seconds(),
        }
    }
}

const MIDNIGHT: &str = "midnight";

const WEEKDAYS: &[(&str, Weekday)] = &[
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// The intervals that have a name.
fn names() -> impl Iterator<Item = &'static str> {
    [MIDNIGHT].into_iter().chain(WEEKDAYS.iter().map(|(name, _)| *name))
}

/// Whether the word is this name with a few wrong letters, or its beginning. All weekdays end alike, so a part in
/// common says nothing.
fn is_mistyped(word: &str, name: &str) -> bool {
    let word = word.to_ascii_lowercase();
    strsim::osa_distance(&word, name) <= 2 || (word.len() > 1 && name.starts_with(&word))
}

impl FromStr for Every {
    type Err = InvalidValue;

    fn from_str(word: &str) -> Result<Every, InvalidValue> {
        if word == MIDNIGHT {
            return Ok(Every::Midnight);
        }
        if let Some((_, weekday)) = WEEKDAYS.iter().find(|(known, _)| *known == word) {
            return Ok(Every::Weekday(*weekday));
        }
        let interval = units::interval(word).filter(|(number, _)| *number > 0);
        interval.map(|(number, unit)| Every::Interval { number, unit }).ok_or_else(|| {
            let is_too_long = || units::is_too_large(word, |word| units::interval(word).ok_or(()));
            let expected = match units::has_part_of_second(word) {
                true => "whole seconds, such as 1s or 30s".to_owned(),
                false if is_too_long() => "at most 4294967295 of a unit".to_owned(),
                false => format!("30s, 15min, 6h, 1d, {}", names().collect::<Vec<_>>().join(", ")),
            };
            let error = InvalidValue::new("rotation interval", word, expected);
            match word.starts_with(|c: char| c.is_ascii_digit()) {
                true => error,
                false => error.near(names().filter(|name| is_mistyped(word, name))),
            }
        })
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Every::Interval { number, unit } => f.pad(&format!("{number}{}", name_of(units::UNITS, *unit))),
            Every::Midnight => f.pad(MIDNIGHT),
            Every::Weekday(weekday) => f.pad(name_of(WEEKDAYS, *weekday)),
        }
    }
}

/// A time of day: `02:30` or `02:30:15`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At(Time);

impl At {
    pub(super) fn time(self) -> Time {
        self.0
    }
}

impl FromStr for At {
    type Err = InvalidValue;

    fn from_str(word: &str) -> Result<At, InvalidValue> {
        let wrong =
            || InvalidValue::new("time of day", word, "hours and minutes from 00:00 to 23:59, such as 02:30");
        let parts: Vec<&str> = word.split(':').collect();
        let is_number = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(is_number) {
            return Err(wrong());
        }
        let mut numbers = parts.iter().map(|part| part.parse::<i8>().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        Time::new(next(), next(), next(), 0).map(At).map_err(|_| wrong())
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = (self.0.hour(), self.0.minute(), self.0.second());
        let seconds = if second == 0 { String::new() } else { format!(":{second:02}") };
        f.pad(&format!("{hour:02}:{minute:02}{seconds}"))
    }
}

/// A time zone: `utc`, `local` (the machine's, or that of `$TZ`), or a name such as `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    word: String,
    zone: TimeZone,
}

impl Zone {
    /// The machine's time zone, or that of `$TZ`.
    pub fn local() -> Zone {
        Zone { word: "local".to_owned(), zone: TimeZone::system() }
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// UTC, as in the lines.
impl Default for Zone {
    fn default() -> Zone {
        Zone { word: "utc".to_owned(), zone: TimeZone::UTC }
    }
}

impl FromStr for Zone {
    type Err = InvalidValue;

    fn from_str(word: &str) -> Result<Zone, InvalidValue> {
        let zone = match word {
            "utc" => Some(TimeZone::UTC),
            "local" => return Ok(Zone::local()),
            name => TimeZone::get(name).ok(),
        };
        zone.map(|zone| Zone { word: word.to_owned(), zone }).ok_or_else(|| {
            let names: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let known = names.iter().map(String::as_str).chain(["utc", "local"]);
            InvalidValue::new("time zone", word, "utc, local, or a name such as Europe/Berlin").near(known)
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parsed_and_displayed() {
        for word in ["30s", "15min", "6h", "1d", "midnight", "monday", "sunday"] {
            assert_eq!(word.parse::<Every>().unwrap().to_string(), word);
        }
        for (word, shown) in [("5m", "5min"), ("1h30m", "90min")] {
            assert_eq!(word.parse::<Every>().unwrap().to_string(), shown);
        }
        for word in ["00:00", "02:30", "23:59:59"] {
            assert_eq!(word.parse::<At>().unwrap().to_string(), word);
        }
        for word in ["utc", "local", "Europe/Berlin"] {
            assert_eq!(word.parse::<Zone>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn invalid_words_are_refused_with_a_suggestion() {
        let every = |word: &str| word.parse::<Every>().unwrap_err().to_string();
        let expected = "expected 30s, 15min, 6h, 1d, midnight, monday, tuesday, wednesday, thursday, friday, \
                        saturday, sunday";
        assert_eq!(every("0h"), format!("invalid rotation interval \"0h\"; {expected}"));
        for word in ["1.5s", "500ms", "1h 1ms"] {
            let expected = "expected whole seconds, such as 1s or 30s";
            assert_eq!(every(word), format!("invalid rotation interval {word:?}; {expected}"));
        }
        assert_eq!(
            every("mondy"),
            format!("invalid rotation interval \"mondy\"; {expected}; did you mean \"monday\"?")
        );
        // Not wednesday.
        for word in ["weekday", "weekly", "day", "daily", "w", ""] {
            assert_eq!(every(word), format!("invalid rotation interval {word:?}; {expected}"));
        }
        assert!(every("Wed").ends_with("did you mean \"wednesday\"?"));
        assert!(every("Midnight").ends_with("did you mean \"midnight\"?"));
        for wrong in ["", "24:00", "2:30", "02:60", "02:30:60", "02", "02:30:00:00", "+2:30", "02:30pm"] {
            let error = wrong.parse::<At>().unwrap_err().to_string();
            let expected = "hours and minutes from 00:00 to 23:59, such as 02:30";
            assert_eq!(error, format!("invalid time of day {wrong:?}; expected {expected}"));
        }
        let error = "Europe/Berln".parse::<Zone>().unwrap_err().to_string();
        assert!(error.ends_with("such as Europe/Berlin; did you mean \"Europe/Berlin\"?"), "{error}");
    }
}
