//! Rust values as fields of a record: the type that the definition names, and the bytes.
//!
//! `Cursor::value` reads them back; the tests here check one against the other.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::types::{Element, Type};

/// A type that can be a field of a record.
///
/// Implemented for the integers (`usize` and `isize` travel as 64 bits), floats, `bool`, `char`, text,
/// bytes, IP and socket addresses, [`Duration`], [`SystemTime`], [`Level`], `uuid::Uuid` (feature `uuid`),
/// and for references, boxes and counted pointers to any of them; for an `Option` of any of these, and for
/// slices, arrays and vectors of them. (Those of `u8` travel as bytes.) Options and lists do not nest. Atomics are not
/// fields, because a field must not change while it is written.
///
/// A type of your own becomes a field by travelling as one of these:
///
/// ```
/// use ringlog::FieldValue;
/// use ringlog::schema::{Encoder, Type};
///
/// struct OrderId(u64);
///
/// impl FieldValue for OrderId {
///     const TYPE: Type = u64::TYPE;
///     const FIXED_BYTES: Option<usize> = u64::FIXED_BYTES;
///
///     #[inline]
///     fn payload_bytes(&self) -> usize {
///         self.0.payload_bytes()
///     }
///
///     #[inline]
///     fn encode(&self, out: &mut Encoder<'_>) {
///         self.0.encode(out);
///     }
/// }
/// ```
///
/// An implementation that does not write what its type says gives records that readers cannot decode; it cannot damage
/// the ring. A record with a field that writes more or fewer bytes than it announced is refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a record",
    label = "expected a type that implements `FieldValue`",
    note = "numbers, `bool`, `char`, text, bytes, addresses, `Duration`, `SystemTime` and `Level` do",
    note = "`Option`s, slices, arrays and vectors of these do too",
    note = "leave the field out with `#[record(skip)]`, store a value of such a type instead, or implement `FieldValue`"
)]
pub trait FieldValue {
    /// The type that the definition names.
    const TYPE: Type;

    /// Bytes that every value takes, equal to the type's [width](Type::width); `None` where each value
    /// travels as its length in 4 bytes and then its bytes.
    const FIXED_BYTES: Option<usize>;

    /// The exact number of bytes that `encode` writes, including the length before a variable value.
    fn payload_bytes(&self) -> usize;

