//! How a line looks.

mod escape;
mod head;
mod json;
mod number;
mod raw;
mod text;
mod time;

use ringlog::Entry;

use crate::options::{FormatKind, Newlines};

pub use escape::is_harmful;
pub use json::Json;
pub use raw::Raw;
pub use text::Text;

/// Turns entries into lines.
pub trait Format {
    /// Appends the entry's line to `out`, its newline included.
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>);
}

/// The format of this kind, for the ring of this name. `newlines` counts for text only.
pub fn new(kind: FormatKind, newlines: Newlines, ring: &str) -> Box<dyn Format> {
    match kind {
        FormatKind::Text => Box::new(Text::new(newlines)),
        FormatKind::Json => Box::new(Json::new(ring)),
        FormatKind::Raw => Box::new(Raw),
    }
}

/// Appends formatted text.
fn put(out: &mut Vec<u8>, args: std::fmt::Arguments<'_>) {
    // A vector takes everything, and the values' own formatting has no errors.
    let _ = std::io::Write::write_fmt(out, args);
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
