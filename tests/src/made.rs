//! Records of which each has a definition of its own.

use ringlog::reader::Entry;
use ringlog::schema::{Definition, Encoder, Field, Site, Type, Value};
use ringlog::{Level, Logger, PushError, Record};

/// A record whose definition tells its number, as the record does.
pub struct Made {
    site: Site,
    number: u64,
}

impl Made {
    /// The record of this number. Definitions differ in length.
    pub fn new(number: u64) -> Made {
        let fields = vec![Field::new("order", Type::U64)].into();
        let definition = Definition {
            text: format!("text {number} {{0}}").into(),
            template: true,
            fields,
            file: "x".repeat(number as usize % 90).into(),
            ..Definition::new(Level::INFO, "made")
        };
        Made { site: Site::new(definition), number }
    }

    /// Logs it as a record of a site made at run time.
    ///
    /// # Errors
    /// As for [`Logger::values`].
    pub fn log_values(&self, log: &Logger) -> Result<(), PushError> {
        log.values(&self.site, &[Value::U64(self.number)])
    }

    /// The number that an entry tells twice, by its definition and by its field.
    pub fn number_of(entry: &Entry<'_>) -> Option<u64> {
        let record = entry.record().filter(|record| record.logger != "after")?;
        let Some(("order", Value::U64(number))) = record.fields().next() else {
            panic!("not decoded: {entry}")
        };
        assert_eq!((record.logger, record.to_string()), ("made", format!("text {number} {number}")));
        Some(number)
    }
}

impl Record for Made {
    fn site(&self) -> &Site {
        &self.site
    }

    fn payload_bytes(&self) -> usize {
        8
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_u64(self.number);
    }
}
