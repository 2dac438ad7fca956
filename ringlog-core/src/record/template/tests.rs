//! A message equals what `format!` gives, for every type and specification; and no forged one does harm.

use std::borrow::Cow;
use std::fmt::{Binary, Debug, Display, LowerExp, LowerHex, Octal, UpperExp, UpperHex};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::record::field::FieldValue;
use crate::record::field::tests::encoded;
use crate::record::level::Level;

/// A record made by hand: its fields, and its payload.
#[derive(Clone, Default)]
struct Made {
    fields: Vec<Field>,
    payload: Vec<u8>,
}

impl Made {
    fn with<T: FieldValue + ?Sized>(mut self, value: &T) -> Made {
        self.fields.push(Field::new("", T::TYPE));
        self.payload.extend(encoded(value));
        self
    }

    /// As `ty`, whatever the value is.
    fn with_raw(mut self, ty: Type, bytes: &[u8]) -> Made {
        self.fields.push(Field { name: Cow::Borrowed(""), ty });
        self.payload.extend_from_slice(bytes);
        self
    }

    fn message(&self, template: &str) -> String {
        let mut out = b"before ".to_vec();
        Template::parse(template, self.fields.len()).render(&self.fields, &self.payload, &mut out);
        let message = String::from_utf8(out).unwrap();
        message.strip_prefix("before ").unwrap().to_owned()
    }
}

/// Takes a template, the numbers behind the value that it names as widths and precisions, and what
/// `format!` made of the same.
type Check<'a> = dyn FnMut(&str, &[usize], fmt::Arguments<'_>) + 'a;

/// Every combination of fill with alignment, sign, `#`, `0`, width and precision, for one trait.
macro_rules! grid {
    ($($name:ident: $trait:ident $by:literal;)*) => {$(
        fn $name(v: &dyn $trait, w: usize, p: usize, check: &mut Check<'_>) {
            grid!(@sign v w p check $by; "" ">" "*<" "\u{10FFFF}^" "\n>");
            grid!(@count v w p check $by "}<" "-");
            grid!(@count v w p check $by "{>" "+");
            grid!(@count v w p check $by "0^" "-" "#" "0");
            grid!(@count v w p check $by "^" "#");
            grid!(@count v w p check $by "<" "0");
            grid!(@count v w p check $by "é^");
        }
    )*};
    (@sign $v:ident $w:ident $p:ident $check:ident $by:literal; $($align:literal)*) => {$(
        grid!(@alternate $v $w $p $check $by $align "");
        grid!(@alternate $v $w $p $check $by $align "+");
    )*};
    (@alternate $v:ident $w:ident $p:ident $check:ident $by:literal $($part:literal)*) => {
        grid!(@count $v $w $p $check $by $($part)*);
        grid!(@count $v $w $p $check $by $($part)* "#");
        grid!(@count $v $w $p $check $by $($part)* "0");
        grid!(@count $v $w $p $check $by $($part)* "#" "0");
    };
    (@count $v:ident $w:ident $p:ident $check:ident $by:literal $($part:literal)*) => {
        grid!(@one $v $check [] concat!("{0:", $($part,)* $by, "}"));
        grid!(@one $v $check [$w] concat!("{0:", $($part,)* "1$", $by, "}"));
        grid!(@one $v $check [$p] concat!("{0:", $($part,)* ".1$", $by, "}"));
        grid!(@one $v $check [$w, $p] concat!("{0:", $($part,)* "1$.2$", $by, "}"));
    };
    (@one $v:ident $check:ident [$($count:ident),*] $template:expr) => {
        $check($template, &[$($count),*], format_args!($template, $v, $($count),*))
    };
}

grid! {
    display: Display "";
    debug: Debug "?";
    debug_lower: Debug "x?";
    debug_upper: Debug "X?";
    lower_hex: LowerHex "x";
    upper_hex: UpperHex "X";
    octal: Octal "o";
    binary: Binary "b";
    lower_exp: LowerExp "e";
    upper_exp: UpperExp "E";
}

