//! Sizes and spans of time as words: one grammar for every option, key and environment variable.

use std::time::Duration;

/// Bytes in the units of sizes. `M` and `MB` mean `MiB`, and so on.
const SIZES: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

const SECOND_NS: u64 = 1_000_000_000;

/// Nanoseconds in the units of time. A day has always 24 hours.
const TIMES: [(&str, u64); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND_NS),
    ("m", 60 * SECOND_NS),
    ("min", 60 * SECOND_NS),
    ("h", 3_600 * SECOND_NS),
    ("d", 86_400 * SECOND_NS),
    ("w", 7 * 86_400 * SECOND_NS),
];

/// A decimal number without a sign.
#[derive(Clone, Copy)]
struct Decimal {
    whole: u64,
    /// The digits behind the point, as `numerator / denominator`.
    fraction: (u64, u64),
}

impl Decimal {
    /// Splits a number off the start of a text, and the spaces behind it: `1.5 MiB`. `None` without a number.
    fn split(text: &str) -> Option<(Decimal, &str)> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let (whole, digits) = number.split_once('.').unwrap_or((number, "0"));
        // A point without digits on both sides is a slip.
        let whole = whole.parse().ok()?;
        let fraction = (digits.parse().ok()?, 10_u64.checked_pow(u32::try_from(digits.len()).ok()?)?);
        Some((Decimal { whole, fraction }, rest.trim_start()))
    }

    /// So many units, rounded down.
    fn times(self, unit: u64) -> Option<u64> {
        let (numerator, denominator) = self.fraction;
        let fraction = u128::from(numerator) * u128::from(unit) / u128::from(denominator);
        self.whole.checked_mul(unit)?.checked_add(u64::try_from(fraction).ok()?)
    }
}

/// Parses a number of bytes with an optional unit: `65536`, `64KiB`, `1.5 MiB`, `10MB`. Units are powers of 1,024,
/// also `K`, `KB` and so on. A fraction of a byte is left out.
///
/// # Errors
/// What was expected instead.
///
/// ```
/// assert_eq!(ringlog::admin::parse_size("1.5MiB"), Ok(1_572_864));
/// ```
pub fn parse_size(text: &str) -> Result<u64, String> {
    let parsed = Decimal::split(text.trim()).and_then(|(number, unit)| number.times(size_unit(unit)?));
    let is_too_large = || zeros(text).is_some_and(|zeros| parse_size(&zeros).is_ok());
    parsed.ok_or_else(|| match is_too_large() {
        true => format!("size {text:?} is too large; expected less than 16777216TiB"),
        false => {
            format!("size {text:?}; expected a number with an optional unit: 65536, 64KiB, 16MiB, 1.5GiB")
        }
    })
}

/// The text with zeros for its digits. If only that can be parsed, its number was too large. `None` if it is the text
/// itself.
fn zeros(text: &str) -> Option<String> {
    let zeros = text.replace(|c: char| c.is_ascii_digit(), "0");
    (zeros != text).then_some(zeros)
}

fn size_unit(unit: &str) -> Option<u64> {
    let is = |name: &str| {
        let short = &name[..1];
        [name, short].iter().any(|known| unit.eq_ignore_ascii_case(known))
            || unit.len() == 2 && unit[..1].eq_ignore_ascii_case(short) && unit[1..].eq_ignore_ascii_case("b")
    };
    match unit {
        "" | "b" | "B" => Some(1),
        _ if !unit.is_ascii() => None,
        _ => SIZES.iter().find(|(name, _)| is(name)).map(|(_, bytes)| *bytes),
    }
}

/// The shortest exact word for a number of bytes, which [`parse_size`] parses.
pub fn size_word(bytes: u64) -> String {
    let unit = SIZES.iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| format!("{bytes}B"), |(name, size)| format!("{}{name}", bytes / size))
}

