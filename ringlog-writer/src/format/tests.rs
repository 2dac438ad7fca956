//! Exact lines of each format, and a round trip through JSON.

use std::time::Duration;

use proptest::prelude::*;
use ringlog::Level;
use ringlog::reader::{Body, ExitCause, Gap, GapReason, LaneEnd, Origin, OwnedEntry, UncleanExit};
use ringlog::schema::{Element, Type, Value};
use serde_json::{Value as Parsed, json};

use super::Newlines;
use super::samples::{changed, line, notice_line, origin, source, statement, text, typed};
use super::{Format, Json, Raw, Text};

fn text_format() -> Text {
    Text::new(Newlines::Escape)
}

const DROPPED: Body<'_> = Body::Gap(Gap { count: 7, reason: GapReason::Dropped });
const KILLED: ExitCause = ExitCause::Signal { number: 9, has_core: false };

fn lane_ends() -> [LaneEnd; 2] {
    let end = |lane, tid, thread: &str, last_sequence| LaneEnd {
        lane,
        incarnation: 2,
        tid,
        thread: thread.to_owned(),
        last_sequence,
    };
    [end(3, 4711, "", None), end(5, 4712, "a \"b\"", Some(8))]
}

/// One field of every kind.
const FIELDS: &[(&str, Type, Value<'_>)] = &[
    ("ok", Type::Bool, Value::Bool(true)),
    ("order", Type::U64, Value::U64(u64::MAX)),
    ("delta", Type::I32, Value::I64(-5)),
    ("wide", Type::U128, Value::U128(u128::MAX)),
    ("narrow", Type::I128, Value::I128(-1)),
    ("price", Type::F64, Value::F64(9.5)),
    ("whole", Type::F64, Value::F64(9.0)),
    ("nan", Type::F32, Value::F32(f32::NAN)),
    ("side", Type::Char, Value::Char('B')),
    ("venue", Type::FixedBytes(8), Value::Bytes(b"XETR    ")),
    ("note", Type::Str, Value::Text(b"say \"hi\"\n")),
    ("blob", Type::Bytes, Value::Bytes(b"\xff\x00")),
    ("took", Type::Duration, Value::Duration(Duration::from_millis(1500))),
    ("at", Type::Timestamp, Value::Timestamp(1_795_256_130_123_456_789)),
    ("id", Type::Uuid, Value::Uuid([0xab; 16])),
    ("severity", Type::Level, Value::Level(Level::WARN)),
];

#[test]
fn a_text_line() {
    let entry = text(Level::INFO, "orders", "fill of 7 came late");
    assert_eq!(
        line(&mut text_format(), &entry),
        "2026-11-21T10:15:30.123456789Z INFO  orders[4711/worker-2] fill of 7 came late\n"
    );
    let place =
        changed(&mut text_format(), &entry, |record| (record.file, record.line) = ("src/pool/db.rs", 42));
    assert_eq!(
        place,
        "2026-11-21T10:15:30.123456789Z INFO  orders[4711/worker-2] db.rs:42 fill of 7 came late\n"
    );
    let cut = changed(&mut text_format(), &entry, |record| record.cut = true);
    assert_eq!(cut, "2026-11-21T10:15:30.123456789Z INFO  orders[4711/worker-2] fill of 7 came late [cut]\n");
}

#[test]
fn a_text_line_without_a_logger_or_a_message() {
    let line = line(&mut text_format(), &text(Level::CRITICAL, "", ""));
    assert_eq!(line, "2026-11-21T10:15:30.123456789Z CRITICAL shop[4711/worker-2]\n");
}

#[test]
fn a_typed_record_in_text() {
    let line = line(&mut text_format(), &typed("", FIELDS));
    assert_eq!(
        line,
        "2026-11-21T10:15:30.123456789Z INFO  orders[4711/worker-2] \
         ok=true order=18446744073709551615 delta=-5 wide=340282366920938463463374607431768211455 narrow=-1 \
         price=9.5 whole=9 nan=NaN side=B venue=\"XETR    \" note=\"say \\\"hi\\\"\\n\" blob=\"\\xff\\x00\" \
         took=1.5s at=2026-11-21T10:15:30.123456789Z id=abababab-abab-abab-abab-abababababab severity=WARN\n"
    );
    let fields = &[("order", Type::U8, Value::U64(7)), ("a key", Type::Str, Value::Text(b""))];
    let line = super::samples::line(&mut text_format(), &typed("late fill", fields));
    assert_eq!(
        line,
        "2026-11-21T10:15:30.123456789Z INFO  orders[4711/worker-2] late fill order=7 \"a key\"=\"\"\n"
    );
}

#[test]
fn no_record_forges_a_text_line() {
    let forged = "ok\n2026-11-21T10:15:30.123456789Z ERROR other[1/x] forged";
    for newlines in [Newlines::Escape, Newlines::Indent] {
        let line = line(&mut Text::new(newlines), &text(Level::INFO, "a\nb\x1b[m", forged));
        assert_eq!(line.lines().filter(|line| line.starts_with("2026")).count(), 1, "{line}");
        assert!(line.contains(r" a\nb\x1b[m[4711/worker-2] ok"), "{line}");
    }
}

#[test]
fn a_gap_is_a_line_of_its_own() {
    let line = notice_line(&mut text_format(), DROPPED, &origin());
    assert_eq!(
        line,
        "2026-11-21T10:15:30.123456789Z WARN  ringlog[4711/worker-2] 7 records dropped here: the ring was full; a \
         larger --size, or --overflow block with a longer time, loses less\n"
    );
    let mut no_lane = origin();
    no_lane.lane = u32::MAX;
    let line = notice_line(&mut text_format(), DROPPED, &no_lane);
    assert!(line.contains(" WARN  ringlog[no lane] 7 records dropped here"), "{line}");
    assert_eq!(notice_line(&mut Raw::default(), DROPPED, &no_lane), "");
    assert_eq!(
        notice_line(&mut Json::new(&source("app")), DROPPED, &no_lane),
        "{\"time\":\"2026-11-21T10:15:30.123456789Z\",\"level\":\"WARN\",\"level_number\":30,\
         \"logger\":\"ringlog\",\"ring\":\"app\",\"uuid\":\"6f1c0a52-0000-4000-8000-00000000cafe\",\
         \"gap\":{\"count\":7,\"reason\":\"dropped\"},\
         \"message\":\"7 records dropped here: the ring was full; a larger --size, or --overflow block with a longer \
         time, loses less\"}\n"
    );
    let line: Parsed =
        serde_json::from_str(&notice_line(&mut Json::new(&source("app")), DROPPED, &origin())).unwrap();
    assert_eq!((&line["lane"], &line["incarnation"], &line["pid"]), (&json!(3), &json!(2), &json!(4711)));
}

#[test]
fn an_unclean_exit_is_a_line_of_its_own() {
    let lanes = lane_ends();
    let exit = |cause| Body::UncleanExit(UncleanExit { cause, lanes: &lanes });
    let words = "process shop (pid 4711) was killed by signal 9 (SIGKILL)";
    assert_eq!(
        notice_line(&mut text_format(), exit(KILLED), &origin()),
        format!("2026-11-21T10:15:30.123456789Z WARN  ringlog[4711/worker-2] {words}\n")
    );
    assert_eq!(
        notice_line(&mut Json::new(&source("app")), exit(KILLED), &origin()),
        format!(
            "{{\"time\":\"2026-11-21T10:15:30.123456789Z\",\"level\":\"WARN\",\"level_number\":30,\
             \"logger\":\"ringlog\",\"ring\":\"app\",\"uuid\":\"6f1c0a52-0000-4000-8000-00000000cafe\",\
             \"pid\":4711,\"tid\":4712,\"thread\":\"worker-2\",\"process\":\"shop\",\"lane\":3,\"incarnation\":2,\
             \"died\":{{\"cause\":\"signal\",\"signal\":9,\"core\":false,\"lanes\":[\
             {{\"lane\":3,\"incarnation\":2,\"tid\":4711,\"thread\":\"\",\"last_sequence\":null}},\
             {{\"lane\":5,\"incarnation\":2,\"tid\":4712,\"thread\":\"a \\\"b\\\"\",\"last_sequence\":8}}]}},\
             \"message\":\"{words}\"}}\n"
        )
    );
    for (cause, level, members) in [
        (ExitCause::Status(3), "INFO", "\"cause\":\"status\",\"status\":3,"),
        (ExitCause::Exec, "INFO", "\"cause\":\"exec\","),
        (ExitCause::Unknown, "WARN", "\"cause\":\"unknown\","),
    ] {
        let json = notice_line(&mut Json::new(&source("app")), exit(cause), &origin());
        assert!(json.contains(&format!(",\"died\":{{{members}\"lanes\":[")), "{json}");
        let parsed: Parsed = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["level"], json!(level));
        assert!(
            notice_line(&mut text_format(), exit(cause), &origin()).contains(&format!(" {level:<5} ringlog"))
        );
    }
    // A process may choose any name.
    let mut forger = origin();
    forger.process = "x\n2026-11-21T10:15:30.123456789Z INFO".to_owned();
    assert_eq!(notice_line(&mut text_format(), exit(KILLED), &forger).matches('\n').count(), 1);
    assert_eq!(notice_line(&mut Raw::default(), exit(KILLED), &origin()), "");
}

