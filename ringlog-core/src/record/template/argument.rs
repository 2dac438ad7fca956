//! A field as the Rust value that it was in the producer, so that the standard library formats it.

use std::borrow::Cow;
use std::fmt::{self, Binary, Debug, Display, Formatter, LowerExp, LowerHex, Octal, UpperExp, UpperHex};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use super::parse::Style;
use crate::record::level::Level;
use crate::record::types::{Element, Type};
use crate::record::value::{List, Maybe, Value};

/// A value of the type that it had in the producer. (`usize` and `isize` travel as 64 bits and look the same.)
pub(super) enum Argument<'a> {
    Bool(bool),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    Option(Element, Maybe<'a>),
    List(Element, List<'a>),
    Ip(IpAddr),
    Socket(SocketAddr),
    Duration(Duration),
    Time(SystemTime),
    Uuid([u8; 16]),
    Level(Level),
    Unknown(Value<'a>),
}

impl<'a> Argument<'a> {
    /// The argument of a value that was read as `ty`.
    pub(super) fn new(ty: Type, value: Value<'a>) -> Argument<'a> {
        match (value, ty) {
            (Value::Bool(v), _) => Argument::Bool(v),
            // A value read as a narrow type fits it.
            (Value::U64(v), Type::U8) => Argument::U8(v as u8),
            (Value::U64(v), Type::U16) => Argument::U16(v as u16),
            (Value::U64(v), Type::U32) => Argument::U32(v as u32),
            (Value::U64(v), _) => Argument::U64(v),
            (Value::U128(v), _) => Argument::U128(v),
            (Value::I64(v), Type::I8) => Argument::I8(v as i8),
            (Value::I64(v), Type::I16) => Argument::I16(v as i16),
            (Value::I64(v), Type::I32) => Argument::I32(v as i32),
            (Value::I64(v), _) => Argument::I64(v),
            (Value::I128(v), _) => Argument::I128(v),
            (Value::F32(v), _) => Argument::F32(v),
            (Value::F64(v), _) => Argument::F64(v),
            (Value::Char(v), _) => Argument::Char(v),
            (Value::Text(v) | Value::Error(v), _) => Argument::Text(String::from_utf8_lossy(v)),
            (Value::Bytes(v), _) => Argument::Bytes(v),
            (Value::Option(v), Type::Option(element)) => Argument::Option(element, v),
            (Value::List(v), Type::List(element)) => Argument::List(element, v),
            (Value::Ip(v), _) => Argument::Ip(v),
            (Value::Socket(v), _) => Argument::Socket(v),
            (Value::Duration(v), _) => Argument::Duration(v),
            (Value::Timestamp(v), _) => time(v).map_or(Argument::I64(v), Argument::Time),
            (Value::Uuid(v), _) => Argument::Uuid(v),
            (Value::Level(v), _) => Argument::Level(v),
            (Value::Unknown(_) | Value::Option(_) | Value::List(_), _) => Argument::Unknown(value),
        }
    }
}

/// The time this number of nanoseconds after 1970; `None` outside the range of the system's time.
fn time(unix_ns: i64) -> Option<SystemTime> {
    let distance = Duration::from_nanos(unix_ns.unsigned_abs());
    if unix_ns < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}

/// `then` for an integer, otherwise `other`.
macro_rules! integer {
    ($of:expr, $v:ident => $then:expr, _ => $other:expr) => {
        match $of {
            Argument::U8($v) => $then,
            Argument::U16($v) => $then,
            Argument::U32($v) => $then,
            Argument::U64($v) => $then,
            Argument::U128($v) => $then,
            Argument::I8($v) => $then,
            Argument::I16($v) => $then,
            Argument::I32($v) => $then,
            Argument::I64($v) => $then,
            Argument::I128($v) => $then,
            _ => $other,
        }
    };
}

/// `then` for an integer or a float, otherwise `other`.
macro_rules! number {
    ($of:expr, $v:ident => $then:expr, _ => $other:expr) => {
        match $of {
            Argument::F32($v) => $then,
            Argument::F64($v) => $then,
            _ => integer!($of, $v => $then, _ => $other),
        }
    };
}

/// Types without `Display` are shown by their `Debug`, bytes as text. Only a forged template asks for that.
impl Display for Argument<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Bool(v) => Display::fmt(v, f),
            Argument::Char(v) => Display::fmt(v, f),
            Argument::Text(v) => f.pad(v),
            Argument::Bytes(v) => f.pad(&String::from_utf8_lossy(v)),
            Argument::Ip(v) => Display::fmt(v, f),
            Argument::Socket(v) => Display::fmt(v, f),
            Argument::Level(v) => Display::fmt(v, f),
            _ => number!(self, v => Display::fmt(v, f), _ => Debug::fmt(self, f)),
        }
    }
}

impl Debug for Argument<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Bool(v) => Debug::fmt(v, f),
            Argument::Char(v) => Debug::fmt(v, f),
            Argument::Text(v) => Debug::fmt(v, f),
            Argument::Bytes(v) => Debug::fmt(v, f),
            Argument::Option(of, v) => match v.get() {
                Some(v) => f.debug_tuple("Some").field(&Argument::new(of.ty(), v)).finish(),
                None => f.write_str("None"),
            },
            Argument::List(of, v) => {
                let of = of.ty();
                f.debug_list().entries(v.iter().map(|v| Argument::new(of, v))).finish()
            }
            Argument::Ip(v) => Debug::fmt(v, f),
            Argument::Socket(v) => Debug::fmt(v, f),
            Argument::Duration(v) => Debug::fmt(v, f),
            Argument::Time(v) => Debug::fmt(v, f),
            // The crate `uuid` does not pad either.
            Argument::Uuid(v) => Display::fmt(&Value::Uuid(*v), f),
            Argument::Level(v) => Debug::fmt(v, f),
            Argument::Unknown(v) => Display::fmt(v, f),
            _ => number!(self, v => Debug::fmt(v, f), _ => Ok(())),
        }
    }
}

/// An argument and the trait that shows it. The formatter's width, fill and flags reach that trait's implementation
/// for the argument's own type.
pub(super) struct Shown<'a> {
    pub(super) argument: Argument<'a>,
    pub(super) style: Style,
}

/// A trait that the type does not have is replaced by `Display`. Only a forged template asks for that.
impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let of = &self.argument;
        match (self.style, of) {
            (Style::UpperHex, Argument::Uuid(v)) => {
                f.write_str(&Value::Uuid(*v).to_string().to_ascii_uppercase())
            }
            (Style::Debug | Style::DebugLowerHex | Style::DebugUpperHex, _) => Debug::fmt(of, f),
            (Style::LowerHex, _) => integer!(of, v => LowerHex::fmt(v, f), _ => Display::fmt(of, f)),
            (Style::UpperHex, _) => integer!(of, v => UpperHex::fmt(v, f), _ => Display::fmt(of, f)),
            (Style::Octal, _) => integer!(of, v => Octal::fmt(v, f), _ => Display::fmt(of, f)),
            (Style::Binary, _) => integer!(of, v => Binary::fmt(v, f), _ => Display::fmt(of, f)),
            (Style::LowerExp, _) => number!(of, v => LowerExp::fmt(v, f), _ => Display::fmt(of, f)),
            (Style::UpperExp, _) => number!(of, v => UpperExp::fmt(v, f), _ => Display::fmt(of, f)),
            (Style::Display, _) => Display::fmt(of, f),
        }
    }
}

/// For `{:x?}` and `{:X?}`, which set flags besides the trait.
impl Debug for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.argument, f)
    }
}
