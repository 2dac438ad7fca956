//! Attributes that a record brings along, in place of what the ring knows: FORMAT.md lists them.

use ringlog::reader::Received;
use ringlog::schema::Value;

use super::NS_PER_S;
use super::parse::Attribute;

/// The attributes that one record brings along.
#[derive(Default)]
pub(super) struct Own<'a> {
    values: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Own<'a> {
    pub fn of(record: &Received<'a>) -> Own<'a> {
        Own { values: record.attributes().collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of an attribute, if the record brings it along.
    pub fn get(&self, attribute: &Attribute) -> Option<&Value<'a>> {
        if self.values.is_empty() {
            return None;
        }
        let name = attribute.name();
        self.values.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The time that `asctime` shows: the seconds of `created` and the milliseconds of `msecs`, as Python puts them
    /// together.
    pub fn unix_ns(&self) -> Option<u64> {
        let number = |attribute| match self.get(&attribute) {
            Some(Value::F64(number)) => Some(*number),
            Some(Value::I64(number)) => Some(*number as f64),
            _ => None,
        };
        let created = number(Attribute::Created)?;
        let milliseconds =
            number(Attribute::Milliseconds).unwrap_or_else(|| (created - created.floor()) * 1000.0);
        // Conversions of floats saturate.
        let seconds = created.floor() as u64;
        Some(seconds.saturating_mul(NS_PER_S).saturating_add(milliseconds as u64 % 1000 * 1_000_000))
    }
}