/// Specifications as people write them, with widths and precisions that are literal.
macro_rules! literal {
    ($($name:ident: $trait:ident $($template:literal)*;)*) => {$(
        fn $name(v: &dyn $trait, check: &mut Check<'_>) {
            $(check($template, &[], format_args!($template, v));)*
        }
    )*};
}

literal! {
    literal_display: Display
        "{0}" "{0:8}" "{0:<8}" "{0:_^12}" "{0:>+08.3}" "{0:.0}" "{0:.1}" "{0:.2}" "{0:.3}" "{0:.7}" "{0:.8}"
        "{0:.40}" "{0:+.2}" "{0:08.2}" "{0:1}" "{0:00}" "{0:05.1} {{0}} {0}" "}}{0:}{{";
    literal_debug: Debug "{0:?}" "{0:5?}" "{0:05?}" "{0:#?}" "{0:#05?}" "{0:.1?}" "{0:*>#9.2?}" "{0:#x?}" "{0:02X?}";
    literal_hex: LowerHex "{0:x}" "{0:#x}" "{0:#010x}" "{0:016x}" "{0:#06x} {0:04x}";
    literal_exp: LowerExp "{0:e}" "{0:.2e}" "{0:>+08.3e}" "{0:+012.1e}";
}

/// Checks one value by all the traits that are named.
macro_rules! check {
    ($value:expr, $w:ident, $p:ident: $($trait:ident)*) => {{
        let value = $value;
        let made = Made::default().with(value);
        let mut count = 0;
        let mut check = |template: &str, counts: &[usize], expected: fmt::Arguments<'_>| {
            count += 1;
            let expected = expected.to_string();
            let made = counts.iter().fold(made.clone(), |made, count| made.with(count));
            let found = made.message(template);
            assert_eq!(found, expected, "{template:?} of {value:?} with {counts:?}");
        };
        $(check!(@ $trait value $w $p check);)*
        count
    }};
    (@ display $v:ident $w:ident $p:ident $check:ident) => {
        display($v, $w, $p, &mut $check);
        literal_display($v, &mut $check);
    };
    (@ debug $v:ident $w:ident $p:ident $check:ident) => {
        debug($v, $w, $p, &mut $check);
        debug_lower($v, $w, $p, &mut $check);
        debug_upper($v, $w, $p, &mut $check);
        literal_debug($v, &mut $check);
    };
    (@ radix $v:ident $w:ident $p:ident $check:ident) => {
        lower_hex($v, $w, $p, &mut $check);
        upper_hex($v, $w, $p, &mut $check);
        octal($v, $w, $p, &mut $check);
        binary($v, $w, $p, &mut $check);
        literal_hex($v, &mut $check);
    };
    (@ exp $v:ident $w:ident $p:ident $check:ident) => {
        lower_exp($v, $w, $p, &mut $check);
        upper_exp($v, $w, $p, &mut $check);
        literal_exp($v, &mut $check);
    };
    (@ hex $v:ident $w:ident $p:ident $check:ident) => {
        lower_hex($v, $w, $p, &mut $check);
        upper_hex($v, $w, $p, &mut $check);
    };
}

fn any_integer() -> impl Strategy<Value = u128> {
    let ends = prop::sample::select(vec![
        0,
        1,
        u128::MAX,
        1 << 127,
        (1 << 127) - 1,
        1 << 63,
        1 << 31,
        1 << 15,
        1 << 7,
    ]);
    prop_oneof![any::<u128>(), ends, (0_u32..128, any::<u128>()).prop_map(|(shift, bits)| bits >> shift)]
}

fn any_float() -> impl Strategy<Value = f64> {
    let special = vec![
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        f64::EPSILON,
        0.5,
        2.5,
        0.125,
        9.995,
        1e16,
        f64::from(f32::MAX),
    ];
    let price =
        (-1_000_000_i64..1_000_000, 0..8).prop_map(|(whole, places)| whole as f64 / 10_f64.powi(places));
    prop_oneof![any::<u64>().prop_map(f64::from_bits), prop::sample::select(special), price]
}

