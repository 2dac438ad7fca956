//! The values of fields: how each is encoded and shown, and how untrusted bytes become values again.

mod cursor;
mod list;

use std::fmt;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use crate::record::encode::Encoder;
use crate::record::field::FieldValue;
use crate::record::level::Level;
use crate::record::number;
use crate::record::types::{Element, Type};

pub(crate) use cursor::Cursor;
pub use list::{List, Maybe};

/// A field's value, as a reader gets it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// An unsigned integer of up to 64 bits.
    U64(u64),
    /// An unsigned integer of 128 bits.
    U128(u128),
    /// A signed integer of up to 64 bits.
    I64(i64),
    /// A signed integer of 128 bits.
    I128(i128),
    /// A float of 32 bits.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
    /// A character.
    Char(char),
    /// Text. Usually UTF-8, which is not guaranteed.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A value that may be absent.
    Option(Maybe<'a>),
    /// Several values of one type.
    List(List<'a>),
    /// An error and its causes, a line each. Usually UTF-8, which is not guaranteed.
    Error(&'a [u8]),
    /// An IP address.
    Ip(IpAddr),
    /// An IP address and port.
    Socket(SocketAddr),
    /// A span of time.
    Duration(std::time::Duration),
    /// Nanoseconds since 1970.
    Timestamp(i64),
    /// A UUID's bytes.
    Uuid([u8; 16]),
    /// A level.
    Level(Level),
    /// The bytes of an unknown type, or of a value that its type does not allow.
    Unknown(&'a [u8]),
}

impl Value<'_> {
    /// Whether the value can travel as `ty`.
    pub(crate) fn is_of(&self, ty: Type) -> bool {
        match (*self, ty) {
            (Value::Bool(_), Type::Bool) | (Value::U64(_), Type::U64) | (Value::U128(_), Type::U128) => true,
            (Value::U64(v), Type::U8 | Type::U16 | Type::U32) => v < 1 << (ty.width() * 8),
            (Value::I64(_), Type::I64) | (Value::I128(_), Type::I128) => true,
            (Value::I64(v), Type::I8 | Type::I16 | Type::I32) => {
                let limit = 1 << (ty.width() * 8 - 1);
                (-limit..limit).contains(&v)
            }
            (Value::F32(_), Type::F32) | (Value::F64(_), Type::F64) | (Value::Char(_), Type::Char) => true,
            (Value::Text(_), Type::Str | Type::Formatted) | (Value::Error(_), Type::Error) => true,
            (Value::Bytes(_), Type::Bytes) => true,
            (Value::Option(v), Type::Option(element)) => v.get().is_none_or(|v| v.is_of(element.ty())),
            (Value::List(v), Type::List(element)) => v.iter().all(|v| v.is_of(element.ty())),
            (Value::Bytes(v) | Value::Text(v), Type::FixedBytes(width)) => v.len() == width as usize,
            (Value::Ip(IpAddr::V4(_)), Type::Ipv4) | (Value::Ip(IpAddr::V6(_)), Type::Ipv6) => true,
            (Value::Ip(_), Type::Ip) | (Value::Socket(_), Type::Socket) => true,
            (Value::Duration(_), Type::Duration) | (Value::Timestamp(_), Type::Timestamp) => true,
            (Value::Uuid(_), Type::Uuid) | (Value::Level(_), Type::Level) => true,
            _ => false,
        }
    }

    /// Bytes that the value takes as `ty`. `is_of(ty)` holds.
    pub(crate) fn payload_bytes(&self, ty: Type) -> usize {
        match (self, ty.width()) {
            (Value::Text(v) | Value::Bytes(v) | Value::Error(v), 0) => 4 + v.len(),
            (_, 0) => 4 + self.held_bytes(ty),
            (_, width) => width as usize,
        }
    }

    /// Bytes of the elements of an option or a list of type `ty`.
    fn held_bytes(&self, ty: Type) -> usize {
        let Some(of) = ty.element().map(Element::ty) else { return 0 };
        match self {
            Value::Option(v) => v.get().map_or(0, |v| v.payload_bytes(of)),
            Value::List(v) => v.iter().map(|v| v.payload_bytes(of)).sum(),
            _ => 0,
        }
    }

    /// Writes the value as `ty`. `is_of(ty)` holds.
    pub(crate) fn encode(&self, ty: Type, out: &mut Encoder<'_>) {
        let width = ty.width() as usize;
        match *self {
            Value::Bool(v) => out.put_u8(v.into()),
            Value::U64(v) => out.put_raw(&v.to_le_bytes()[..width]),
            Value::U128(v) => out.put_u128(v),
            Value::I64(v) => out.put_raw(&v.to_le_bytes()[..width]),
            Value::I128(v) => out.put_u128(v as u128),
            Value::F32(v) => out.put_u32(v.to_bits()),
            Value::F64(v) => out.put_u64(v.to_bits()),
            Value::Char(v) => out.put_u32(v.into()),
            Value::Text(v) | Value::Bytes(v) | Value::Error(v) if width == 0 => out.put_bytes(v),
            Value::Text(v) | Value::Bytes(v) | Value::Error(v) | Value::Unknown(v) => out.put_raw(v),
            Value::Option(_) | Value::List(_) => {
                out.put_u32(self.held_bytes(ty) as u32);
                let Some(of) = ty.element().map(Element::ty) else { return };
                match self {
                    Value::Option(v) => v.get().iter().for_each(|v| v.encode(of, out)),
                    Value::List(v) => v.iter().for_each(|v| v.encode(of, out)),
                    _ => {}
                }
            }
            Value::Ip(IpAddr::V4(v)) if width == 4 => v.encode(out),
            Value::Ip(IpAddr::V6(v)) if width == 16 => v.encode(out),
            Value::Ip(v) => v.encode(out),
            Value::Socket(v) => v.encode(out),
            Value::Duration(v) => v.encode(out),
            Value::Timestamp(v) => out.put_u64(v as u64),
            Value::Uuid(v) => out.put_raw(&v),
            Value::Level(v) => out.put_u8(v.number()),
        }
    }
}

impl Value<'_> {
    /// Appends the value's `Display`, faster than by formatting.
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match *self {
            Value::Bool(v) => out.extend_from_slice(if v { b"true" } else { b"false" }),
            Value::U64(v) => number::integer(v, out),
            Value::I64(v) => number::integer(v, out),
            Value::U128(v) => number::integer(v, out),
            Value::I128(v) => number::integer(v, out),
            Value::F32(v) => number::float_32(v, out),
            Value::F64(v) => number::float(v, out),
            Value::Text(v) | Value::Bytes(v) | Value::Error(v) => match str::from_utf8(v) {
                Ok(_) => out.extend_from_slice(v),
                Err(_) => out.extend_from_slice(String::from_utf8_lossy(v).as_bytes()),
            },
            // Writing to a vector cannot fail, nor can the values' own formatting.
            _ => drop(write!(out, "{self}")),
        }
    }
}

