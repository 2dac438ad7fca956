//! Decoding of values from untrusted bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::{List, Maybe, Value};
use crate::record::level::Level;
use crate::record::types::Type;

/// A position in untrusted bytes, from which values are read one after the other.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    /// The bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
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

    /// Bytes after their length in 4 bytes.
    pub(crate) fn prefixed(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    /// A type as a trailing field names it; `None` when the bytes end early.
    pub(crate) fn ty(&mut self) -> Option<Type> {
        let (code, width) = (self.u8()?, self.u32()?);
        let element = if Type::has_element(code, width) { Some(self.array()?) } else { None };
        Some(Type::from_code(code, width, element))
    }

    /// Skips a value of type `ty`; `None` when the bytes end early.
    #[inline]
    pub(crate) fn skip(&mut self, ty: Type) -> Option<()> {
        match ty.width() {
            0 => self.prefixed().map(drop),
            width => self.take(width as usize).map(drop),
        }
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
            Type::Str | Type::Formatted => Value::Text(self.prefixed()?),
            Type::Bytes => Value::Bytes(self.prefixed()?),
            Type::FixedBytes(width) => Value::Bytes(self.take(width as usize)?),
            Type::Option(element) => {
                let bytes = self.prefixed()?;
                Maybe::encoded(element, bytes).map_or(Value::Unknown(bytes), Value::Option)
            }
            Type::List(element) => Value::List(List::encoded(element, self.prefixed()?)),
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
            Type::Error => Value::Error(self.prefixed()?),
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
