//! Parsers for the values of command-line options.

use std::time::Duration;

use ringlog::Overflow;
use ringlog::admin::{self, Clock, Size};
use ringlog_writer::rotation::parse_duration;

/// The longest time that a producer waits for space under `block` without a time.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Parses a duration: `500ms`, `10s`, `2min`, `1h30m`, `2 minutes`; a number alone means seconds.
///
/// # Errors
/// A message that says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let is_number = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if !is_number {
        return parse_duration(text);
    }
    let in_seconds = format!("{text}s");
    // What is wrong is said of the text as it was given.
    parse_duration(&in_seconds)
        .map_err(|error| error.replace(&format!("{in_seconds:?}"), &format!("{text:?}")))
}

/// The shortest interval.
pub const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Parses the time between two readings, in seconds or with a unit.
///
/// # Errors
/// A message that says what was expected.
pub fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    match interval < INTERVAL_MIN {
        true => Err(format!("{text:?} is too short; expected at least 0.1 (seconds)")),
        false => Ok(interval),
    }
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

/// Parses the size of a block, as [`size`].
///
/// # Errors
/// A message that says what was expected.
pub fn block_size(text: &str) -> Result<u32, String> {
    let bytes = admin::parse_size(text)?;
    u32::try_from(bytes)
        .map_err(|_| format!("{text:?} is too large for a block; expected a size such as 16KiB"))
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
        Overflow::Block(timeout) => format!("block:{}", admin::duration_word(timeout)),
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
            [ms("500ms"), ms("10"), ms("0.5"), ms("1.5s"), ms("2 min"), ms("1h30m"), ms("1d")],
            [Ok(500), Ok(10_000), Ok(500), Ok(1_500), Ok(120_000), Ok(5_400_000), Ok(86_400_000)]
        );
        assert_eq!([ms("2 minutes"), ms("PT5S"), ms("02:30:15")], [Ok(120_000), Ok(5_000), Ok(9_015_000)]);
        for long in ["99999999999d", "99999999999999"] {
            assert_eq!(duration(long), Err(format!("{long:?} is too long; expected at most 213503d")));
        }
        for wrong in ["", "s", "-1s", "1 parsec", "1e400", "1.2.3s", "inf", "-1"] {
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