/// Text and bytes are shown as text, with invalid UTF-8 replaced. Escaping is left to the formats.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(v) => v.fmt(f),
            Value::U64(v) => v.fmt(f),
            Value::U128(v) => v.fmt(f),
            Value::I64(v) => v.fmt(f),
            Value::I128(v) => v.fmt(f),
            Value::F32(v) => v.fmt(f),
            Value::F64(v) => v.fmt(f),
            Value::Char(v) => v.fmt(f),
            Value::Text(v) | Value::Bytes(v) | Value::Error(v) => String::from_utf8_lossy(v).fmt(f),
            Value::Option(v) => match v.get() {
                Some(v) => v.fmt(f),
                None => f.pad("None"),
            },
            Value::List(v) => {
                for (i, v) in v.iter().enumerate() {
                    f.write_str(if i == 0 { "[" } else { ", " })?;
                    v.fmt(f)?;
                }
                f.write_str(if v.iter().next().is_none() { "[]" } else { "]" })
            }
            Value::Ip(v) => v.fmt(f),
            Value::Socket(v) => v.fmt(f),
            Value::Duration(v) => fmt::Debug::fmt(v, f),
            Value::Timestamp(v) => v.fmt(f),
            Value::Uuid(v) => uuid(v, f),
            Value::Level(v) => v.fmt(f),
            Value::Unknown(v) => write!(f, "<{} bytes of unknown type>", v.len()),
        }
    }
}

