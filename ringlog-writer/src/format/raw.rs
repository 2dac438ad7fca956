//! The message's bytes, unchanged.

use ringlog::reader::{Body, Entry};

use super::kind::Newlines;
use super::text;
use super::traits::Format;

/// The message's bytes and a newline. A typed record's fields, which are its content, follow as `key=value`. Gaps
/// have no message and are not written.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// Scratch memory for messages.
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
