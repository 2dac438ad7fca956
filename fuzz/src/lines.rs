//! Formatting what was read, as the writer does, and judging the lines.

use std::cell::RefCell;

use ringlog::reader::Entry;
use ringlog_writer::Newlines;
use ringlog_writer::format::{Format, Json, Raw, RingIdentity, Text};

/// The formats that look at more than the message. They keep what lines begin with, so that is also tried.
struct Lines {
    text: Text,
    json: Json,
    out: Vec<u8>,
}

thread_local! {
    static LINES: RefCell<Lines> = RefCell::new(Lines {
        text: Text::new(Newlines::Escape),
        json: Json::new(&RingIdentity { created_unix_ns: 0, name: "fuzz".to_owned(), uuid: String::new() }),
        out: Vec::new(),
    });
}

/// Looks at all entries, and judges the first ones. A script is about the ring; formatting all of it each time
/// would leave no time for that, and has a target of its own.
pub(crate) fn judge_some(number: usize, entry: &Entry<'_>) {
    if number < 4 {
        check(number, entry);
    } else if let Some(record) = entry.record() {
        record.fields().for_each(|field| _ = std::hint::black_box(field));
    }
}

/// Formats the entry in one of the four ways that there are, and says how many bytes that gave.
///
/// # Panics
/// Where a line is not one line of UTF-8 without control characters, or JSON that does not parse.
pub(crate) fn check(way: usize, entry: &Entry<'_>) -> usize {
    LINES.with_borrow_mut(|Lines { text, json, out }| {
        out.clear();
        match way % 4 {
            0 => text.entry(entry, out),
            1 => json.entry(entry, out),
            2 => Raw::default().entry(entry, out),
            _ => out.extend_from_slice(entry.to_string().as_bytes()),
        }
        if way % 4 < 2 {
            is_one_line(out);
        }
        if way % 4 == 1 {
            let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(out);
            assert!(parsed.is_ok(), "no JSON: {parsed:?} in {:?}", String::from_utf8_lossy(out));
        }
        let bytes = out.len();
        // One of many megabytes is not kept.
        out.shrink_to(1 << 16);
        bytes
    })
}

/// Whether a terminal or an editor acts upon the character: control characters, separators of lines, and what turns
/// the reading direction. Written out here, for it judges the formats' own list.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
}

fn is_one_line(line: &[u8]) {
    let text = str::from_utf8(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    let inside = text.strip_suffix('\n').unwrap_or_else(|| panic!("no end: {text:?}"));
    assert!(!inside.contains(is_harmful), "a terminal would act upon {inside:?}");
}
