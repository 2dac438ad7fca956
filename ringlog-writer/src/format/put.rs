//! Helpers that append to a line.

use ringlog::schema::Value;

/// Appends formatted text.
pub(super) fn put(out: &mut Vec<u8>, args: std::fmt::Arguments<'_>) {
    // Writing into a vector cannot fail, and neither can the values' own formatting.
    let _ = std::io::Write::write_fmt(out, args);
}

/// Appends a list in brackets; `write` appends each value.
pub(super) fn list<'a>(
    values: impl Iterator<Item = Value<'a>>,
    out: &mut Vec<u8>,
    write: impl Fn(&Value<'_>, &mut Vec<u8>),
) {
    out.push(b'[');
    for (i, value) in values.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(&value, out);
    }
    out.push(b']');
}
