//! Records of the facade: the message is formatted in place, key-values keep their types.

use std::fmt::Write;

use log::kv::{self, VisitSource, VisitValue};

use crate::producer::statement::capture::Chain;
use crate::record::encode::{Encoder, measure};
use crate::record::field::FieldValue;
use crate::record::level::Level;
use crate::record::record_trait::{Inferred, Record};
use crate::record::site::Site;
use crate::record::text::{Text, text_site};
use crate::record::types::Type;
use crate::shm::record_header::flag;

/// A record of the built-in definition whose message is formatted while it is written.
pub(super) struct Message<'a> {
    pub(super) text: &'a Text<'a>,
    pub(super) record: &'a log::Record<'a>,
}

impl Record for Message<'_> {
    fn site(&self) -> &Site {
        text_site()
    }

    fn level(&self) -> Level {
        self.text.level
    }

    fn payload_bytes(&self) -> usize {
        measure(|out| self.encode(out))
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        let _ = out.reserve(self.text.payload_bytes());
        self.text.encode_place(out);
        out.put_arguments(*self.record.args());
        // A source that fails ends early; the pairs until then count.
        let _ = self.record.key_values().visit(&mut Pairs { out });
    }

    #[inline(always)]
    fn inferred(&self) -> Inferred {
        Inferred { formats: true, has_message: true, flags: flag::TRAILING, ..Inferred::NOTHING }
    }
}

/// Writes each pair after the fields, with its type.
struct Pairs<'a, 'b> {
    out: &'a mut Encoder<'b>,
}

impl<'kvs> VisitSource<'kvs> for Pairs<'_, '_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let _ = self.out.reserve(4 + key.as_str().len());
        self.out.put_bytes(key.as_str().as_bytes());
        value.visit(Typed { out: self.out })
    }
}

struct Typed<'a, 'b> {
    out: &'a mut Encoder<'b>,
}

impl Typed<'_, '_> {
    fn put<T: FieldValue + ?Sized>(&mut self, value: &T) {
        let _ = self.out.reserve(5 + value.payload_bytes());
        self.put_type(T::TYPE);
        value.encode(self.out);
    }

    fn put_type(&mut self, ty: Type) {
        let _ = self.out.reserve(5);
        self.out.put_u8(ty.code());
        self.out.put_u32(ty.width());
    }
}

impl<'v> VisitValue<'v> for Typed<'_, '_> {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.put_type(Type::Str);
        self.out.put_formatted(&value);
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.put(&value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.put(&value);
        Ok(())
    }

    fn visit_u128(&mut self, value: u128) -> Result<(), kv::Error> {
        self.put(&value);
        Ok(())
    }

    fn visit_i128(&mut self, value: i128) -> Result<(), kv::Error> {
        self.put(&value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.put(&value);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.put(&value);
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.put(value);
        Ok(())
    }

    fn visit_error(&mut self, error: &(dyn std::error::Error + 'static)) -> Result<(), kv::Error> {
        self.put_type(Type::Error);
        self.out.put_formatted(&Chain::of(error));
        Ok(())
    }
}

/// The message with its pairs as one text, for processes without a ring: `filled order=7`.
pub(super) fn shown(record: &log::Record<'_>) -> String {
    let mut text = record.args().to_string();
    // A source that fails ends early; the pairs until then count.
    let _ = record.key_values().visit(&mut Texts(&mut text));
    text
}

/// Appends each pair as text.
struct Texts<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Texts<'_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        match value.to_borrowed_error() {
            Some(error) => write!(self.0, " {key}={}", Chain::of(error))?,
            None => write!(self.0, " {key}={value}")?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot save")]
    struct SaveError(#[source] std::fmt::Error);

    #[test]
    fn without_a_ring_the_pairs_follow_the_message() {
        let error = SaveError(std::fmt::Error);
        let pairs = [("order", kv::Value::from(7)), ("err", kv::Value::from_dyn_error(&error))];
        let record = log::Record::builder().args(format_args!("lost")).key_values(&pairs).build();
        let cause = std::fmt::Error.to_string();
        assert_eq!(shown(&record), format!("lost order=7 err=cannot save\ncaused by: {cause}"));
        assert_eq!(shown(&log::Record::builder().args(format_args!("lost")).build()), "lost");
    }
}
