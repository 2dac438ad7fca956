//! Intervals of rotation and limits of size as words of a configuration or a command line.

use std::time::Duration;

use ringlog::admin;

use crate::text_enum::InvalidValue;

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `s`.
    Second,
    /// `min`.
    Minute,
    /// `h`.
    Hour,
    /// `d`, always 24 hours.
    Day,
}

pub(super) const UNITS: &[(&str, Unit)] =
    &[("s", Unit::Second), ("min", Unit::Minute), ("h", Unit::Hour), ("d", Unit::Day)];

impl Unit {
    /// The unit's length in seconds.
    pub const fn seconds(self) -> u64 {
        match self {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3600,
            Unit::Day => 86_400,
        }
    }
}

/// Parses an interval as a number of one unit: that of the word, as in `30s` or `24h`, or the largest that gives a
/// whole number, as 90 minutes for `1h30m`. `None` if it has a fraction of a second.
pub(super) fn interval(word: &str) -> Option<(u32, Unit)> {
    single(word).or_else(|| {
        let span = parse_duration(word).ok().filter(|span| span.subsec_nanos() == 0)?;
        let mut units = UNITS.iter().rev().map(|(_, unit)| *unit);
        let unit = units.find(|unit| span.as_secs().is_multiple_of(unit.seconds()))?;
        Some((u32::try_from(span.as_secs() / unit.seconds()).ok()?, unit))
    })
}

/// Whether the word is a duration that is not of whole seconds.
pub(super) fn has_part_of_second(word: &str) -> bool {
    parse_duration(word).is_ok_and(|span| span.subsec_nanos() != 0)
}

fn single(word: &str) -> Option<(u32, Unit)> {
    let (number, name) = word.split_at(word.find(|c: char| !c.is_ascii_digit())?);
    let mut names = UNITS.iter().chain(&[("m", Unit::Minute)]);
    let (_, unit) = names.find(|(known, _)| *known == name.trim_start())?;
    Some((number.parse().ok()?, *unit))
}

/// Parses a duration such as `10ms`, `1.5s` or `1h30m`; also `2 minutes`, `PT5S` and `02:30:15`.
///
/// # Errors
/// What was expected instead.
pub fn parse_duration(word: &str) -> Result<Duration, String> {
    let fits = |span: &Duration| u64::try_from(span.as_nanos()).is_ok();
    let spelled_out = || word.parse::<jiff::SignedDuration>().ok()?.try_into().ok().filter(fits);
    admin::parse_duration(word).or_else(|error| spelled_out().ok_or(error))
}

/// Whether the word would be understood if its number were smaller.
pub(crate) fn is_too_large<T, E>(word: &str, parse: impl Fn(&str) -> Result<T, E>) -> bool {
    let zeros = word.replace(|c: char| c.is_ascii_digit(), "0");
    parse(word).is_err() && parse(&zeros).is_ok()
}

/// Parses the size of a file, at least one byte: `10MiB`, `1.5GiB`, `100B`, or a bare number of bytes.
///
/// # Errors
/// [`InvalidValue`] for anything else.
pub fn parse_size(word: &str) -> Result<u64, InvalidValue> {
    admin::parse_size(word).ok().filter(|size| *size > 0).ok_or_else(|| {
        let expected = match is_too_large(word, admin::parse_size) {
            true => "less than 16777216TiB",
            false => "a number of bytes above 0 with a unit, such as 64KiB, 10MiB or 2GiB",
        };
        InvalidValue::new("size", word, expected)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_keep_the_unit_of_their_word() {
        for (word, expected) in [
            ("30s", (30, Unit::Second)),
            ("15min", (15, Unit::Minute)),
            ("15m", (15, Unit::Minute)),
            ("24h", (24, Unit::Hour)),
            ("30 d", (30, Unit::Day)),
            ("1h30m", (90, Unit::Minute)),
            ("1.5h", (90, Unit::Minute)),
            ("23h60m", (1, Unit::Day)),
            ("1w", (7, Unit::Day)),
            ("2 minutes", (2, Unit::Minute)),
            ("PT5S", (5, Unit::Second)),
            ("02:30:00", (150, Unit::Minute)),
        ] {
            assert_eq!(interval(word), Some(expected), "{word}");
        }
        for wrong in
            ["", "5", "s", "1.5s", "250ms", "5 parsecs", "-5s", "4294967296s", "99999999999999999999s"]
        {
            assert_eq!(interval(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn spelled_out_durations_have_the_same_limit() {
        assert_eq!(parse_duration("5 sec"), Ok(Duration::from_secs(5)));
        for long in ["99999999999 seconds", "99999999999s", "PT99999999999S"] {
            assert!(parse_duration(long).is_err(), "{long}");
        }
    }

    #[test]
    fn a_file_has_a_size() {
        assert_eq!([parse_size("4096"), parse_size("1.5 MiB")], [Ok(4096), Ok(3 << 19)]);
        for wrong in ["", "MiB", "0", "0MiB", "-1", "3 parsecs"] {
            let error = parse_size(wrong).unwrap_err().to_string();
            let expected = "expected a number of bytes above 0 with a unit, such as 64KiB, 10MiB or 2GiB";
            assert_eq!(error, format!("invalid size {wrong:?}; {expected}"));
        }
        let error = parse_size("99999999999999TiB").unwrap_err().to_string();
        assert_eq!(error, "invalid size \"99999999999999TiB\"; expected less than 16777216TiB");
    }
}
