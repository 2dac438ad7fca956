//! Formats: how an entry is written as a line.

// In reading order.
mod kind;
mod traits;

mod json;
mod pattern;
mod raw;
mod text;

mod colored;
mod escape;
mod id;
mod number;
mod prefix;
mod put;
mod time;

pub(crate) use colored::Colored;
pub use json::Json;
pub use kind::{FormatKind, Newlines};
pub use pattern::{Pattern, PatternError};
pub use raw::Raw;
pub use text::Text;
pub use traits::{Format, RingIdentity};

/// A format of this kind. `newlines` and `ids` apply to text only.
pub fn new(kind: FormatKind, newlines: Newlines, ids: bool, ring: &RingIdentity) -> Box<dyn Format> {
    match kind {
        FormatKind::Text if ids => Box::new(Text::new(newlines).with_ids(ring)),
        FormatKind::Text => Box::new(Text::new(newlines)),
        FormatKind::Json => Box::new(Json::new(ring)),
        FormatKind::Raw => Box::new(Raw::default()),
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
