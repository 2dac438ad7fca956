//! What a Rust value becomes as a field of a record: the type its definition names and its bytes.
//!
//! The reading end is `Cursor::value`; the tests here hold the two together.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::level::Level;
use crate::record::Encoder;
use crate::value::Type;

/// A type that can be a field of a record.
///
/// Implemented for the integers (`usize` and `isize` travel as 64 bits), floats, `bool`, `char`, text,
/// bytes, IP and socket addresses, [`Duration`], [`SystemTime`], [`Level`], and for references, boxes
/// and counted pointers to any of them. There is no field that may be absent and none that can change
/// while it is written: hence no `Option`, no atomics.
///
/// A type of your own becomes a field by travelling as one of these:
///
/// ```
/// use ringlog::{Encoder, FieldValue, Type};
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
/// An implementation that writes something else than its type says gives records that make no sense
/// to readers; it cannot hurt the ring. One that writes more or fewer bytes than it announced has its
/// records refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a record",
    label = "expected a type that implements `FieldValue`",
    note = "numbers, `bool`, `char`, text, bytes, addresses, `Duration`, `SystemTime` and `Level` do",
    note = "leave the field out with `#[record(skip)]`, store a value of such a type instead, or implement `FieldValue`"
)]
pub trait FieldValue {
    /// The type that the definition names.
    const TYPE: Type;

    /// Bytes that every value takes, equal to the type's [width](Type::width); `None` where each value
    /// travels as its length in 4 bytes and then its bytes.
    const FIXED_BYTES: Option<usize>;

    /// Exact number of bytes that `encode` writes, the length before a variable value included.
    fn payload_bytes(&self) -> usize;

    /// Writes the value as its type says. May be called more than once for one push and has to write
    /// the same each time.
    fn encode(&self, out: &mut Encoder<'_>);
}

/// Types whose values all take the same number of bytes: `type: Type, bytes, how to write it`.
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
        // Both families as one value, so that what is stored does not branch.
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

/// Nanoseconds since 1970, negative before it. Times that 64 bits do not reach (before 1677, after
/// 2262) become the nearest that they do.
#[inline]
fn unix_nanos(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

/// Arrays up to this size are written as words and not by `put_raw`. The compiler does not inline that,
/// and after a call it no longer knows where the encoder stands: nothing that follows would fold.
const UNROLLED_BYTES: usize = 64;

/// Bytes of a length that the type knows. It has to be at least 1: width 0 in a definition says that
/// each value carries its length.
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
        let (words, rest) = self.as_chunks();
        words.iter().for_each(|word| out.put_u64(u64::from_le_bytes(*word)));
        let (halves, rest) = rest.as_chunks();
        halves.iter().for_each(|half| out.put_u32(u32::from_le_bytes(*half)));
        rest.iter().for_each(|byte| out.put_u8(*byte));
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

    #[inline]
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

    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_bytes(self.as_bytes());
    }
}