/// Text with whatever is unusual.
fn any_text() -> impl Strategy<Value = String> {
    let parts = vec![
        "",
        "{",
        "}",
        "{0}",
        "{{}}",
        "\0",
        "\n",
        "\r\t",
        "\"",
        "'",
        "\\",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{2069}",
        "世界",
        "e\u{301}",
        "\u{301}",
        "😀",
        "\u{10FFFF}",
        "\u{FFFD}",
        "\u{7f}",
        "plain",
        " ",
        "ß",
    ];
    let parts = prop::collection::vec(prop::sample::select(parts), 0..6).prop_map(|parts| parts.concat());
    prop_oneof![parts, "[ -~]{0,30}", any::<String>()]
}

fn any_char() -> impl Strategy<Value = char> {
    let unusual = "\0\n'\"\\\u{301}\u{10FFFF}\u{202e}é世{ ".chars().collect::<Vec<_>>();
    prop_oneof![any::<char>(), prop::sample::select(unusual)]
}

fn any_socket() -> impl Strategy<Value = SocketAddr> {
    let v4 =
        (any::<u32>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::from((Ipv4Addr::from_bits(ip), port)));
    let parts = (any::<u128>(), 0_u32..128, any::<u16>(), any::<u32>(), any::<u32>());
    let v6 = parts.prop_map(|(ip, shift, port, flow, scope)| {
        SocketAddrV6::new(Ipv6Addr::from_bits(ip >> shift), port, flow, scope).into()
    });
    let v6_alone = any::<u128>().prop_map(|ip| SocketAddr::from((Ipv6Addr::from_bits(ip), 80)));
    prop_oneof![v4, v6, v6_alone]
}

fn any_time() -> impl Strategy<Value = SystemTime> {
    let ns = prop_oneof![any::<i64>(), prop::sample::select(vec![0, 1, -1, i64::MAX, i64::MIN + 1])];
    ns.prop_map(|ns| {
        let distance = Duration::from_nanos(ns.unsigned_abs());
        if ns < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
    })
}

fn any_duration() -> impl Strategy<Value = Duration> {
    let special =
        vec![Duration::ZERO, Duration::MAX, Duration::from_nanos(999_999), Duration::from_millis(1500)];
    let small = (any::<u64>(), 0_u32..64).prop_map(|(nanos, shift)| Duration::from_nanos(nanos >> shift));
    prop_oneof![
        (any::<u64>(), 0_u32..1_000_000_000).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
        small,
        prop::sample::select(special),
    ]
}

/// A width or precision.
fn any_count(most: usize) -> impl Strategy<Value = usize> {
    prop_oneof![0..4_usize, 4..30_usize, 0..most]
}

