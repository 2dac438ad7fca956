//! Statements formatted by the logging process: because they are too long for the ring, because their site has
//! been used with too many types, or because there is no ring.

use std::io::Write;

use crate::error::PushError;
use crate::error::shown::is_harmful;
use crate::producer::default_logger::{self, Destination};
use crate::producer::logger::Logger;
use crate::producer::push;
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
    let payload = Prepared::new(record)?.to_bytes();
    Ok(Received::defined(0, Some(&known), &payload, 0).to_string())
}

/// Logs the statement as plain text, cut to what the ring takes.
pub(crate) fn log_as_text(logger: &Logger, record: &dyn Record) -> Result<(), PushError> {
    let definition = record.site().definition();
    let Definition { file, line, module, function, .. } = definition;
    let message = message(record).inspect_err(|why| push::count_refused(&logger.named, *why))?;
    logger.write_text(&Text {
        level: record.level(),
        logger: &definition.logger_name(),
        file,
        line: *line,
        module,
        function,
        message: message.as_bytes(),
    })
}

/// Logs a statement while there is no default logger: to standard error, or nowhere.
#[cold]
#[inline(never)]
pub(crate) fn log_otherwise(record: &dyn Record) {
    match default_logger::destination() {
        Destination::Stderr(..) => show(record),
        // It has been set since the caller looked.
        Destination::Ring(logger, _) => {
            // A statement has no result; the ring has counted what it refused.
            let _ = logger.push_slow(record, FastPath::Slow);
        }
        Destination::Nothing => {}
    }
}

/// Writes the statement to standard error, as one line.
fn show(record: &dyn Record) {
    let message = message(record).unwrap_or_else(|why| why.to_string());
    show_line(record.level(), &record.site().definition().logger_name(), &message);
}

/// Writes a message to standard error, as one line whatever characters it holds.
pub(crate) fn show_line(level: Level, logger: &str, message: &str) {
    // If standard error is gone there is nowhere left to report it.
    let _ = writeln!(std::io::stderr(), "{level:<5} {}: {}", one_line(logger), one_line(message));
}

/// The text with control characters escaped as the writer escapes them: it cannot forge a line, move the cursor
/// or change the reading direction.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            c if is_harmful(c) => {
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
    fn control_characters_are_escaped_on_one_line() {
        let line = one_line("ä\tb\nc\r\x1b[2J\u{202e}\u{85}\0");
        assert_eq!(line, "ä\\x09b\\nc\\x0d\\x1b[2J\\xe2\\x80\\xae\\xc2\\x85\\x00");
    }
}