/// Parses a span of time: one or more numbers, each with a unit, such as `250ms`, `1.5s`, `10m`, `1h30m`, `2 d`. The
/// units are `ns`, `us`, `ms`, `s`, `m` or `min`, `h`, `d` (24 hours) and `w`.
///
/// # Errors
/// What was expected instead; for a number without a unit too.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(ringlog::admin::parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let parse = || {
        let (mut rest, mut sum) = (text.trim(), 0_u64);
        loop {
            let (number, after) = Decimal::split(rest)?;
            let end = after.find(|c: char| c.is_ascii_digit() || c == ' ').unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let (_, unit_ns) = TIMES.iter().find(|(name, _)| *name == unit)?;
            sum = sum.checked_add(number.times(*unit_ns)?)?;
            rest = after.trim_start();
            if rest.is_empty() {
                return Some(Duration::from_nanos(sum));
            }
        }
    };
    let is_too_long = || zeros(text).is_some_and(|zeros| parse_duration(&zeros).is_ok());
    parse().ok_or_else(|| match is_too_long() {
        true => format!("{text:?} is too long; expected at most 213503d"),
        false => {
            format!(
                "{text:?} is not a duration; expected numbers with units, such as 250ms, 10s, 5m or 1h30m"
            )
        }
    })
}

/// The shortest exact word for a span of time in one unit, which [`parse_duration`] parses. Minutes are `min`.
pub fn duration_word(span: Duration) -> String {
    let ns = span.as_nanos();
    let is_exact = |unit_ns: u64| ns > 0 && ns.is_multiple_of(unit_ns.into());
    let units = TIMES.iter().rev().filter(|(name, _)| !["w", "m", "µs"].contains(name));
    match units.into_iter().find(|(_, unit_ns)| is_exact(*unit_ns)) {
        Some((name, unit_ns)) => format!("{}{name}", ns / u128::from(*unit_ns)),
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed_and_written() {
        for (text, bytes) in [
            ("65536", 65536),
            ("64KiB", 64 << 10),
            ("16 MiB", 16 << 20),
            ("1g", 1 << 30),
            ("8kb", 8 << 10),
            ("3 M", 3 << 20),
            ("10MB", 10 << 20),
            ("1.5MiB", 3 << 19),
            ("0.1KiB", 102),
            ("2TiB", 2 << 40),
            ("100B", 100),
            ("0", 0),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(parse_size(&size_word(bytes)), Ok(bytes), "{text}");
        }
        assert_eq!([size_word(3 << 19), size_word(1 << 20)], ["1536KiB", "1MiB"]);
        let wrong = ["", "MiB", "1.MiB", ".5MiB", "1.2.3", "-1", "3 parsecs", "1.5.", "١MiB", "1é", "1ib"];
        for text in wrong {
            assert!(parse_size(text).is_err_and(|error| error.contains("expected a number")), "{text}");
        }
        assert_eq!(parse_size("16777215.9TiB"), Ok(18446743963758388838));
        for text in ["16777216TiB", "99999999TiB", "18446744073709551616", "99999999999999999999 KiB"] {
            let expected = format!("size {text:?} is too large; expected less than 16777216TiB");
            assert_eq!(parse_size(text), Err(expected));
        }
    }

    #[test]
    fn spans_of_time_are_parsed_and_written() {
        for (text, ms) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("1.5s", 1_500),
            ("2 min", 120_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1h 30min 2.5s", 5_402_500),
            ("1.5h", 5_400_000),
            ("30d", 2_592_000_000),
            ("1w", 604_800_000),
            ("0s", 0),
            ("0s5ms", 5),
        ] {
            let span = Duration::from_millis(ms);
            assert_eq!(parse_duration(text), Ok(span), "{text}");
            assert_eq!(parse_duration(&duration_word(span)), Ok(span), "{text}");
        }
        let words = [90, 5_400, 86_400, 15 * 60].map(|s| duration_word(Duration::from_secs(s)));
        assert_eq!(words, ["90s", "90min", "1d", "15min"]);
        assert_eq!(duration_word(Duration::from_nanos(1_500)), "1500ns");
        for text in
            ["", "s", "5", "1h30", "-1s", "1 parsec", "1.2.3s", "1e400s", "99999999999999999999", "1s,2s"]
        {
            assert!(parse_duration(text).is_err_and(|error| error.contains("is not a duration")), "{text}");
        }
        assert_eq!(parse_duration("213503d").map(|span| span.as_secs()), Ok(213_503 * 86_400));
        for text in ["213504d", "99999999999d", "99999999999999999999s", "213503d 24h"] {
            assert_eq!(parse_duration(text), Err(format!("{text:?} is too long; expected at most 213503d")));
        }
    }
}
