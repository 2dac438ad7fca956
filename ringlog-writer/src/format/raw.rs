//! The message's bytes, for who wants back what went in.

use ringlog::{Body, Entry};

use super::{Format, text};

/// The message's bytes and a newline, nothing else. The fields of typed records follow as `key=value`.
/// Gaps are no messages: they leave no trace here.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Format for Raw {
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let Body::Record(record) = &entry.body else { return };
        let message = record.text().unwrap_or_default();
        out.extend_from_slice(message);
        text::fields(record, if message.is_empty() { b"" } else { b" " }, out);
        out.push(b'\n');
    }
}