#[test]
fn a_text_line_with_an_id() {
    let mut format = text_format().with_ids(&source("app"));
    let id = "2026-11-21T10:15:30.123456789Z 6f1c0a52-0000-4000-8000-00000000cafe";
    let entry = text(Level::INFO, "orders", "late");
    assert_eq!(line(&mut format, &entry), format!("{id}/3/2/9 INFO  orders[4711/worker-2] late\n"));
    let mut starts = |body: Body<'_>, origin: &Origin| {
        let line = notice_line(&mut format, body, origin);
        line.split(" WARN ").next().unwrap().to_owned()
    };
    assert_eq!(starts(DROPPED, &origin()), format!("{id}/3/2/gap:dropped:7"));
    let mut no_lane = origin();
    no_lane.lane = u32::MAX;
    assert_eq!(starts(DROPPED, &no_lane), format!("{id}/-/-/gap:dropped:7"));
    let lanes = lane_ends();
    let exit = |lanes| Body::UncleanExit(UncleanExit { cause: KILLED, lanes });
    assert_eq!(starts(exit(&lanes), &origin()), format!("{id}/3/2/died:3/2:-,5/2:8"));
    assert_eq!(starts(exit(&[]), &origin()), format!("{id}/3/2/died:-"));
}

#[test]
fn a_json_line() {
    let entry = text(Level::INFO, "orders", "say \"hi\"\n\x1b");
    let line = changed(&mut Json::new(&source("a\"pp")), &entry, |record| {
        (record.file, record.line) = ("src/db.rs", 42);
        (record.module, record.function, record.cut) = ("shop::db", "fill", true);
    });
    assert_eq!(
        line,
        "{\"time\":\"2026-11-21T10:15:30.123456789Z\",\"level\":\"INFO\",\"level_number\":20,\
         \"logger\":\"orders\",\"ring\":\"a\\\"pp\",\
         \"uuid\":\"6f1c0a52-0000-4000-8000-00000000cafe\",\"pid\":4711,\"tid\":4712,\"thread\":\"worker-2\",\
         \"process\":\"shop\",\"lane\":3,\"incarnation\":2,\"sequence\":9,\"file\":\"src/db.rs\",\"line\":42,\
         \"module\":\"shop::db\",\"function\":\"fill\",\"message\":\"say \\\"hi\\\"\\n\\u001b\",\"cut\":true}\n"
    );
}

