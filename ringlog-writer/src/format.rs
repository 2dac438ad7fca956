//! How a line looks.

mod colored;
mod escape;
mod id;
mod json;
mod number;
mod pattern;
mod prefix;
mod raw;
mod text;
mod time;

use std::path::Path;

use ringlog::admin::Info;
use ringlog::reader::Entry;
use ringlog::schema::Value;

use crate::config::Formatter;
use crate::config::options::{FormatKind, Newlines};
use colored::Colored;

pub use escape::is_harmful;
pub use json::Json;
pub use pattern::{Pattern, Problem};
pub use raw::Raw;
pub use text::Text;

/// Turns entries into lines.
pub trait Format: Send {
    /// Appends the entry's line to `out`, its newline included.
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>);
}

/// Which ring the entries are from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name of its file.
    pub name: String,
    /// Its UUID, as it is usually written. With lane, incarnation and sequence it names a record for ever.
    pub uuid: String,
    /// When it was made, in ns since 1970.
    pub created_unix_ns: u64,
}

impl Source {
    /// The ring of this path and header.
    pub fn new(path: &Path, info: &Info) -> Source {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Source { name, uuid: Value::Uuid(info.uuid).to_string(), created_unix_ns: info.created_unix_ns }
    }
}

/// The format of this kind. `newlines` and `ids` count for text only.
pub fn new(kind: FormatKind, newlines: Newlines, ids: bool, source: &Source) -> Box<dyn Format> {
    match kind {
        FormatKind::Text if ids => Box::new(Text::new(newlines).with_ids(source)),
        FormatKind::Text => Box::new(Text::new(newlines)),
        FormatKind::Json => Box::new(Json::new(source)),
        FormatKind::Raw => Box::new(Raw::default()),
    }
}

/// The format of a handler. `color` is for a terminal.
///
/// # Errors
/// What is wrong with its pattern.
pub(crate) fn of(formatter: &Formatter, color: bool, source: &Source) -> Result<Box<dyn Format>, Problem> {
    let format = match formatter {
        Formatter::Text { newlines, ids } => new(FormatKind::Text, *newlines, *ids, source),
        Formatter::Json => new(FormatKind::Json, Newlines::default(), false, source),
        Formatter::Raw => new(FormatKind::Raw, Newlines::default(), false, source),
        Formatter::Pattern { pattern, date, zone, newlines } => {
            let pattern = Pattern::new(pattern, date.as_deref(), zone.zone().clone(), *newlines)?;
            Box::new(pattern.of_ring(source))
        }
    };
    Ok(if color { Box::new(Colored::new(format)) } else { format })
}

/// Appends formatted text.
fn put(out: &mut Vec<u8>, args: std::fmt::Arguments<'_>) {
    // A vector takes everything, and the values' own formatting has no errors.
    let _ = std::io::Write::write_fmt(out, args);
}

/// Appends a list in brackets, each value by `write`.
fn list<'a>(
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

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
