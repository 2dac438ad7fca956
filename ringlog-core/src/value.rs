//! Field types and values: how each travels, and how untrusted bytes become values again.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::field::FieldValue;
use crate::level::Level;
use crate::record::Encoder;

/// The type of a field. FORMAT.md lists codes and encodings; a reader skips types it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned, 1 byte.
    U8,
    /// Unsigned, 2 bytes.
    U16,
    /// Unsigned, 4 bytes.
    U32,
    /// Unsigned, 8 bytes.
    U64,
    /// Unsigned, 16 bytes.
    U128,
    /// Signed, 1 byte.
    I8,
    /// Signed, 2 bytes.
    I16,
    /// Signed, 4 bytes.
    I32,
    /// Signed, 8 bytes.
    I64,
    /// Signed, 16 bytes.
    I128,
    /// IEEE 754, 4 bytes.
    F32,
    /// IEEE 754, 8 bytes.
    F64,
    /// A Unicode scalar value, 4 bytes.
    Char,
    /// Text, usually UTF-8: length and bytes.
    Str,
    /// Bytes: length and bytes.
    Bytes,
    /// As many bytes as it says, without a length.
    FixedBytes(u32),
    /// An IPv4 address, 4 bytes.
    Ipv4,
    /// An IPv6 address, 16 bytes.
    Ipv6,
    /// Either: family (4 or 6) and 16 bytes.
    Ip,
    /// Either with a port, flow and scope: family, 16 bytes, port, flow, scope.
    Socket,
    /// Seconds in 8 bytes and nanoseconds in 4.
    Duration,
    /// Nanoseconds since 1970, signed, 8 bytes.
    Timestamp,
    /// A UUID, 16 bytes as written.
    Uuid,
    /// A level, 1 byte.
    Level,
    /// A type of a later version: its code and width, 0 if it carries its length.
    Unknown(u8, u32),
}

/// Code and width of each type that has a fixed one, or width 0 and its length before it.
const CODES: [(Type, u8, u32); 24] = [
    (Type::Bool, 1, 1),
    (Type::U8, 2, 1),
    (Type::U16, 3, 2),
    (Type::U32, 4, 4),
    (Type::U64, 5, 8),
    (Type::U128, 6, 16),
    (Type::I8, 7, 1),
    (Type::I16, 8, 2),
    (Type::I32, 9, 4),
    (Type::I64, 10, 8),
    (Type::I128, 11, 16),
    (Type::F32, 12, 4),
    (Type::F64, 13, 8),
    (Type::Char, 14, 4),
    (Type::Str, 16, 0),
    (Type::Bytes, 17, 0),
    (Type::Ipv4, 32, 4),
    (Type::Ipv6, 33, 16),
    (Type::Ip, 34, 17),
    (Type::Socket, 35, 27),
    (Type::Duration, 36, 12),
    (Type::Timestamp, 37, 8),
    (Type::Uuid, 38, 16),
    (Type::Level, 39, 1),
];
const FIXED_BYTES: u8 = 18;

impl Type {
    /// The type's code in a definition.
    pub fn code(self) -> u8 {
        match self {
            Type::FixedBytes(_) => FIXED_BYTES,
            Type::Unknown(code, _) => code,
            _ => CODES.iter().find(|(ty, ..)| *ty == self).map_or(0, |(_, code, _)| *code),
        }
    }

    /// Bytes that a value takes; 0 if each carries its own length in the 4 bytes before it.
    pub fn width(self) -> u32 {
        match self {
            Type::FixedBytes(width) | Type::Unknown(_, width) => width,
            _ => CODES.iter().find(|(ty, ..)| *ty == self).map_or(0, |(.., width)| *width),
        }
    }

    /// The type with this code; unknown ones, and known ones of another width, are `Unknown`.
    pub(crate) fn from_code(code: u8, width: u32) -> Type {
        if code == FIXED_BYTES && width > 0 {
            return Type::FixedBytes(width);
        }
        let known = CODES.iter().find(|(_, known, known_width)| (*known, *known_width) == (code, width));
        known.map_or(Type::Unknown(code, width), |(ty, ..)| *ty)
    }
}

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
    /// Text. Usually UTF-8, but nothing guarantees it.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
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
    /// A value of a type that this version does not know, or that its type does not allow.
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
            (Value::Text(_), Type::Str) | (Value::Bytes(_), Type::Bytes) => true,
            (Value::Bytes(v) | Value::Text(v), Type::FixedBytes(width)) => v.len() == width as usize,
            (Value::Ip(IpAddr::V4(_)), Type::Ipv4) | (Value::Ip(IpAddr::V6(_)), Type::Ipv6) => true,
            (Value::Ip(_), Type::Ip) | (Value::Socket(_), Type::Socket) => true,
            (Value::Duration(_), Type::Duration) | (Value::Timestamp(_), Type::Timestamp) => true,
            (Value::Uuid(_), Type::Uuid) | (Value::Level(_), Type::Level) => true,
            _ => false,
        }
    }

    /// Bytes that the value takes as `ty`, which it is of.
    pub(crate) fn payload_bytes(&self, ty: Type) -> usize {
        match (self, ty.width()) {
            (Value::Text(v) | Value::Bytes(v), 0) => 4 + v.len(),
            (_, width) => width as usize,
        }
    }

    /// Writes the value as `ty`, which it is of.
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
            Value::Text(v) | Value::Bytes(v) if width == 0 => out.put_bytes(v),
            Value::Text(v) | Value::Bytes(v) | Value::Unknown(v) => out.put_raw(v),
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