fn uuid(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, byte) in bytes.iter().enumerate() {
        let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(f, "{dash}{byte:02x}")?;
    }
    Ok(())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_are_skipped() {
        let mut at = Cursor::new(&[9, 9, 9, 2, 0, 0, 0, 7, 7, 42]);
        assert_eq!(at.value(Type::Unknown(99, 3)), Some(Value::Unknown(&[9, 9, 9])));
        assert_eq!(at.value(Type::Unknown(99, 0)), Some(Value::Unknown(&[7, 7])));
        assert_eq!(at.value(Type::U8), Some(Value::U64(42)));
        assert_eq!(at.value(Type::U8), None);
    }

    #[test]
    fn impossible_values_stay_bytes() {
        assert_eq!(Cursor::new(&[0, 0xd8, 0, 0]).value(Type::Char), Some(Value::Unknown(&[0, 0xd8, 0, 0])));
        assert_eq!(Cursor::new(&[9; 17]).value(Type::Ip), Some(Value::Unknown(&[9; 17])));
        assert_eq!(Cursor::new(&[255; 12]).value(Type::Duration), Some(Value::Unknown(&[255; 12])));
        assert_eq!(Cursor::new(&[255; 4]).value(Type::Str), None);
    }

    #[test]
    fn a_list_ends_at_malformed_bytes() {
        let of = |ty| Element::new(ty).unwrap();
        let list = |ty, bytes| List::encoded(of(ty), bytes).iter().collect::<Vec<_>>();
        assert_eq!(list(Type::U16, &[1, 0, 2, 0, 3]), [Value::U64(1), Value::U64(2)]);
        assert_eq!(list(Type::Str, &[1, 0, 0, 0, b'a', 255, 255, 255, 255]), [Value::Text(b"a")]);
        assert_eq!(list(Type::Unknown(99, 0), &[0; 9]), [Value::Unknown(&[]); 2]);
        let mut at = Cursor::new(&[255, 0, 0, 0, 1]);
        assert_eq!(at.value(Type::List(of(Type::U8))), None, "the list is longer than the payload");
    }

    #[test]
    fn a_malformed_option_stays_bytes() {
        let option = Type::Option(Element::new(Type::U16).unwrap());
        let value = |bytes| Cursor::new(bytes).value(option);
        assert_eq!(value(&[0, 0, 0, 0]), Some(Value::Option(None.into())));
        assert_eq!(value(&[2, 0, 0, 0, 7, 0]), Some(Value::Option(Some(&Value::U64(7)).into())));
        assert_eq!(value(&[1, 0, 0, 0, 7]), Some(Value::Unknown(&[7])));
        assert_eq!(value(&[3, 0, 0, 0, 7, 0, 0]), Some(Value::Unknown(&[7, 0, 0])));
    }

    #[test]
    fn a_value_travels_only_as_its_type() {
        let of = |ty| Element::new(ty).unwrap();
        let (port, text) = ([Value::U64(80), Value::U64(70_000)], Value::Text(b"a"));
        let list = |values: &'static [Value<'static>]| Value::List(values.into());
        assert!(list(&[Value::U64(80)]).is_of(Type::List(of(Type::U16))));
        assert!(list(&[]).is_of(Type::List(of(Type::U16))));
        assert!(!Value::List(port[..].into()).is_of(Type::List(of(Type::U16))), "the second does not fit");
        assert!(!list(&[Value::U64(80)]).is_of(Type::Option(of(Type::U16))));
        assert!(!Value::Option(Some(&text).into()).is_of(Type::Option(of(Type::U16))));
        assert!(Value::Option(Some(&text).into()).is_of(Type::Option(of(Type::Str))));
        assert!(
            text.is_of(Type::Formatted) && !text.is_of(Type::Error) && Value::Error(b"a").is_of(Type::Error)
        );
    }

    #[test]
    fn values_of_values_are_shown() {
        assert_eq!(Value::List([Value::U64(1), Value::Text(b"a")][..].into()).to_string(), "[1, a]");
        assert_eq!(Value::List([][..].into()).to_string(), "[]");
        assert_eq!(Value::Option(Some(&Value::U64(1)).into()).to_string(), "1");
        assert_eq!(Value::Option(None.into()).to_string(), "None");
    }

    #[test]
    fn a_uuid_looks_like_one() {
        assert_eq!(Value::Uuid([0xab; 16]).to_string(), "abababab-abab-abab-abab-abababababab");
    }
}
