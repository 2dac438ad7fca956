//! Parsers for the values of command-line options.

use std::time::Duration;

use ringlog::Overflow;
use ringlog::admin::{Clock, Size};

/// The longest time that a producer waits for space under `block` without a time.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Parses a duration: `500ms`, `10s`, `2min`, `3h`, `1d`; a number alone means seconds.
///
/// # Errors
/// A message that says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; expected a number with a unit: 500ms, 10s, 2min");
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit.trim() {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

/// Parses an overflow policy: `drop`, `block`, `block:5s`.
///
/// # Errors
/// A message that says what was expected.
pub fn overflow(text: &str) -> Result<Overflow, String> {
    match text.split_once(':') {
        None if text == "drop" => Ok(Overflow::Drop),
        None if text == "block" => Ok(Overflow::Block(BLOCK_TIMEOUT)),
        Some(("block", timeout)) => Ok(Overflow::Block(duration(timeout)?)),
        _ => Err(format!("{text:?} is not an overflow policy; expected drop, block or block:5s")),
    }
}

/// Parses a size: `65536`, `64KiB`, `16MiB`.
///
/// # Errors
/// A message that says what was expected.
pub fn size(text: &str) -> Result<Size, String> {
    text.parse()
}

/// Parses the clock of a ring: `tsc`, `monotonic`.
///
/// # Errors
/// A message that says what was expected.
pub fn clock(text: &str) -> Result<Clock, String> {
    match text {
        "tsc" => Ok(Clock::Tsc),
        "monotonic" => Ok(Clock::Monotonic),
        _ => Err(format!("{text:?} is not a clock; expected tsc or monotonic")),
    }
}

/// Formats an overflow policy as [`overflow`] parses it.
pub fn overflow_text(overflow: Overflow) -> String {
    match overflow {
        Overflow::Drop => "drop".to_owned(),
        Overflow::Block(timeout) => format!("block:{timeout:?}"),
        // `Overflow` is non-exhaustive; a policy that has no name here is shown by its `Debug`.
        other => format!("{other:?}"),
    }
}

/// Parses file permissions in octal: `600`, `0640`.
///
/// # Errors
/// A message that says what was expected.
pub fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| format!("{text:?} is not a mode; expected three octal digits such as 600 or 660"))
}

/// Parses a group, given by name or number.
///
/// # Errors
/// A message that says what was expected.
pub fn group(text: &str) -> Result<u32, String> {
    if let Ok(gid) = text.parse() {
        return Ok(gid);
    }
    match nix::unistd::Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        _ => Err(format!("there is no group {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_the_usual_units() {
        let ms = |text| duration(text).map(|duration| duration.as_millis());
        assert_eq!(
            [ms("500ms"), ms("10"), ms("1.5s"), ms("2 min"), ms("1d")],
            [Ok(500), Ok(10_000), Ok(1_500), Ok(120_000), Ok(86_400_000)]
        );
        for wrong in ["", "s", "-1s", "1 parsec", "1e400", "1.2.3s"] {
            assert!(duration(wrong).unwrap_err().contains("is not a duration; expected"), "{wrong}");
        }
    }

    #[test]
    fn overflow_policies_are_parsed_and_formatted() {
        for text in ["drop", "block:5s", "block:250ms"] {
            assert_eq!(overflow_text(overflow(text).unwrap()), text);
        }
        assert_eq!(overflow("block"), Ok(Overflow::Block(BLOCK_TIMEOUT)));
        assert!(overflow("overwrite").unwrap_err().contains("expected drop, block"));
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!([mode("600"), mode("0640")], [Ok(0o600), Ok(0o640)]);
        assert!(mode("888").is_err() && mode("7777").is_err());
    }
}
