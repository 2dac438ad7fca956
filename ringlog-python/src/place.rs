//! Where a record comes from, and how Python names that.

use ringlog::Level;

/// Where a record comes from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub logger: String,
    pub file: String,
    pub module: String,
    pub function: String,
    pub line: u32,
    pub level: u8,
}

impl Place {
    /// The place, with the module that follows from the file.
    pub fn new(logger: String, file: String, function: String, line: u32, level: Level) -> Place {
        let module = String::from_utf8_lossy(stem(base_name(file.as_bytes()))).into_owned();
        Place { logger, file, module, function, line, level: level.number() }
    }
}

/// Whether a reader gives the level this name without being told.
pub(crate) fn is_usual_name(number: i64, name: &[u8]) -> bool {
    let usual: &[u8] = match number {
        5 => b"TRACE",
        10 => b"DEBUG",
        20 => b"INFO",
        30 => b"WARNING",
        40 => b"ERROR",
        50 => b"CRITICAL",
        1..=255 => {
            let digits = name.strip_prefix(b"Level ").and_then(|digits| str::from_utf8(digits).ok());
            return digits.and_then(|digits| digits.parse().ok()) == Some(number);
        }
        _ => return false,
    };
    name == usual
}

/// What follows the last slash, as `os.path.basename`.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    &path[start..]
}

/// A file's name without its extension, as `os.path.splitext`: leading dots begin none.
pub(crate) fn stem(name: &[u8]) -> &[u8] {
    let dots = name.iter().take_while(|byte| **byte == b'.').count();
    match name[dots..].iter().rposition(|byte| *byte == b'.') {
        Some(at) => &name[..dots + at],
        None => name,
    }
}