#[test]
fn every_type_has_its_own_in_json() {
    let line: Parsed =
        serde_json::from_str(&line(&mut Json::new(&source("app")), &typed("late fill", FIELDS))).unwrap();
    assert_eq!(line["message"], "late fill");
    assert_eq!(
        line["fields"],
        json!({
            "ok": true,
            "order": u64::MAX,
            "delta": -5,
            "wide": u128::MAX.to_string(),
            "narrow": -1,
            "price": 9.5,
            "whole": 9.0,
            "nan": "NaN",
            "side": "B",
            "venue": "XETR    ",
            "note": "say \"hi\"\n",
            "blob": { "base64": "/wA=" },
            "took": 1.5,
            "at": "2026-11-21T10:15:30.123456789Z",
            "id": "abababab-abab-abab-abab-abababababab",
            "severity": "WARN",
        })
    );
}

#[test]
fn attributes_in_json_are_apart_from_fields() {
    let record = statement(
        "{0}",
        &[
            ("", Type::Str, Value::Text(b"hi")),
            ("user", Type::Str, Value::Text(b"eve")),
            ("ringlog.created", Type::F64, Value::F64(1000.25)),
            ("ringlog.threadName", Type::Str, Value::Text(b"fetch \"1\"")),
        ],
    );
    let line = line(&mut Json::new(&source("app")), &record);
    let parsed: Parsed = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed["attributes"], json!({ "created": 1000.25, "threadName": "fetch \"1\"" }));
    assert_eq!(parsed["fields"], json!({ "user": "eve" }));
    assert_eq!(
        self::line(&mut text_format(), &record).matches("fetch").count(),
        0,
        "text shows no attributes"
    );
}

#[test]
fn json_keeps_bytes_that_are_not_utf8() {
    let line: Parsed =
        serde_json::from_str(&line(&mut Json::new(&source("app")), &text(Level::INFO, "", b"\xffok")))
            .unwrap();
    assert_eq!(line["message_base64"], "/29r");
    assert!(line.get("message").is_none());
}

