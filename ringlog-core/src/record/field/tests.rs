//! What a field writes is what a reader gets.

use std::net::SocketAddrV6;

use super::*;
use crate::record::value::{Cursor, List, Value};
use crate::shm::sync::{AtomicU64, Ordering};
use proptest::prelude::*;

pub(crate) fn encoded<T: FieldValue + ?Sized>(field: &T) -> Vec<u8> {
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

#[test]
fn options_read_back() {
    reads_back(&Some(7_u8), Value::Option(Some(&Value::U64(7)).into()));
    reads_back(&Some(-7_i64), Value::Option(Some(&Value::I64(-7)).into()));
    reads_back(&None::<f64>, Value::Option(None.into()));
    reads_back(&Some(""), Value::Option(Some(&Value::Text(b"")).into()));
    reads_back(&Some(String::from("a")), Value::Option(Some(&Value::Text(b"a")).into()));
    reads_back(&[9_u8].iter().max(), Value::Option(Some(&Value::U64(9)).into()));
    reads_back(&&Some(Duration::MAX), Value::Option(Some(&Value::Duration(Duration::MAX)).into()));
    reads_back(&Some([1_u8, 2]), Value::Option(Some(&Value::Bytes(&[1, 2])).into()));
    reads_back(&Some(&[3_u8][..]), Value::Option(Some(&Value::Bytes(&[3])).into()));
    reads_back(&Some(Cow::Borrowed("b")), Value::Option(Some(&Value::Text(b"b")).into()));
    assert_eq!(encoded(&Some(0x0102_u16)), [2, 0, 0, 0, 2, 1]);
    assert_eq!(encoded(&Some("x")), [5, 0, 0, 0, 1, 0, 0, 0, b'x']);
    assert_eq!(encoded(&None::<&str>), [0; 4]);
}

#[test]
fn slices_arrays_and_vectors_read_back() {
    let ports = [Value::U64(80), Value::U64(443)];
    reads_back(&[80_u16, 443], Value::List(ports[..].into()));
    reads_back(&vec![80_u64, 443], Value::List(ports[..].into()));
    reads_back(&&[80_usize, 443][..], Value::List(ports[..].into()));
    reads_back(&[0_u32; 0], Value::List([][..].into()));
    reads_back(&["", "b"], Value::List([Value::Text(b""), Value::Text(b"b")][..].into()));
    reads_back(&vec![vec![1_u8], vec![]], Value::List([Value::Bytes(&[1]), Value::Bytes(&[])][..].into()));
    reads_back(&[[1_u8, 2], [3, 4]], Value::List([Value::Bytes(&[1, 2]), Value::Bytes(&[3, 4])][..].into()));
    assert_eq!(encoded(&[0x0102_u16, 3]), [4, 0, 0, 0, 2, 1, 3, 0]);
    assert_eq!(encoded(&[""]), [4, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn bytes_stay_bytes() {
    let types = [<[u8]>::TYPE, Vec::<u8>::TYPE, <[u8; 3]>::TYPE, <&[u8]>::TYPE];
    assert_eq!(types, [Type::Bytes, Type::Bytes, Type::FixedBytes(3), Type::Bytes]);
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_travels_as_its_bytes() {
    let bytes = std::array::from_fn(|i| i as u8);
    reads_back(&uuid::Uuid::from_bytes(bytes), Value::Uuid(bytes));
    assert_eq!(encoded(&uuid::Uuid::from_bytes(bytes)), bytes);
}

proptest! {
    #[test]
    fn text_and_bytes_of_any_length_read_back(bytes: Vec<u8>, text: String) {
        reads_back(&bytes[..], Value::Bytes(&bytes));
        reads_back(&text, Value::Text(text.as_bytes()));
    }

    #[test]
    fn options_and_lists_of_any_values_read_back(option: Option<i128>, texts: Vec<String>, floats: Vec<u64>) {
        let value = option.map(Value::I128);
        reads_back(&option, Value::Option(value.as_ref().into()));
        let values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text.as_bytes())).collect();
        reads_back(&texts, Value::List(List::from(&values[..])));
        let floats: Vec<f64> = floats.into_iter().map(f64::from_bits).filter(|float| !float.is_nan()).collect();
        let values: Vec<Value<'_>> = floats.iter().copied().map(Value::F64).collect();
        reads_back(&floats[..], Value::List(values[..].into()));
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
