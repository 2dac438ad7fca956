//! The record of an item: one field of type bytes.

use std::borrow::Cow;

use crate::reader::entry::{Body, Entry};
use crate::record::definition::{Definition, Field};
use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::record_trait::{Inferred, Record};
use crate::record::site::Site;
use crate::record::types::Type;
use crate::record::value::Value;

const LOGGER: &str = "ringlog.queue";
const FIELD: &str = "item";

static FIELDS: [Field; 1] = [Field::new(FIELD, Type::Bytes)];

static SITE: Site = Site::new(Definition {
    level: Level::INFO,
    logger: Cow::Borrowed(LOGGER),
    file: Cow::Borrowed(""),
    line: 0,
    module: Cow::Borrowed(""),
    function: Cow::Borrowed(""),
    text: Cow::Borrowed(""),
    template: false,
    level_in_record: false,
    fields: Cow::Borrowed(&FIELDS),
});

/// Bytes of the payload beside the item.
pub(super) const FRAME_BYTES: usize = 4;

pub(super) struct Item<'a>(pub(super) &'a [u8]);

impl Record for Item<'_> {
    #[inline]
    fn site(&self) -> &Site {
        &SITE
    }

    #[inline]
    fn level(&self) -> Level {
        Level::INFO
    }

    #[inline]
    fn payload_bytes(&self) -> usize {
        FRAME_BYTES + self.0.len()
    }

    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_bytes(self.0);
    }

    #[inline(always)]
    fn inferred(&self) -> Inferred {
        Inferred { is_encoded: true, ..Inferred::NOTHING }
    }
}

/// The bytes of a record that was taken out: the item, or the message of a record that was logged.
pub(super) fn bytes_of(entry: &Entry<'_>) -> Vec<u8> {
    let Body::Record(record) = &entry.body else { return Vec::new() };
    if record.logger == LOGGER
        && let Some((FIELD, Value::Bytes(bytes))) = record.fields().next()
    {
        return bytes.to_vec();
    }
    let has_fields = record.extra_fields().next().is_some();
    match record.text().filter(|_| !has_fields) {
        Some(text) => text.into_owned(),
        None => record.to_string().into_bytes(),
    }
}
