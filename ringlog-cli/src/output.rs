//! How things are shown: messages, tables, JSON, sizes and times.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use ringlog_writer::format::is_harmful;
use serde::Serialize;

/// Says something to a person, on standard error.
pub fn say(message: impl fmt::Display) {
    // Where standard error is gone there is nowhere to complain about it.
    let _ = writeln!(io::stderr(), "ringlog: {message}");
}

/// Prints text on standard output. Fails where `println!` would panic: on a closed pipe.
///
/// # Errors
/// What the system says.
pub fn print(text: impl fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// What the system says.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    print(json(value)?)
}

/// A value as one line of JSON, harmless on a terminal.
///
/// # Errors
/// What the value's own serialisation says.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    // Outside of strings JSON has no such characters, and inside these stand for them.
    Ok(escaped(&serde_json::to_string(value)?, |c| format!("\\u{:04x}", u32::from(c))))
}

/// A table without lines; the columns whose headings begin with `>` are aligned to the right.
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
    for (index, heading) in headings.iter().enumerate() {
        // The table has a column for each heading, so this is always one.
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table
}

/// A table as it is printed: without the blanks at the ends of its lines.
pub fn show(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A text from shared memory or a file's name, harmless on a terminal.
pub fn harmless(text: &str) -> String {
    escaped(text, |c| c.escape_default().to_string())
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> String {
    text.chars().map(|c| if is_harmful(c) { escape(c) } else { c.to_string() }).collect()
}

/// A number of bytes as people say it: `16 MiB`, `12.5 KiB`.
pub fn bytes(count: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| count >= 1 << shift) {
        Some((unit, shift)) if count.is_multiple_of(1 << shift) => format!("{} {unit}", count >> shift),
        Some((unit, shift)) => format!("{:.1} {unit}", count as f64 / (1_u64 << shift) as f64),
        None => format!("{count} B"),
    }
}

/// A number with its thousands apart: `1,000,000`.
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

/// `1 record`, `2 records`.
pub fn records(number: u64) -> String {
    format!("{} record{}", count(number), if number == 1 { "" } else { "s" })
}

/// A moment, as in RFC 3339; the number itself if no calendar reaches it.
pub fn time(unix_ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(unix_ns.into())
        .map_or_else(|_| format!("{unix_ns} ns after 1970"), |time| format!("{time:.3}"))
}

/// How long ago a moment was: `340 ms ago`, `3 min ago`.
pub fn ago(unix_ns: u64) -> String {
    let Ok(age_ns) = u64::try_from(now_unix_ns().saturating_sub(unix_ns.into())) else {
        return "in the future".to_owned();
    };
    format!("{} ago", span(age_ns / 1_000_000))
}

/// How far ahead a moment is: `in 9 min`; one that has passed, `3 s ago`.
pub fn ahead(unix_ns: u64) -> String {
    match u64::try_from(i128::from(unix_ns) - now_unix_ns()) {
        Ok(left_ns) => format!("in {}", span(left_ns / 1_000_000)),
        Err(_) => ago(unix_ns),
    }
}

/// An upper bound: never less than `time`.
pub fn at_most(time: Duration) -> String {
    match time.as_nanos().div_ceil(1_000_000) {
        ms @ 0..10_000 => format!("{ms} ms"),
        ms => format!("{} s", ms.div_ceil(1_000)),
    }
}

/// A span of time in its largest unit.
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

/// A UUID as it is usually written.
pub fn uuid(id: &[u8; 16]) -> String {
    ringlog::schema::Value::Uuid(*id).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_read_well() {
        assert_eq!([bytes(100), bytes(16 << 20), bytes(12_800)], ["100 B", "16 MiB", "12.5 KiB"]);
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([records(1), records(2)], ["1 record", "2 records"]);
    }

    #[test]
    fn times_read_well() {
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

    #[test]
    fn tables_have_no_blanks_at_their_line_ends() {
        let mut table = table(&["NAME", ">COUNT", "NOTE"]);
        table.add_row(["a", "1", ""]);
        table.add_row(["longer", "1000", "x"]);
        assert_eq!(show(&table), "NAME    COUNT  NOTE\na           1\nlonger   1000  x");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(harmless("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(harmless("\u{9b}2J \u{202e}txt"), "\\u{9b}2J \\u{202e}txt");
        let text = "\x1b \u{9b}2J \x7f \u{202e}txt \\ ä";
        let shown = json(&text).unwrap();
        assert_eq!(shown, "\"\\u001b \\u009b2J \\u007f \\u202etxt \\\\ ä\"");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
