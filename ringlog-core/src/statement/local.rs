//! Statements whose message is made here and now, because they cannot travel as they are: too long, of
//! too many kinds of arguments, or because there is no ring.

use std::io::Write;

use crate::definition::{Definition, Field};
use crate::dictionary::Known;
use crate::entry::Received;
use crate::error::PushError;
use crate::level::Level;
use crate::logger::{Logger, Text};
use crate::record::{Prepared, Record};

/// The message of a statement, with its key=values.
fn message(record: &dyn Record) -> Result<String, PushError> {
    let definition = record.site().definition();
    let fields = definition.fields_of(record.inferred().types);
    let fields = fields.map(|(name, ty)| Field { name: name.to_owned().into(), ty }).collect();
    let known = Known::new(Definition { fields, ..definition.clone() });
    let payload = Prepared::new(record, 0, usize::MAX)?.to_bytes();
    Ok(Received::defined(0, Some(&known), &payload, 0).to_string())
}

/// Logs the statement as plain text, which is cut where it is too long.
pub(crate) fn log_as_text(logger: &Logger, record: &dyn Record) -> Result<(), PushError> {
    let Definition { logger: name, file, line, module, function, .. } = record.site().definition();
    logger.write_text(&Text {
        level: record.level(),
        logger: name,
        file,
        line: *line,
        module,
        function,
        message: message(record)?.as_bytes(),
    })
}

/// Writes the statement to standard error, a line.
pub(crate) fn show(record: &dyn Record) {
    if let Ok(message) = message(record) {
        show_line(record.level(), &record.site().definition().logger, &message);
    }
}

/// Writes what was logged to standard error, as one line whatever is in it.
pub(crate) fn show_line(level: Level, logger: &str, message: &str) {
    let message = message.replace('\n', "\\n");
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(std::io::stderr(), "{level:<5} {logger}: {message}");
}
