//! Numbers, sizes, times and ids in the form that people read.

use std::time::Duration;

/// Formats a number of bytes in its largest binary unit: `16 MiB`, `12.5 KiB`.
pub fn bytes(count: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| count >= 1 << shift) {
        Some((unit, shift)) if count.is_multiple_of(1 << shift) => format!("{} {unit}", count >> shift),
        Some((unit, shift)) => format!("{:.1} {unit}", count as f64 / (1_u64 << shift) as f64),
        None => format!("{count} B"),
    }
}

/// Formats a number with commas between thousands: `1,000,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a number of things: `1 line`, `2 lines`. The plural of `thing` ends with one more `s`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Formats a number of records: `1 record`, `2 records`.
pub fn records(number: u64) -> String {
    counted(number, "record")
}

/// The form of a verb that agrees with a number.
pub fn verb(number: u64, of_one: &'static str, of_many: &'static str) -> &'static str {
    if number == 1 { of_one } else { of_many }
}

/// Formats a point in time as in RFC 3339, to the millisecond. Outside of the calendar's range the number itself is
/// shown.
pub fn time(unix_ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(unix_ns.into())
        .map_or_else(|_| format!("{unix_ns} ns after 1970"), |time| format!("{time:.3}"))
}

/// Formats the time since a past moment: `340 ms ago`, `3 min ago`.
pub fn ago(unix_ns: u64) -> String {
    let Ok(age_ns) = u64::try_from(now_unix_ns().saturating_sub(unix_ns.into())) else {
        return "in the future".to_owned();
    };
    format!("{} ago", span(age_ns / 1_000_000))
}

/// Formats the time until a future moment: `in 9 min`. A past moment gives `3 s ago`.
pub fn ahead(unix_ns: u64) -> String {
    match u64::try_from(i128::from(unix_ns) - now_unix_ns()) {
        Ok(left_ns) => format!("in {}", span(left_ns / 1_000_000)),
        Err(_) => ago(unix_ns),
    }
}

/// The time since a past moment; nothing since a future one.
pub fn age(unix_ns: u64) -> Duration {
    let age_ns = now_unix_ns().saturating_sub(unix_ns.into());
    Duration::from_nanos(u64::try_from(age_ns).unwrap_or(0))
}

/// Formats a span of time in one unit: `340 ms`, `3 min`.
pub fn span_of(time: Duration) -> String {
    span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Formats an upper bound, rounded up: the text is never less than `time`.
pub fn at_most(time: Duration) -> String {
    match time.as_nanos().div_ceil(1_000_000) {
        ms @ 0..10_000 => format!("{ms} ms"),
        ms => format!("{} s", ms.div_ceil(1_000)),
    }
}

/// Formats a span of time in one unit, the largest that leaves at least two of it.
fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

fn now_unix_ns() -> i128 {
    jiff::Timestamp::now().as_nanosecond()
}

/// Formats a UUID in its usual form of five groups.
pub fn uuid(id: &[u8; 16]) -> String {
    ringlog::schema::Value::Uuid(*id).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_numbers_have_commas() {
        assert_eq!([bytes(100), bytes(16 << 20), bytes(12_800)], ["100 B", "16 MiB", "12.5 KiB"]);
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([records(1), records(2), counted(0, "line")], ["1 record", "2 records", "0 lines"]);
        assert_eq!([verb(0, "is", "are"), verb(1, "is", "are")], ["are", "is"]);
    }

    #[test]
    fn times_have_one_unit_and_never_fail() {
        assert_eq!(time(1_795_169_730_123_456_789), "2026-11-20T10:15:30.123Z");
        assert_eq!(time(u64::MAX), "2554-07-21T23:34:33.709Z");
        assert_eq!(
            [span(999), span(119_999), span(120_000), span(86_400_000)],
            ["999 ms", "119 s", "2 min", "24 h"]
        );
        assert_eq!(ago(u64::MAX), "in the future");
        assert!(ahead(u64::MAX).starts_with("in ") && ahead(u64::MAX).ends_with(" days"));
        assert!(ahead(0).ends_with(" days ago"));
    }
}