/// A statement with an unnamed width, an error, and fields inside and outside its message.
fn late_fill() -> OwnedEntry {
    let of = |ty| Element::new(ty).unwrap();
    let (seven, ports) = (Value::U64(7), [Value::U64(80), Value::U64(443)]);
    statement(
        "order {0} {{late}}: {1:>2$.1} for {3:?}",
        &[
            ("order", Type::U32, Value::U64(7)),
            ("price", Type::F64, Value::F64(9.55)),
            ("", Type::U64, Value::U64(6)),
            ("", Type::Str, Value::Text(b"eve\n\x1b")),
            ("venue", Type::Formatted, Value::Text(b"XETR 2")),
            ("retry", Type::Option(of(Type::U8)), Value::Option(Some(&seven).into())),
            ("none", Type::Option(of(Type::Str)), Value::Option(None.into())),
            ("ports", Type::List(of(Type::U16)), Value::List(ports[..].into())),
            (
                "names",
                Type::List(of(Type::Str)),
                Value::List([Value::Text(b"a b"), Value::Text(b"")][..].into()),
            ),
            ("err", Type::Error, Value::Error(b"no route\ncaused by: \x1b[m")),
        ],
    )
}

const LATE_FILL: &str = "2026-11-21T10:15:30.123456789Z INFO  orders[4711/worker-2] \
    order 7 {late}:    9.6 for \"eve\\n\\u{1b}\" \
    venue=\"XETR 2\" retry=7 none=None ports=[80,443] names=[\"a b\",\"\"]";

#[test]
fn a_statement_in_text_says_each_thing_once() {
    let entry = late_fill();
    let expected = format!("{LATE_FILL} err=\"no route\\ncaused by: \\x1b[m\"\n");
    assert_eq!(line(&mut text_format(), &entry), expected);
    let shown = statement(
        "{0} failed: {1}",
        &[("n", Type::U8, Value::U64(7)), ("err", Type::Error, Value::Error(b"e"))],
    );
    for newlines in [Newlines::Escape, Newlines::Indent, Newlines::Raw] {
        assert!(line(&mut Text::new(newlines), &shown).ends_with("[4711/worker-2] 7 failed: e\n"));
    }
}

#[test]
fn an_error_has_its_own_lines_where_a_record_may() {
    let cut = |newlines| changed(&mut Text::new(newlines), &late_fill(), |record| record.cut = true);
    let indented = "\n    err: no route\n    caused by: \\x1b[m\n";
    assert_eq!(cut(Newlines::Indent), format!("{LATE_FILL} [cut]{indented}"));
    assert_eq!(cut(Newlines::Raw), format!("{LATE_FILL} [cut]{}", indented.replace("    ", "")));
}

#[test]
fn a_statement_in_json_has_message_and_fields() {
    let line: Parsed = serde_json::from_str(&line(&mut Json::new(&source("app")), &late_fill())).unwrap();
    assert_eq!(line["message"], "order 7 {late}:    9.6 for \"eve\\n\\u{1b}\"");
    assert_eq!(
        line["fields"],
        json!({
            "order": 7,
            "price": 9.55,
            "venue": "XETR 2",
            "retry": 7,
            "none": null,
            "ports": [80, 443],
            "names": ["a b", ""],
            "err": "no route\ncaused by: \u{1b}[m",
        })
    );
}

#[test]
fn messages_are_not_mixed_up_with_the_ones_before() {
    let long = statement("{0}{0}", &[("", Type::Str, Value::Text(&[b'x'; 500]))]);
    let (mut in_text, mut in_json, mut raw) = (text_format(), Json::new(&source("app")), Raw::default());
    for entry in [&long, &late_fill(), &text(Level::INFO, "", "plain"), &long, &late_fill()] {
        assert_eq!(line(&mut in_text, entry), line(&mut text_format(), entry));
        assert_eq!(line(&mut in_json, entry), line(&mut Json::new(&source("app")), entry));
        assert_eq!(line(&mut raw, entry), line(&mut Raw::default(), entry));
    }
}

#[test]
fn durations_in_json_are_seconds() {
    let seconds = |took| {
        let entry = typed("", &[("took", Type::Duration, Value::Duration(took))]);
        line(&mut Json::new(&source("app")), &entry).split_once("\"took\":").unwrap().1.to_owned()
    };
    assert_eq!(seconds(Duration::ZERO), "0}}\n");
    assert_eq!(seconds(Duration::from_secs(100)), "100}}\n");
    assert_eq!(seconds(Duration::from_nanos(10)), "0.00000001}}\n");
}