/// Types that are a way to hold another one, and travel as that.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::net::SocketAddrV6;

    use super::*;
    use crate::sync::{AtomicU64, Ordering};
    use crate::value::{Cursor, Value};
    use proptest::prelude::*;

    fn encoded<T: FieldValue + ?Sized>(field: &T) -> Vec<u8> {
        let payload_bytes = field.payload_bytes();
        let words: Vec<AtomicU64> = (0..payload_bytes.div_ceil(8)).map(|_| AtomicU64::new(0)).collect();
        #[allow(unsafe_code)]
        // SAFETY: `words` covers the window and outlives the encoder.
        let mut out = unsafe { Encoder::new(words.as_ptr(), 0, words.len()) };
        field.encode(&mut out);
        assert_eq!(out.finish(), payload_bytes);
        let words = words.iter().map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        words.flatten().take(payload_bytes).collect()
    }

    /// What `field` writes is what a reader gets, to the last byte, and its size is what its type says.
    #[track_caller]
    fn reads_back<T: FieldValue + ?Sized>(field: &T, expected: Value<'_>) {
        let bytes = encoded(field);
        let mut at = Cursor::new(&bytes);
        assert_eq!(at.value(T::TYPE), Some(expected));
        assert_eq!(at.u8(), None, "bytes are left over");
        let width = T::TYPE.width() as usize;
        assert_eq!(T::FIXED_BYTES, (width > 0).then_some(width));
        assert!(T::FIXED_BYTES.is_none_or(|fixed_bytes| fixed_bytes == field.payload_bytes()));
    }

    #[test]
    fn integers_read_back_at_both_ends() {
        macro_rules! ends {
            ($($rust:ty => $value:ident,)*) => {$(
                for v in [<$rust>::MIN, <$rust>::MIN + 1, 0, 1, <$rust>::MAX] {
                    reads_back(&v, Value::$value(v as _));
                }
            )*};
        }
        ends! {
            u8 => U64, u16 => U64, u32 => U64, u64 => U64, usize => U64, u128 => U128,
            i8 => I64, i16 => I64, i32 => I64, i64 => I64, isize => I64, i128 => I128,
        }
    }

    #[test]
    fn plain_values_read_back() {
        reads_back(&true, Value::Bool(true));
        reads_back(&false, Value::Bool(false));
        reads_back(&-1.5_f32, Value::F32(-1.5));
        reads_back(&f64::MIN_POSITIVE, Value::F64(f64::MIN_POSITIVE));
        reads_back(&'\u{10ffff}', Value::Char('\u{10ffff}'));
        reads_back(&Level::from_number(33), Value::Level(Level::from_number(33)));
        reads_back(&Duration::MAX, Value::Duration(Duration::MAX));
        assert_eq!(encoded(&f64::NAN), f64::NAN.to_le_bytes());
    }

    #[test]
    fn addresses_read_back() {
        let v4 = Ipv4Addr::new(192, 0, 2, 1);
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6);
        reads_back(&v4, Value::Ip(v4.into()));
        reads_back(&v6, Value::Ip(v6.into()));
        reads_back(&IpAddr::V4(v4), Value::Ip(v4.into()));
        reads_back(&IpAddr::V6(v6), Value::Ip(v6.into()));
        let socket = SocketAddr::from((v4, 443));
        reads_back(&socket, Value::Socket(socket));
        let socket = SocketAddr::V6(SocketAddrV6::new(v6, u16::MAX, 7, u32::MAX));
        reads_back(&socket, Value::Socket(socket));
    }

    #[test]
    fn the_bytes_of_addresses_are_pinned() {
        let v4 = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(encoded(&v4), [4, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let v6 = SocketAddrV6::new(Ipv6Addr::from([0xab; 16]), 0x0102, 3, 4);
        let expected = [&[6][..], &[0xab; 16], &[2, 1], &[3, 0, 0, 0], &[4, 0, 0, 0]].concat();
        assert_eq!(encoded(&SocketAddr::V6(v6)), expected);
    }

    #[test]
    fn times_saturate() {
        let epoch = SystemTime::UNIX_EPOCH;
        let nanos = Duration::from_nanos;
        reads_back(&epoch, Value::Timestamp(0));
        reads_back(&(epoch + nanos(1)), Value::Timestamp(1));
        reads_back(&(epoch - nanos(1)), Value::Timestamp(-1));
        reads_back(&(epoch + nanos(i64::MAX as u64)), Value::Timestamp(i64::MAX));
        reads_back(&(epoch + nanos(1 << 63)), Value::Timestamp(i64::MAX));
        reads_back(&(epoch - nanos((1 << 63) - 1)), Value::Timestamp(-i64::MAX));
        reads_back(&(epoch - nanos(1 << 63)), Value::Timestamp(i64::MIN));
        reads_back(&(epoch - nanos(u64::MAX)), Value::Timestamp(i64::MIN));
    }

    #[test]
    fn a_holder_travels_as_what_it_holds() {
        reads_back("", Value::Text(b""));
        reads_back(&"grüße", Value::Text("grüße".as_bytes()));
        reads_back(&String::from("a"), Value::Text(b"a"));
        reads_back(&Box::<str>::from("b"), Value::Text(b"b"));
        reads_back(&Rc::<str>::from("c"), Value::Text(b"c"));
        reads_back(&Arc::<str>::from("d"), Value::Text(b"d"));
        reads_back(&Cow::Borrowed("e"), Value::Text(b"e"));
        reads_back(&Cow::<str>::Owned("f".into()), Value::Text(b"f"));
        reads_back(&&&[1_u8, 2][..], Value::Bytes(&[1, 2]));
        reads_back(&vec![3_u8], Value::Bytes(&[3]));
        reads_back(&&[4_u8; 9], Value::Bytes(&[4; 9]));
        reads_back(&Box::new(5_u16), Value::U64(5));
    }

    proptest! {
        #[test]
        fn text_and_bytes_of_any_length_read_back(bytes: Vec<u8>, text: String) {
            reads_back(&bytes[..], Value::Bytes(&bytes));
            reads_back(&text, Value::Text(text.as_bytes()));
        }

        #[test]
        fn arrays_read_back(one: [u8; 1], odd: [u8; 7], mixed: [u8; 63], last: [u8; 64], large: [u8; 65]) {
            reads_back(&one, Value::Bytes(&one));
            reads_back(&odd, Value::Bytes(&odd));
            reads_back(&mixed, Value::Bytes(&mixed));
            reads_back(&last, Value::Bytes(&last));
            reads_back(&large, Value::Bytes(&large));
        }
    }
}
