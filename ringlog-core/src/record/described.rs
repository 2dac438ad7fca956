//! Records that bring their definition, because it is not in the ring's definition area.
//!
//! The payload is the definition behind its length in 4 bytes, then the fields. It decodes to the same entry as a
//! record of a registered definition, and is only longer. Nothing here allocates: a signal handler may log it.

use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::record_trait::{Inferred, Record};
use crate::record::site::Site;
use crate::record::value::Cursor;
use crate::shm::record_header::flag;

/// A record with its definition before its fields.
pub(crate) struct Described<'a> {
    record: &'a dyn Record,
    definition_bytes: usize,
}

impl<'a> Described<'a> {
    pub(crate) fn new(record: &'a dyn Record) -> Described<'a> {
        let definition_bytes = record.site().definition().payload_bytes(record.inferred().types);
        Described { record, definition_bytes }
    }
}

impl Record for Described<'_> {
    fn site(&self) -> &Site {
        self.record.site()
    }

    fn level(&self) -> Level {
        self.record.level()
    }

    fn payload_bytes(&self) -> usize {
        4 + self.definition_bytes + self.record.payload_bytes()
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_u32(self.definition_bytes as u32);
        self.record.site().definition().encode(self.record.inferred().types, out);
        self.record.encode(out);
    }

    fn inferred(&self) -> Inferred {
        let inferred = self.record.inferred();
        Inferred { flags: inferred.flags | flag::DESCRIBED, ..inferred }
    }
}

/// The definition's bytes and the fields of a payload that begins with its definition; `None` if it is malformed.
pub(crate) fn split(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = Cursor::new(payload);
    Some((at.prefixed()?, at.rest()))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::record::definition::Definition;
    use crate::record::prepared::Prepared;
    use crate::record::value::Value;
    use crate::record::values::Values;
    use crate::schema::{Field, Type};

    #[test]
    fn a_described_record_splits_into_its_parts() {
        let fields = vec![Field::new("order", Type::U16)].into();
        let definition =
            Definition { fields, text: "filled".into(), ..Definition::new(Level::WARN, "orders") };
        let site = Site::new(definition.clone());
        let record = Values::new(&site, &[Value::U64(7)]).unwrap();
        let described = Described::new(&record);
        let bytes = Prepared::new(&described).unwrap().to_bytes();
        assert_eq!(bytes.len(), described.payload_bytes());
        let (defined, payload) = split(&bytes).unwrap();
        assert_eq!((Definition::decode(defined), payload), (Some(definition), &[7, 0][..]));
        for len in 0..bytes.len() - 2 {
            assert_eq!(split(&bytes[..len]), None, "{len}");
        }
    }
}