proptest! {
    // Each case checks thousands of specifications.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn numbers_equal_what_format_gives(
        bits in any_integer(),
        float in any_float(),
        w in any_count(300),
        p in any_count(330),
    ) {
        let mut count = 0;
        macro_rules! integers {
            ($($ty:ident)*) => {$( count += check!(&(bits as $ty), w, p: display debug radix exp); )*};
        }
        integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
        count += check!(&float, w, p: display debug exp);
        count += check!(&(float as f32), w, p: display debug exp);
        count += check!(&f32::from_bits(bits as u32), w, p: display debug exp);
        count += check!(&(bits & 1 == 1), w, p: display debug);
        count += check!(&Level::from_number(bits as u8), w, p: display debug);
        assert!(count > 10_000, "{count}");
    }

    #[test]
    fn text_and_places_equal_what_format_gives(
        text in any_text(),
        c in any_char(),
        bytes: Vec<u8>,
        socket in any_socket(),
        duration in any_duration(),
        time in any_time(),
        w in any_count(300),
        p in any_count(40),
    ) {
        check!(&text, w, p: display debug);
        check!(&&*text, w, p: display debug);
        check!(&c, w, p: display debug);
        check!(&bytes, w, p: debug);
        check!(&[1_u8, 200, 0], w, p: debug);
        check!(&socket, w, p: display debug);
        check!(&socket.ip(), w, p: display debug);
        match socket.ip() {
            IpAddr::V4(ip) => check!(&ip, w, p: display debug),
            IpAddr::V6(ip) => check!(&ip, w, p: display debug),
        };
        check!(&duration, w, p: debug);
        check!(&time, w, p: debug);
    }

    #[test]
    fn options_and_lists_equal_what_format_gives(
        some: bool,
        bits in any_integer(),
        floats in prop::collection::vec(any_float(), 0..4),
        texts in prop::collection::vec(any_text(), 0..4),
        chars in prop::collection::vec(any_char(), 0..4),
        duration in any_duration(),
        time in any_time(),
        w in any_count(40),
        p in any_count(40),
    ) {
        check!(&some.then_some(bits as i8), w, p: debug);
        check!(&some.then_some(bits as u8), w, p: debug);
        check!(&floats.first().copied(), w, p: debug);
        check!(&texts.first(), w, p: debug);
        check!(&some.then(|| vec![1_u8, 2]), w, p: debug);
        check!(&some.then_some(duration), w, p: debug);
        check!(&some.then_some(SocketAddr::from(([127, 0, 0, 1], 80))), w, p: debug);
        check!(&floats, w, p: debug);
        check!(&texts, w, p: debug);
        check!(&chars, w, p: debug);
        check!(&[bits as i16, 0, -1], w, p: debug);
        check!(&[bits, 0], w, p: debug);
        check!(&[some, true], w, p: debug);
        check!(&[time], w, p: debug);
        check!(&[Level::WARN, Level::from_number(bits as u8)], w, p: debug);
        check!(&[[bits as u8; 2], [0; 2]], w, p: debug);
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn uuids_equal_what_format_gives(bytes: [u8; 16], w in any_count(60), p in any_count(40)) {
        let uuid = uuid::Uuid::from_bytes(bytes);
        check!(&uuid, w, p: display debug hex);
        check!(&Some(uuid), w, p: debug);
        check!(&[uuid, uuid], w, p: debug);
    }

    #[test]
    fn no_template_and_no_payload_does_harm(
        template in "([{}0-9:<^>+#.$?xeE*é-]|\\{[0-3](:[<>0-9.$#?+]{0,5})?\\}){0,12}",
        codes in prop::collection::vec((0_u8..45, 0_u32..3, any::<[u8; 5]>()), 0..5),
        payload: Vec<u8>,
    ) {
        let fields = codes.into_iter().map(|(code, width, element)| {
            Field { name: Cow::Borrowed(""), ty: Type::from_code(code, width, Some(element)) }
        });
        let made = Made { fields: fields.collect(), payload };
        made.message(&template);
    }
}

#[test]
fn each_argument_stands_at_its_placeholder() {
    let (order, price, side, venue) = (7_usize, 9.5, 'B', "XETR");
    let made = Made::default().with(&order).with(&price).with(&side).with(venue);
    macro_rules! same {
        ($($template:literal)*) => {$(
            // `format!` wants each argument to be named.
            let expected = format!(concat!($template, "|{0}{1}{2}{3}"), order, price, side, venue);
            assert_eq!(made.message(concat!($template, "|{0}{1}{2}{3}")), expected);
        )*};
    }
    same!(
        "order {0} filled at {1:.2}" "{3}{2}{1}{0}" "{3:>10}|{2:^5}|{1:<8.3}|{0:08}" "{{{0}}}" "{{}}{3:?}{{{{"
        "{0}{0}{0}" "" "100 % \u{202e}" "{1:.0$}" "{3:.0$}" "{3:0$}" "{2:00$}" "{1:+0$.0$}"
    );
    let many: Made = (0..100_u32).fold(Made::default(), |made, n| made.with(&n).with(""));
    assert_eq!(many.message("{198} {0} {100:03}"), "99 0 050");
}

