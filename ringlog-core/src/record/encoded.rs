//! Records whose fields the caller has encoded.

use crate::record::encode::Encoder;
use crate::record::record_trait::{Inferred, Record};
use crate::record::site::Site;
use crate::shm::record_header::flag;

/// A record of a site made at run time, whose fields are encoded already: for a program that knows them only at run
/// time and encodes each once.
///
/// The payload is what FORMAT.md says under *Fields*, in the definition's order. It is not checked: a reader takes it
/// for malformed where it does not fit the definition.
///
/// ```
/// use ringlog::schema::{Definition, Encoded, Field, Site, Type};
/// use ringlog::{Level, Ring};
///
/// let definition = Definition {
///     fields: vec![Field::new("order", Type::U16)].into(),
///     ..Definition::new(Level::INFO, "orders")
/// };
/// let site = Site::new(definition);
/// let ring = Ring::options().size("1MiB").create_or_open("encoded")?;
/// ring.logger().push(&Encoded::new(&site, &7_u16.to_le_bytes()))?;
/// let records: Vec<_> = ring.observe()?.into_iter().collect();
/// assert_eq!(records[0].entry().message(), "order=7");
/// # ringlog::admin::remove("encoded", true)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    site: &'a Site,
    payload: &'a [u8],
    is_cut: bool,
}

impl<'a> Encoded<'a> {
    /// A record with this payload. Its level is the definition's.
    pub fn new(site: &'a Site, payload: &'a [u8]) -> Encoded<'a> {
        Encoded { site, payload, is_cut: false }
    }

    /// The record with the mark that its text was cut.
    #[must_use]
    pub fn marked_as_cut(self) -> Self {
        Encoded { is_cut: true, ..self }
    }
}

impl Record for Encoded<'_> {
    fn site(&self) -> &Site {
        self.site
    }

    fn payload_bytes(&self) -> usize {
        self.payload.len()
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_raw(self.payload);
    }

    fn inferred(&self) -> Inferred {
        let flags = if self.is_cut { flag::CUT } else { 0 };
        Inferred { run_time: true, is_encoded: true, flags, ..Inferred::NOTHING }
    }
}
