//! Formats entries as the writer does, and checks the lines.

use std::cell::RefCell;

use ringlog::reader::Entry;
use ringlog_writer::Newlines;
use ringlog_writer::format::{Format, Json, Raw, RingIdentity, Text};

/// The formats with state: they cache the beginnings of lines, so they are reused from entry to entry.
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

/// Checks the lines of the first entries, and only reads the fields of the others. Formatting every entry would take
/// most of the time of a target that tests the ring; formats have their own target.
pub(crate) fn check_first(number: usize, entry: &Entry<'_>) {
    if number < 4 {
        check(number, entry);
    } else if let Some(record) = entry.record() {
        record.fields().for_each(|field| _ = std::hint::black_box(field));
    }
}

/// Formats the entry in one of four ways and returns the number of bytes.
///
/// # Panics
/// If a line is not one line of UTF-8 without control characters, or JSON that does not parse.
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
            assert!(parsed.is_ok(), "not JSON: {parsed:?} in {:?}", String::from_utf8_lossy(out));
        }
        let bytes = out.len();
        // A buffer of many megabytes is not kept.
        out.shrink_to(1 << 16);
        bytes
    })
}

/// Whether a terminal or an editor acts upon the character or hides it: control characters, line separators, characters
/// that change the reading direction, invisible ones. Independent of the list in the formats, which it checks.
pub(crate) fn is_harmful(c: char) -> bool {
    const HIDDEN: &str =
        "\u{ad}\u{61c}\u{180e}\u{200b}\u{200e}\u{200f}\u{feff}\u{fff9}\u{fffa}\u{fffb}\u{e0001}";
    let is_between = |first, last| (first..=last).contains(&c);
    c.is_control()
        || HIDDEN.contains(c)
        || is_between('\u{2028}', '\u{202e}')
        || is_between('\u{2060}', '\u{206f}')
        || is_between('\u{e0020}', '\u{e007f}')
}

fn is_one_line(line: &[u8]) {
    let text = str::from_utf8(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    let inside = text.strip_suffix('\n').unwrap_or_else(|| panic!("no end: {text:?}"));
    assert!(!inside.contains(is_harmful), "a terminal would act upon {inside:?}");
}