/// Reads plain types one after the other out of untrusted bytes.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count)?;
        self.rest = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk()?;
        self.rest = tail;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes with their length before them.
    pub(crate) fn prefixed(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    /// The next value of type `ty`; `None` when the bytes end early.
    pub(crate) fn value(&mut self, ty: Type) -> Option<Value<'a>> {
        let value = match ty {
            Type::Bool => Value::Bool(self.u8()? != 0),
            Type::U8 => Value::U64(self.u8()?.into()),
            Type::U16 => Value::U64(self.u16()?.into()),
            Type::U32 => Value::U64(self.u32()?.into()),
            Type::U64 => Value::U64(self.u64()?),
            Type::U128 => Value::U128(u128::from_le_bytes(self.array()?)),
            Type::I8 => Value::I64(i8::from_le_bytes(self.array()?).into()),
            Type::I16 => Value::I64(i16::from_le_bytes(self.array()?).into()),
            Type::I32 => Value::I64(i32::from_le_bytes(self.array()?).into()),
            Type::I64 => Value::I64(i64::from_le_bytes(self.array()?)),
            Type::I128 => Value::I128(i128::from_le_bytes(self.array()?)),
            Type::F32 => Value::F32(f32::from_le_bytes(self.array()?)),
            Type::F64 => Value::F64(f64::from_le_bytes(self.array()?)),
            Type::Char => {
                let bytes = self.take(4)?;
                let code = Cursor::new(bytes).u32()?;
                char::from_u32(code).map_or(Value::Unknown(bytes), Value::Char)
            }
            Type::Str => Value::Text(self.prefixed()?),
            Type::Bytes => Value::Bytes(self.prefixed()?),
            Type::FixedBytes(width) => Value::Bytes(self.take(width as usize)?),
            Type::Ipv4 => Value::Ip(Ipv4Addr::from(self.array::<4>()?).into()),
            Type::Ipv6 => Value::Ip(Ipv6Addr::from(self.array::<16>()?).into()),
            Type::Ip => {
                let bytes = self.take(17)?;
                Cursor::new(bytes).ip()?.map_or(Value::Unknown(bytes), Value::Ip)
            }
            Type::Socket => {
                let bytes = self.take(27)?;
                Cursor::new(bytes).socket()?.map_or(Value::Unknown(bytes), Value::Socket)
            }
            Type::Duration => {
                let bytes = self.take(12)?;
                let mut at = Cursor::new(bytes);
                let (secs, nanos) = (at.u64()?, at.u32()?);
                if nanos < 1_000_000_000 {
                    Value::Duration(std::time::Duration::new(secs, nanos))
                } else {
                    Value::Unknown(bytes)
                }
            }
            Type::Timestamp => Value::Timestamp(i64::from_le_bytes(self.array()?)),
            Type::Uuid => Value::Uuid(self.array()?),
            Type::Level => Value::Level(Level::from_number(self.u8()?)),
            Type::Unknown(_, 0) => Value::Unknown(self.prefixed()?),
            Type::Unknown(_, width) => Value::Unknown(self.take(width as usize)?),
        };
        Some(value)
    }

    /// An address of either family; the inner `None` for a family that does not exist.
    fn ip(&mut self) -> Option<Option<IpAddr>> {
        let family = self.u8()?;
        let bytes = self.array::<16>()?;
        let [a, b, c, d, ..] = bytes;
        Some(match family {
            4 => Some(Ipv4Addr::new(a, b, c, d).into()),
            6 => Some(Ipv6Addr::from(bytes).into()),
            _ => None,
        })
    }

    fn socket(&mut self) -> Option<Option<SocketAddr>> {
        let ip = self.ip()?;
        let (port, flow, scope) = (self.u16()?, self.u32()?, self.u32()?);
        Some(ip.map(|ip| match ip {
            IpAddr::V4(ip) => SocketAddrV4::new(ip, port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, flow, scope).into(),
        }))
    }
}

/// Text and bytes are shown as text, with what is not UTF-8 replaced; escaping is the formatter's.
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
            Value::Text(v) | Value::Bytes(v) => String::from_utf8_lossy(v).fmt(f),
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
    fn every_code_is_pinned() {
        for (ty, code, width) in CODES {
            assert_eq!((ty.code(), ty.width()), (code, width));
            assert_eq!(Type::from_code(code, width), ty);
        }
        assert_eq!(Type::from_code(18, 7), Type::FixedBytes(7));
        assert_eq!(Type::from_code(5, 4), Type::Unknown(5, 4));
        assert_eq!(Type::from_code(200, 0), Type::Unknown(200, 0));
    }

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
    fn a_uuid_looks_like_one() {
        assert_eq!(Value::Uuid([0xab; 16]).to_string(), "abababab-abab-abab-abab-abababababab");
    }
}
