//! The next time at which a file is closed.
//!
//! Days have 23, 24 or 25 hours, and times of day that come twice or not at all:
//!
//! * A time of day that comes twice counts the first time; one that is jumped over counts at the jump.
//! * Intervals are aligned to the clock: `6h` is 00:00, 06:00, 12:00 and 18:00, `15min` the quarters. In
//!   general they are the multiples since 1970 began on the clock of the zone. They count whenever the clock
//!   shows them, or jumps over them: what comes twice counts twice.
//! * Under Python's naming an interval counts from the file's start, in elapsed time, as Python does it.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp};

use super::policy::{Naming, Rotation};
use super::units::{self, Unit, WordError};

/// How often a file is closed: `30s`, `15min`, `6h`, `1d`, `midnight`, or a weekday such as `monday`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// So many seconds, minutes, hours or days of 24 hours.
    Interval {
        /// How many, at least one.
        number: u32,
        /// Of what.
        unit: Unit,
    },
    /// Each day.
    Midnight,
    /// Each week.
    Weekday(Weekday),
}

impl Every {
    /// The time from one rotation to the next if no clock is changed.
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

impl FromStr for Every {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Every, WordError> {
        if word == MIDNIGHT {
            return Ok(Every::Midnight);
        }
        if let Some((_, weekday)) = WEEKDAYS.iter().find(|(known, _)| *known == word) {
            return Ok(Every::Weekday(*weekday));
        }
        let interval = units::span(word).filter(|(number, _)| *number > 0);
        interval.map(|(number, unit)| Every::Interval { number, unit }).ok_or_else(|| {
            let error =
                WordError::new("time of rotation", word, "30s, 15min, 6h, 1d, midnight, or a weekday");
            match units::split_number(word) {
                Some((number, "m")) => WordError { hint: Some(format!("{number}min")), ..error },
                Some(_) => error,
                None => error.near(WEEKDAYS.iter().map(|(known, _)| *known).chain([MIDNIGHT])),
            }
        })
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Every::Interval { number, unit } => {
                f.pad(&format!("{number}{}", units::word_of(units::UNITS, *unit)))
            }
            Every::Midnight => f.pad(MIDNIGHT),
            Every::Weekday(weekday) => f.pad(units::word_of(WEEKDAYS, *weekday)),
        }
    }
}

/// A time of day: `02:30` or `02:30:15`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At(Time);

impl FromStr for At {
    type Err = WordError;

    fn from_str(word: &str) -> Result<At, WordError> {
        let wrong =
            || WordError::new("time of day", word, "hours and minutes from 00:00 to 23:59, such as 02:30");
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

/// A time zone: `utc`, `local` (that of this machine, or of `$TZ`), or a name such as `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    word: String,
    zone: TimeZone,
}

impl Zone {
    /// That of this machine, or of `$TZ`.
    pub fn local() -> Zone {
        Zone { word: "local".to_owned(), zone: TimeZone::system() }
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// UTC, like the times of the lines.
impl Default for Zone {
    fn default() -> Zone {
        Zone { word: "utc".to_owned(), zone: TimeZone::UTC }
    }
}

impl FromStr for Zone {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Zone, WordError> {
        let zone = match word {
            "utc" => Some(TimeZone::UTC),
            "local" => return Ok(Zone::local()),
            name => TimeZone::get(name).ok(),
        };
        zone.map(|zone| Zone { word: word.to_owned(), zone }).ok_or_else(|| {
            let names: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let known = names.iter().map(String::as_str).chain(["utc", "local"]);
            WordError::new("time zone", word, "utc, local, or a name such as Europe/Berlin").near(known)
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.word)
    }
}

/// The times at which a file is closed.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Rule,
    zone: TimeZone,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    /// So many seconds after a file's start.
    After(i64),
    /// At the multiples of so many seconds on the clock.
    Clock(i64),
    /// Each day.
    Day(Time),
    /// Each week.
    Week(Weekday, Time),
}

impl Schedule {
    /// The times that a policy asks for, if it does.
    pub fn of(rotation: &Rotation) -> Option<Schedule> {
        let every = rotation.every?;
        let at = rotation.at.unwrap_or_default().0;
        let rule = match every {
            Every::Interval { .. } if rotation.naming == Naming::Python => {
                Rule::After(every.seconds() as i64)
            }
            Every::Interval { .. } => Rule::Clock(every.seconds() as i64),
            Every::Midnight => Rule::Day(at),
            Every::Weekday(weekday) => Rule::Week(weekday, at),
        };
        Some(Schedule { rule, zone: rotation.zone.zone().clone() })
    }

    /// The first time later than `after`, where the file at hand began, or was last written when the writer
    /// started. Always a whole second; `None` where the calendar ends.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self.rule {
            Rule::After(seconds) => second(floor(after).checked_add(seconds)?),
            Rule::Clock(seconds) => self.next_multiple(after, seconds),
            Rule::Day(time) => self.next_day(after, time, |_| true),
            Rule::Week(weekday, time) => self.next_day(after, time, |date| date.weekday() == weekday),
        }
    }

    fn next_day(&self, after: Timestamp, time: Time, is_day: impl Fn(Date) -> bool) -> Option<Timestamp> {
        let today = self.zone.to_datetime(after).date();
        // The day in a week may have begun once already, before the clock went back over midnight.
        let days = (0..=8).filter_map(|days| today.checked_add(Span::new().days(days)).ok());
        let times = days.filter(|date| is_day(*date)).filter_map(|date| self.first(date, time));
        times.filter(|at| *at > after).min()
    }

    /// When the clock first shows this time of this day, or jumps over it.
    fn first(&self, date: Date, time: Time) -> Option<Timestamp> {
        let civil = date.to_datetime(time);
        match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the clock from behind the jump, the time lies before the jump.
                let before_jump = after.to_timestamp(civil).ok()?;
                self.zone
                    .following(before_jump)
                    .find(|jump| jump.offset() == after)
                    .map(|jump| jump.timestamp())
            }
        }
    }

    fn next_multiple(&self, after: Timestamp, every: i64) -> Option<Timestamp> {
        let shown = |at: i64, offset: Offset| at + i64::from(offset.seconds());
        let mut from = floor(after);
        let mut offset = self.zone.to_offset(after);
        for change in self.zone.following(after) {
            let (to, new_offset) = (floor(change.timestamp()), change.offset());
            let next = from + every - shown(from, offset).rem_euclid(every);
            if next < to {
                return second(next);
            }
            // At the change the clock shows a multiple, or has jumped over one, or has gone back.
            let (old, new) = (shown(to, offset), shown(to, new_offset));
            if new - new.rem_euclid(every) >= old.min(new) {
                return second(to);
            }
            (from, offset) = (to, new_offset);
        }
        second(from + every - shown(from, offset).rem_euclid(every))
    }
}

fn floor(at: Timestamp) -> i64 {
    at.as_nanosecond().div_euclid(1_000_000_000) as i64
}

fn second(unix_s: i64) -> Option<Timestamp> {
    Timestamp::from_second(unix_s).ok()
}

#[cfg(test)]
mod tests;
