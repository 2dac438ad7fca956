//! The message's bytes, for who wants back what went in.

use ringlog::reader::{Body, Entry};

use super::kind::Newlines;
use super::text;
use super::traits::Format;

/// The message's bytes and a newline, nothing else. Only the fields of typed records, which are what those
/// say, follow as `key=value`. Gaps are no messages: they leave no trace here.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// Where messages are put together.
    scratch: Vec<u8>,
}

impl Format for Raw {
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let Body::Record(record) = &entry.body else { return };
        let message = record.text_in(&mut self.scratch).unwrap_or_default();
        out.extend_from_slice(message);
        if record.is_typed() {
            let separator: &[u8] = if message.is_empty() { b"" } else { b" " };
            text::fields(record, separator, Newlines::Escape, out);
        }
        out.push(b'\n');
    }
}
