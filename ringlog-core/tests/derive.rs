//! The promises of `#[derive(Record)]`, tested from outside.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use ringlog::schema::{Definition, Encoder, Field, Type};
use ringlog::{FieldValue, Level, Record};

const DERIVE_LINE: u32 = line!() + 1;
#[derive(Record)]
#[record(level = "warn", logger = "orders", text = "fill came late")]
struct LateFill<'a> {
    order: u64,
    #[record(rename = "market")]
    venue: &'a str,
    #[record(skip)]
    _seen: Option<fn()>,
    r#type: char,
}

#[test]
fn the_site_describes_the_struct() {
    let record = LateFill { order: 1, venue: "XETR", _seen: None, r#type: 'b' };
    let definition = record.site().definition();
    let expected = Definition {
        file: file!().into(),
        line: DERIVE_LINE,
        module: module_path!().into(),
        text: "fill came late".into(),
        fields: vec![
            Field::new("order", Type::U64),
            Field::new("market", Type::Str),
            Field::new("type", Type::Char),
        ]
        .into(),
        ..Definition::new(Level::WARN, "orders")
    };
    assert_eq!(*definition, expected);
    assert_eq!(record.level(), Level::WARN);
    assert_eq!(record.payload_bytes(), 8 + (4 + 4) + 4);
}

#[test]
fn records_of_one_struct_share_one_site() {
    let owned = String::from("XLON");
    let long_lived = LateFill { order: 1, venue: "XETR", _seen: None, r#type: 'b' };
    let short_lived = LateFill { order: 2, venue: &owned, _seen: None, r#type: 's' };
    assert!(std::ptr::eq(long_lived.site(), short_lived.site()));
}

#[test]
fn the_defaults_are_level_info_and_the_modules_logger() {
    #[derive(Record)]
    struct Tick {
        price: f64,
    }
    let tick = Tick { price: 1.0 };
    let definition = tick.site().definition();
    assert_eq!((tick.level(), definition.level), (Level::INFO, Level::INFO));
    assert_eq!((&*definition.logger, &*definition.module), ("", module_path!()));
    assert_eq!((&*definition.text, &*definition.function), ("", ""));
}

#[test]
fn a_struct_without_fields_is_a_record() {
    #[derive(Record)]
    #[record(text = "started")]
    struct Started;
    #[derive(Record)]
    struct Stopped {}
    assert_eq!((Started.payload_bytes(), Started.site().definition().fields.len()), (0, 0));
    assert_eq!((Stopped {}.payload_bytes(), Stopped {}.site().definition().fields.len()), (0, 0));
}

#[test]
fn levels_are_read_as_at_run_time() {
    macro_rules! same {
        ($($level:literal),*) => {$({
            #[derive(Record)]
            #[record(level = $level)]
            struct Leveled;
            assert_eq!(Ok(Leveled.level()), $level.to_string().parse(), "{}", $level);
        })*};
    }
    same!("trace", "debug", "info", "warn", "warning", "error", "critical", "fatal");
    same!("INFO", "Warning", "35", 1, 35, 0xff, 20u8);
}

#[test]
fn a_field_has_the_type_of_its_value() {
    #[derive(Record)]
    struct Session<'a> {
        id: [u8; 16],
        peer: SocketAddr,
        user: Cow<'a, str>,
        token: &'a [u8],
        since: SystemTime,
        idle: Duration,
        bytes: usize,
    }
    let session = Session {
        id: [7; 16],
        peer: SocketAddr::from(([192, 0, 2, 1], 443)),
        user: "eve".into(),
        token: &[1, 2],
        since: SystemTime::UNIX_EPOCH,
        idle: Duration::ZERO,
        bytes: 9,
    };
    let types: Vec<Type> = session.site().definition().fields.iter().map(|field| field.ty).collect();
    let (id, peer) = (Type::FixedBytes(16), Type::Socket);
    assert_eq!(types, [id, peer, Type::Str, Type::Bytes, Type::Timestamp, Type::Duration, Type::U64]);
    assert_eq!(session.payload_bytes(), 16 + 27 + (4 + 3) + (4 + 2) + 8 + 12 + 8);
}

/// Names in the generated code shadow none of the program's, and none of the program's shadow them.
mod hygiene {
    #![allow(non_camel_case_types, dead_code)]

    use super::FieldValue;

    struct String;
    struct Cow;
    struct Field;
    struct Site;
    const SITE: usize = 3;
    const FIELDS: usize = 5;

    pub(super) trait Width {
        type Bytes;
    }
    impl Width for Odd<'_> {
        type Bytes = [u8; 7];
    }

    macro_rules! odd {
        ($name:ident, $ty:ty, $lt:lifetime) => {
            #[derive(ringlog::Record)]
            pub(super) struct $name<$lt> {
                pub(super) out: [u8; SITE],
                pub(super) encode: [u8; FIELDS],
                pub(super) own: <Self as Width>::Bytes,
                pub(super) shared: &$lt $ty,
            }
        };
    }
    odd!(Odd, std::string::String, 'a);

    #[test]
    fn odd_names_work() {
        use ringlog::Record;
        let shared = std::string::String::from("abc");
        let odd = Odd { out: [0; 3], encode: [0; 5], own: [0; 7], shared: &shared };
        assert_eq!(odd.payload_bytes(), 3 + 5 + 7 + (4 + 3));
        assert_eq!(odd.out.payload_bytes(), 3);
    }
}

#[test]
fn a_type_of_the_program_can_be_a_field() {
    struct OrderId(u64);
    impl FieldValue for OrderId {
        const TYPE: Type = u64::TYPE;
        const FIXED_BYTES: Option<usize> = u64::FIXED_BYTES;
        fn payload_bytes(&self) -> usize {
            self.0.payload_bytes()
        }
        fn encode(&self, out: &mut Encoder<'_>) {
            self.0.encode(out);
        }
    }
    #[derive(Record)]
    struct Cancel {
        order: OrderId,
    }
    let cancel = Cancel { order: OrderId(7) };
    assert_eq!(cancel.site().definition().fields[0].ty, Type::U64);
    assert_eq!(cancel.payload_bytes(), 8);
}