#[test]
fn formatted_text_is_shown_unchanged() {
    let text = |ty| Made::default().with_raw(ty, &encoded("a \"b\"\n\u{10FFFF}"));
    for template in ["{0}", "{0:?}", "{0:*>40}", "{0:#x}", "{0:.1}"] {
        assert_eq!(text(Type::Formatted).message(template), "a \"b\"\n\u{10FFFF}");
        assert_eq!(text(Type::Error).message(template), "a \"b\"\n\u{10FFFF}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_shown_with_replacements() {
    let made = Made::default().with_raw(Type::Str, b"\x03\0\0\0a\xffb");
    assert_eq!(made.message("{0} {0:?} {0:*>5}"), "a\u{FFFD}b \"a\u{FFFD}b\" **a\u{FFFD}b");
}

#[test]
fn a_malformed_template_is_shown_as_text() {
    let made = Made::default().with(&7_u8);
    for template in [
        "{",
        "}",
        "{}",
        "{:?}",
        "{0",
        "{0:",
        "{0:y}",
        "{0:?x}",
        "{0 }",
        "{name}",
        "{0:1$",
        "{0:70000}",
        "{0:.*}",
        "{0:.}",
        "{99999999999}",
        "{0:5$$}",
        "{0:p}",
        "a } b { c",
        "{0:>",
        "{0:é}",
    ] {
        assert_eq!(made.message(template), template);
    }
    assert_eq!(made.message("{{0} } {0} {"), "{0} } 7 {");
    assert_eq!(made.message("{{}} {0:y}{0}"), "{} {0:y}7");
}

#[test]
fn a_missing_field_leaves_a_mark() {
    let made = Made::default().with(&7_u8).with("text").with(&8_u8);
    assert_eq!(made.message("{0} {7:>5} {2} {4294967295}"), "7 {7?} 8 {4294967295?}");
    // The payload ends within the text.
    let cut = Made { payload: made.payload[..6].to_vec(), ..made.clone() };
    assert_eq!(cut.message("{0} {1:?} {2:x}."), "7 {1?} {2?}.");
    // A width that is no number, none at all, or more than `format!` takes.
    assert_eq!(made.message("{0:1$}{0:9$}{0:.9$}"), "777");
    for width in [u64::MAX, (1 << 16) + 3] {
        let wide = Made::default().with(&7_u8).with(&width);
        assert_eq!(wide.message("{0:1$}"), format!("{:65535}", 7));
    }
}

#[test]
fn a_trait_that_the_type_lacks_is_replaced() {
    let made = Made::default()
        .with("a")
        .with(&Duration::from_secs(1))
        .with(&[7_u8, 65])
        .with(&Some(1_u8))
        .with(&1.5);
    assert_eq!(
        made.message("{0:x} {0:e} {1} {1:X} {2} {3} {3:b} {4:o}"),
        "a a 1s 1s \u{7}A Some(1) Some(1) 1.5"
    );
}

#[test]
fn a_forged_definition_cannot_make_an_endless_message() {
    let made =
        Made::default().with(&7_u8).with(&u64::MAX).with(&vec![0_u16; 60_000]).with(&"x".repeat(100_000));
    let limit = made.payload.len() * 16 + SLACK_BYTES + 120_000 * 8;
    for placeholder in ["{0:65535}", "{0:1$}", "{2:65535?}", "{2:#065535x?}", "{0:é<65535}", "{3}", "{3:?}"]
    {
        let template = placeholder.repeat(100_000 / placeholder.len());
        let message = made.message(&template);
        assert!(message.ends_with(CUT), "{placeholder}: {}", message.len());
        assert!(message.len() < limit, "{placeholder}: {}", message.len());
    }
    assert!(!made.message("{3:?}{2:#?}").ends_with(CUT));
}

#[test]
fn a_template_knows_which_fields_it_shows() {
    let template = Template::parse("{2} {0:1$} {9}", 4);
    assert_eq!([0, 1, 2, 3, 9].map(|field| template.shows(field)), [true, false, true, false, false]);
}
