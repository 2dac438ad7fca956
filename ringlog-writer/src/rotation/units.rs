//! Sizes and spans of time as words of a configuration or a command line.

use std::time::Duration;

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

/// Splits `15min` into the number and the unit; `None` if it does not begin with a number.
pub(super) fn split_number(word: &str) -> Option<(u64, &str)> {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = word.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim()))
}

/// Parses a span of time: `30s`, `15min`, `6h`, `30d`.
pub(super) fn span(word: &str) -> Option<(u32, Unit)> {
    let (number, unit) = split_number(word)?;
    let (_, unit) = UNITS.iter().find(|(known, _)| *known == unit)?;
    Some((u32::try_from(number).ok()?, *unit))
}

const BYTES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Parses a number of bytes with a unit: `10MiB`, `2GiB`. `M` and `MB` mean `MiB`; `B` means single bytes.
pub(super) fn bytes_with_unit(word: &str) -> Option<u64> {
    let (number, unit) = split_number(word)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Parses the size of a file, at least one byte: `10MiB`, `2GiB`, `100B`, or a bare number of bytes.
///
/// # Errors
/// [`InvalidValue`] for anything else.
pub fn parse_size(word: &str) -> Result<u64, InvalidValue> {
    let size = bytes_with_unit(word).or_else(|| word.parse().ok());
    size.filter(|size| *size > 0).ok_or_else(|| {
        InvalidValue::new("size", word, "a number of bytes with a unit, such as 64KiB, 10MiB or 2GiB")
    })
}

/// The shortest exact word for a number of bytes. [`parse_size`] parses it.
pub fn size_word(bytes: u64) -> String {
    let unit = BYTES.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    unit.map_or_else(|| format!("{bytes}B"), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// The shortest exact word for a span of whole seconds.
pub(super) fn span_word(span: Duration) -> String {
    let seconds = span.as_secs();
    let unit = UNITS.iter().rev().find(|(_, unit)| seconds > 0 && seconds.is_multiple_of(unit.seconds()));
    unit.map_or_else(|| format!("{seconds}s"), |(word, unit)| format!("{}{word}", seconds / unit.seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed_and_displayed() {
        for (word, bytes) in [("10MiB", 10 << 20), ("2GiB", 2 << 30), ("1B", 1), ("1536KiB", 1536 << 10)] {
            assert_eq!((parse_size(word), size_word(bytes)), (Ok(bytes), word.to_owned()));
        }
        assert_eq!(
            [parse_size("4096"), parse_size("3 m"), parse_size("7kb")],
            [Ok(4096), Ok(3 << 20), Ok(7 << 10)]
        );
        for wrong in ["", "MiB", "0", "0MiB", "1.5MiB", "-1", "3 parsecs", "99999999999GiB", "١MiB"] {
            let error = parse_size(wrong).unwrap_err().to_string();
            let expected = "expected a number of bytes with a unit, such as 64KiB, 10MiB or 2GiB";
            assert_eq!(error, format!("invalid size {wrong:?}; {expected}"));
        }
    }

    #[test]
    fn spans_are_parsed_and_displayed() {
        for (word, number, unit, seconds) in [
            ("30s", 30, Unit::Second, 30),
            ("15min", 15, Unit::Minute, 900),
            ("6h", 6, Unit::Hour, 21_600),
            ("30d", 30, Unit::Day, 2_592_000),
        ] {
            assert_eq!(
                (span(word), span_word(Duration::from_secs(seconds))),
                (Some((number, unit)), word.to_owned())
            );
        }
        for wrong in ["", "5", "s", "5m", "5 parsecs", "-5s", "4294967296s", "99999999999999999999s"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }
}