    /// Writes the value as its type says. It may be called more than once for one push, and has to write the same
    /// each time.
    fn encode(&self, out: &mut Encoder<'_>);
}

/// Types whose values all take the same number of bytes: `type: Type, bytes, encoding`.
macro_rules! fixed {
    ($($rust:ty: $ty:ident, $bytes:literal, |$out:ident, $value:ident| $encode:expr;)*) => {$(
        impl FieldValue for $rust {
            const TYPE: Type = Type::$ty;
            const FIXED_BYTES: Option<usize> = Some($bytes);

            #[inline(always)]
            fn payload_bytes(&self) -> usize {
                $bytes
            }

            #[inline(always)]
            fn encode(&self, $out: &mut Encoder<'_>) {
                let $value = *self;
                $encode
            }
        }
    )*};
}

fixed! {
    bool: Bool, 1, |out, v| out.put_u8(v.into());
    u8: U8, 1, |out, v| out.put_u8(v);
    u16: U16, 2, |out, v| out.put_u16(v);
    u32: U32, 4, |out, v| out.put_u32(v);
    u64: U64, 8, |out, v| out.put_u64(v);
    u128: U128, 16, |out, v| out.put_u128(v);
    usize: U64, 8, |out, v| out.put_u64(v as u64);
    i8: I8, 1, |out, v| out.put_u8(v.cast_unsigned());
    i16: I16, 2, |out, v| out.put_u16(v.cast_unsigned());
    i32: I32, 4, |out, v| out.put_u32(v.cast_unsigned());
    i64: I64, 8, |out, v| out.put_u64(v.cast_unsigned());
    i128: I128, 16, |out, v| out.put_u128(v.cast_unsigned());
    isize: I64, 8, |out, v| out.put_u64((v as i64).cast_unsigned());
    f32: F32, 4, |out, v| out.put_u32(v.to_bits());
    f64: F64, 8, |out, v| out.put_u64(v.to_bits());
    char: Char, 4, |out, v| out.put_u32(v.into());
    Level: Level, 1, |out, v| out.put_u8(v.number());
    Ipv4Addr: Ipv4, 4, |out, v| out.put_u32(u32::from_le_bytes(v.octets()));
    Ipv6Addr: Ipv6, 16, |out, v| out.put_u128(u128::from_le_bytes(v.octets()));
    IpAddr: Ip, 17, |out, v| {
        // Both families as one value, so that the stores do not branch.
        let (family, octets) = match v {
            IpAddr::V4(ip) => (4, u32::from_le_bytes(ip.octets()).into()),
            IpAddr::V6(ip) => (6, u128::from_le_bytes(ip.octets())),
        };
        out.put_u8(family);
        out.put_u128(octets);
    };
    SocketAddr: Socket, 27, |out, v| {
        let (flow, scope) = match v {
            SocketAddr::V4(_) => (0, 0),
            SocketAddr::V6(socket) => (socket.flowinfo(), socket.scope_id()),
        };
        v.ip().encode(out);
        out.put_u16(v.port());
        out.put_u32(flow);
        out.put_u32(scope);
    };
    Duration: Duration, 12, |out, v| {
        out.put_u64(v.as_secs());
        out.put_u32(v.subsec_nanos());
    };
    SystemTime: Timestamp, 8, |out, v| unix_nanos(v).encode(out);
}

/// Nanoseconds since 1970, negative before it. Times outside the range of 64 bits (before 1677, after 2262) become the
/// nearest time in it.
#[inline]
fn unix_nanos(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

/// Arrays up to this size are written as words, not by `put_raw`. The compiler does not inline `put_raw`, and after a
/// call it does not know the encoder's position: no later field would fold.
const UNROLLED_BYTES: usize = 64;

/// Bytes of a fixed length. It has to be at least 1: width 0 in a definition means that each value carries its
/// length.
impl<const N: usize> FieldValue for [u8; N] {
    const TYPE: Type = {
        assert!(
            N > 0,
            "an array of 0 bytes cannot be a field of a record: leave it out with #[record(skip)]"
        );
        assert!(N <= u32::MAX as usize, "an array of 4 GiB or more cannot be a field of a record");
        Type::FixedBytes(N as u32)
    };
    const FIXED_BYTES: Option<usize> = Some(N);

    #[inline]
    fn payload_bytes(&self) -> usize {
        N
    }

    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        if N > UNROLLED_BYTES {
            return out.put_raw(self);
        }
        // Without closures, which might not be inlined.
        let (words, rest) = self.as_chunks();
        for word in words {
            out.put_u64(u64::from_le_bytes(*word));
        }
        let (halves, rest) = rest.as_chunks();
        for half in halves {
            out.put_u32(u32::from_le_bytes(*half));
        }
        for byte in rest {
            out.put_u8(*byte);
        }
    }
}

/// Bytes that follow their length.
impl FieldValue for [u8] {
    const TYPE: Type = Type::Bytes;
    const FIXED_BYTES: Option<usize> = None;

    #[inline]
    fn payload_bytes(&self) -> usize {
        4 + self.len()
    }

    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_bytes(self);
    }
}

/// Text that follows its length in bytes.
impl FieldValue for str {
    const TYPE: Type = Type::Str;
    const FIXED_BYTES: Option<usize> = None;

    #[inline]
    fn payload_bytes(&self) -> usize {
        4 + self.len()
    }

    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_bytes(self.as_bytes());
    }
}

/// Types that hold a value of another type and travel as it.
macro_rules! holders {
    ($($({$($generics:tt)*})? $rust:ty => $held:ty;)*) => {$(
        impl $(<$($generics)*>)? FieldValue for $rust {
            const TYPE: Type = <$held>::TYPE;
            const FIXED_BYTES: Option<usize> = <$held>::FIXED_BYTES;

            #[inline]
            fn payload_bytes(&self) -> usize {
                <$held>::payload_bytes(self)
            }

            #[inline(always)]
            fn encode(&self, out: &mut Encoder<'_>) {
                <$held>::encode(self, out);
            }
        }
    )*};
}

