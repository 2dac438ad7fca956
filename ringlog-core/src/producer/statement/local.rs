//! Statements whose message is made here and now, because they cannot travel as they are: too long, of
//! too many kinds of arguments, or because there is no ring.

use std::io::Write;

use crate::error::PushError;
use crate::producer::default_logger::{self, Destination};
use crate::producer::logger::Logger;
use crate::record::decoded::{ParsedDefinition, Received};
use crate::record::definition::{Definition, Field};
use crate::record::level::Level;
use crate::record::prepared::Prepared;
use crate::record::record_trait::Record;
use crate::record::text::Text;
use crate::ring::private::FastPath;

/// The message of a statement, with its key=values.
fn message(record: &dyn Record) -> Result<String, PushError> {
    let definition = record.site().definition();
    let fields = definition.fields_of(record.inferred().types);
    let fields = fields.map(|(name, ty)| Field { name: name.to_owned().into(), ty }).collect();
    let known = ParsedDefinition::new(Definition { fields, ..definition.clone() });
    let payload = Prepared::new(record, 0, usize::MAX)?.to_bytes();
    Ok(Received::defined(0, Some(&known), &payload, 0).to_string())
}

/// Logs the statement by the slow path, and as text where it cannot travel as it is.
#[cold]
#[inline(never)]
pub(crate) fn log_slow(logger: &Logger, record: &dyn Record, fast: FastPath) -> Result<(), PushError> {
    match logger.push_slow(record, fast) {
        Err(PushError::TooLarge { .. } | PushError::Definition) => log_as_text(logger, record),
        result => result,
    }
}

/// Logs the statement as plain text, which is cut where it is too long.
fn log_as_text(logger: &Logger, record: &dyn Record) -> Result<(), PushError> {
    let definition = record.site().definition();
    let Definition { file, line, module, function, .. } = definition;
    logger.write_text(&Text {
        level: record.level(),
        logger: &definition.logger_name(),
        file,
        line: *line,
        module,
        function,
        message: message(record)?.as_bytes(),
    })
}

/// Logs the statement to where statements go that is no ring.
#[cold]
#[inline(never)]
pub(crate) fn log_otherwise(record: &dyn Record) {
    match default_logger::destination() {
        Destination::Stderr(_) => show(record),
        // It is being set at this moment.
        Destination::Ring(logger, _) => {
            // A statement has no result; the ring has counted what it refused.
            let _ = log_slow(logger, record, FastPath::Slow);
        }
        Destination::Nothing => {}
    }
}

/// Writes the statement to standard error, a line.
fn show(record: &dyn Record) {
    if let Ok(message) = message(record) {
        show_line(record.level(), &record.site().definition().logger_name(), &message);
    }
}

/// Writes what was logged to standard error, as one line whatever is in it.
pub(crate) fn show_line(level: Level, logger: &str, message: &str) {
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(std::io::stderr(), "{level:<5} {}: {}", one_line(logger), one_line(message));
}

/// The text with what a terminal would act upon escaped, as the writer does it: it forges no line, moves no
/// cursor and turns no reading direction.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| line.push_str(&format!("\\x{byte:02x}")));
            }
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_logged_is_one_harmless_line() {
        let line = one_line("ä\tb\nc\r\x1b[2J\u{202e}\u{85}\0");
        assert_eq!(line, "ä\\x09b\\nc\\x0d\\x1b[2J\\xe2\\x80\\xae\\xc2\\x85\\x00");
    }
}