#[test]
fn raw_is_the_bytes_that_went_in() {
    let mut out = Vec::new();
    let message = b"\x1b[0m\xff\0 \\ \r";
    Raw::default().entry(&text(Level::INFO, "orders", message).entry(), &mut out);
    assert_eq!(out, [&message[..], b"\n"].concat());
    let fields = &[("order", Type::U8, Value::U64(7)), ("venue", Type::Str, Value::Text(b"X"))];
    assert_eq!(line(&mut Raw::default(), &typed("", fields)), "order=7 venue=X\n");
    assert_eq!(line(&mut Raw::default(), &typed("late", fields)), "late order=7 venue=X\n");
    assert_eq!(line(&mut Raw::default(), &statement("{0} late", fields)), "7 late\n");
}

#[test]
fn what_is_kept_of_one_line_is_never_used_for_another() {
    // More sites than the cache holds, each twice, and names too long for it.
    let len = |i: usize| if i.is_multiple_of(50) { 2000 + i } else { i % 7 };
    let names: Vec<&'static str> = (0..600).map(|i| &*format!("{}{i}", "x".repeat(len(i))).leak()).collect();
    let (mut kept, entry) = (text_format(), text(Level::INFO, "", "m"));
    let mut kept_json = Json::new(&source("app"));
    for name in names.iter().chain(&names) {
        let with = |format: &mut dyn Format| {
            changed(format, &entry, |record| (record.file, record.line) = (*name, name.len() as u32))
        };
        assert_eq!(with(&mut kept), with(&mut text_format()));
        assert_eq!(with(&mut kept_json), with(&mut Json::new(&source("app"))));
    }
}

/// A value of any type, and its expected JSON.
fn any_value() -> impl Strategy<Value = (Type, Value<'static>, Parsed)> {
    let leak = |bytes: Vec<u8>| -> &'static [u8] { bytes.leak() };
    let float = |v: f64| if v.is_finite() { json!(v) } else { json!(v.to_string()) };
    prop_oneof![
        any::<bool>().prop_map(|v| (Type::Bool, Value::Bool(v), json!(v))),
        any::<u64>().prop_map(|v| (Type::U64, Value::U64(v), json!(v))),
        any::<i64>().prop_map(|v| (Type::I64, Value::I64(v), json!(v))),
        any::<u64>().prop_map(|v| (Type::U128, Value::U128(v.into()), json!(v))),
        any::<i64>().prop_map(|v| {
            let wide = i128::from(v) << 64;
            (Type::I128, Value::I128(wide), if v == 0 { json!(0) } else { json!(wide.to_string()) })
        }),
        any::<f64>().prop_map(move |v| (Type::F64, Value::F64(v), float(v))),
        any::<char>().prop_map(|v| (Type::Char, Value::Char(v), json!(v))),
        any::<String>().prop_map(move |v| (Type::Str, Value::Text(leak(v.clone().into())), json!(v))),
        any::<Vec<u8>>().prop_map(move |v| {
            let expected = match String::from_utf8(v.clone()) {
                Ok(text) => json!(text),
                Err(_) => json!({ "base64": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &v) }),
            };
            (Type::Bytes, Value::Bytes(leak(v)), expected)
        }),
    ]
}

proptest! {
    // A case creates rings, so there are few.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn json_gives_back_what_went_in(
        fields in prop::collection::btree_map("[^\0]{0,9}", any_value(), 1..8),
        message: String,
        logger: String,
    ) {
        let names: Vec<&'static str> = fields.keys().map(|name| &*name.clone().leak()).collect();
        let values = names.iter().zip(fields.values());
        let values: Vec<_> = values.map(|(name, (ty, value, _))| (*name, *ty, *value)).collect();
        let line = line(&mut Json::new(&source("app")), &typed(message.clone().leak(), &values));
        prop_assert_eq!(line.matches('\n').count(), 1);
        let parsed: Parsed = serde_json::from_str(&line).unwrap();
        for (name, (_, _, expected)) in &fields {
            let found = &parsed["fields"][name];
            match (found.as_f64(), expected.as_f64()) {
                // The default reader of serde_json may be off by one in the last place.
                (Some(found), Some(expected)) => {
                    prop_assert!((found - expected).abs() <= expected.abs() * 1e-15);
                }
                _ => prop_assert_eq!(found, expected),
            }
        }
        if !message.is_empty() {
            prop_assert_eq!(&parsed["message"], &json!(message));
        }
        let line = super::samples::line(&mut Json::new(&source("app")), &text(Level::INFO, &logger, &message));
        let parsed: Parsed = serde_json::from_str(&line).unwrap();
        prop_assert_eq!((&parsed["logger"], &parsed["message"]), (&json!(logger), &json!(message)));
    }
}