holders! {
    String => str;
    Vec<u8> => [u8];
    {T: FieldValue + ?Sized} &T => T;
    {T: FieldValue + ?Sized} Box<T> => T;
    {T: FieldValue + ?Sized} Rc<T> => T;
    {T: FieldValue + ?Sized} Arc<T> => T;
    {T: FieldValue + ToOwned + ?Sized} Cow<'_, T> => T;
}

/// 16 bytes, in the order in which a UUID is written.
#[cfg(feature = "uuid")]
impl FieldValue for uuid::Uuid {
    const TYPE: Type = Type::Uuid;
    const FIXED_BYTES: Option<usize> = Some(16);

    #[inline(always)]
    fn payload_bytes(&self) -> usize {
        16
    }

    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_u128(u128::from_le_bytes(*self.as_bytes()));
    }
}

/// Types that an `Option` can hold: those that are no `Option`, slice, array or vector.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be in an `Option`, slice, array or vector that is a field of a record",
    label = "expected a number, `bool`, `char`, text, bytes, an address, a `Duration`, `SystemTime` or `Level`"
)]
trait Plain: FieldValue {
    const ELEMENT: Element = match Element::new(Self::TYPE) {
        Some(element) => element,
        None => panic!("only plain types are marked as such"),
    };
}

/// Types that a slice, array or vector can hold. Not `u8`: a slice of it is bytes, a type of its own.
trait Item: Plain {}

/// Implements a marker trait for types.
macro_rules! mark {
    ($as:ident: $($({$($generics:tt)*})? $rust:ty),* $(,)?) => {$(
        impl $(<$($generics)*>)? $as for $rust {}
    )*};
}

/// Types that options and lists can hold.
macro_rules! elements {
    ($($rust:tt)*) => {
        mark! { Plain: $($rust)* }
        mark! { Item: $($rust)* }
    };
}

elements! {
    bool, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, char, Level,
    Ipv4Addr, Ipv6Addr, IpAddr, SocketAddr, Duration, SystemTime,
    str, String, [u8], Vec<u8>, {const N: usize} [u8; N],
}
#[cfg(feature = "uuid")]
elements! { uuid::Uuid }
mark! {
    Plain: u8, {T: Plain + ?Sized} &T, {T: Plain + ?Sized} Box<T>, {T: Plain + ?Sized} Rc<T>,
    {T: Plain + ?Sized} Arc<T>, {T: Plain + ToOwned + ?Sized} Cow<'_, T>,
}
mark! {
    Item: {T: Item + ?Sized} &T, {T: Item + ?Sized} Box<T>, {T: Item + ?Sized} Rc<T>,
    {T: Item + ?Sized} Arc<T>, {T: Item + ToOwned + ?Sized} Cow<'_, T>,
}

/// A length in bytes, and the value if it is there.
#[allow(private_bounds)] // the bound is private so that no other crate can nest options and lists
impl<T: Plain> FieldValue for Option<T> {
    const TYPE: Type = Type::Option(T::ELEMENT);
    const FIXED_BYTES: Option<usize> = None;

    #[inline]
    fn payload_bytes(&self) -> usize {
        4 + self.as_ref().map_or(0, T::payload_bytes)
    }

    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Some(value) => {
                out.put_u32(value.payload_bytes() as u32);
                value.encode(out);
            }
            None => out.put_u32(0),
        }
    }
}

/// A length in bytes, and the values one after the other.
#[allow(private_bounds)] // as above
impl<T: Item> FieldValue for [T] {
    const TYPE: Type = Type::List(T::ELEMENT);
    const FIXED_BYTES: Option<usize> = None;

    #[inline]
    fn payload_bytes(&self) -> usize {
        4 + match T::FIXED_BYTES {
            Some(bytes) => self.len() * bytes,
            None => self.iter().map(T::payload_bytes).sum(),
        }
    }

    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_u32((self.payload_bytes() - 4) as u32);
        self.iter().for_each(|value| value.encode(out));
    }
}

holders! {
    {T: Item} Vec<T> => [T];
    {T: Item, const N: usize} [T; N] => [T];
}

#[cfg(all(test, not(loom)))]
pub(crate) mod tests;
