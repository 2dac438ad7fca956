//! One JSON object a line. Written by hand: a general serializer takes longer to set up than this takes for a record.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use ringlog::Level;
use ringlog::reader::{Body, Entry, ExitCause, LaneEnd, Origin, Received, UncleanExit};
use ringlog::schema::Value;

use super::prefix::PrefixCache;
use super::put::{list, put};
use super::time::{self, Stamps};
use super::traits::{Format, RingIdentity};
use super::{escape, number};

/// A record as a JSON object; every value has its own JSON type.
///
/// `time`, `level`, `level_number`, `logger`, `ring`, `uuid`, `pid`, `tid`, `thread`, `process`, `lane`,
/// `incarnation` and `sequence` are always present. `uuid` is the ring's; with `lane`, `incarnation` and `sequence` it
/// identifies a record permanently.
/// `file`, `line`, `module` and `function` are present if they are known; `message` (or
/// `message_base64`, where it is not UTF-8) where the record has a text; `fields` where it has fields,
/// under names that cannot collide with these; `attributes` where the record comes from another logging system and
/// brings its own names and times (`threadName`, `created`); `cut` is `true` where the text was cut.
///
/// A field's value is a boolean, number or string, an array of these, or `null` where it is absent.
/// Integers beyond 64 bits, infinities and NaN are strings. Time spans are numbers of seconds, times are strings as
/// in RFC 3339, and bytes that are not UTF-8 are `{"base64": …}`. Instead of a sequence, a gap has `gap` with `count`
/// and `reason`. An unclean exit of a process has `died`, with the `cause` (`signal`, `status`, `exec` or `unknown`),
/// the number of the `signal` and whether there is a `core`, or the `status`; and with the `lanes` that the process
/// left open: `lane`, `incarnation`, `tid`, `thread` and `last_sequence`, which is `null` if the owner published
/// nothing.
#[derive(Clone, Debug)]
pub struct Json {
    /// The ring's name and UUID, escaped for JSON.
    ring: Vec<u8>,
    stamps: Stamps,
    prefixes: PrefixCache,
    /// Scratch memory for messages.
    scratch: Vec<u8>,
}

impl Json {
    /// The format for this ring.
    pub fn new(source: &RingIdentity) -> Json {
        let mut ring = Vec::new();
        escape::json(&source.name, &mut ring);
        ring.extend_from_slice(b"\",\"uuid\":\"");
        escape::json(&source.uuid, &mut ring);
        Json { ring, stamps: Stamps::new(), prefixes: PrefixCache::new(), scratch: Vec::new() }
    }
}

impl Format for Json {
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        self.stamps.write(entry.unix_ns, out);
        let ring = &self.ring;
        match &entry.body {
            Body::Record(record) => {
                let (head, place) =
                    self.prefixes.of(entry, record, |out| head(record, entry.origin, ring, out));
                out.extend_from_slice(head);
                number::integer(record.sequence, out);
                out.extend_from_slice(place);
                self::record(record, &mut self.scratch, out);
            }
            other => {
                level_and_origin(entry.level(), "ringlog", entry.origin, ring, out);
                notice(other, out);
                string_member("message", &entry.message(), out);
            }
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Appends the members from the level to the sequence, and those after the sequence. Returns the offset of the latter.
fn head(record: &Received<'_>, origin: &Origin, ring: &[u8], out: &mut Vec<u8>) -> usize {
    level_and_origin(record.level, record.logger, origin, ring, out);
    out.extend_from_slice(b",\"sequence\":");
    let split = out.len();
    for (name, text) in [("file", record.file), ("module", record.module), ("function", record.function)] {
        if !text.is_empty() {
            string_member(name, text, out);
        }
        if name == "file" && record.line != 0 {
            put(out, format_args!(",\"line\":{}", record.line));
        }
    }
    split
}

/// Appends level, logger, ring and origin.
fn level_and_origin(level: Level, logger: &str, origin: &Origin, ring: &[u8], out: &mut Vec<u8>) {
    put(out, format_args!("\",\"level\":\"{level}\",\"level_number\":{}", level.number()));
    string_member("logger", logger, out);
    out.extend_from_slice(b",\"ring\":\"");
    out.extend_from_slice(ring);
    out.push(b'"');
    if origin.is_known() {
        put(out, format_args!(",\"pid\":{},\"tid\":{}", origin.pid, origin.tid));
        string_member("thread", &origin.thread, out);
        string_member("process", &origin.process, out);
        put(out, format_args!(",\"lane\":{},\"incarnation\":{}", origin.lane, origin.incarnation));
    }
}

fn record(record: &Received<'_>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    if let Some(text) = record.text_in(scratch) {
        match str::from_utf8(text) {
            Ok(text) => string_member("message", text, out),
            Err(_) => {
                put(out, format_args!(",\"message_base64\":\"{}\"", Base64Display::new(text, &STANDARD)))
            }
        }
    }
    object("attributes", record.attributes(), out);
    object("fields", record.fields(), out);
    if record.cut {
        out.extend_from_slice(b",\"cut\":true");
    }
}

/// Appends a member with these members, unless there are none.
#[inline]
fn object<'a>(name: &str, members: impl Iterator<Item = (&'a str, Value<'a>)>, out: &mut Vec<u8>) {
    let mut is_open = false;
    for (key, value) in members {
        if is_open {
            out.extend_from_slice(b",\"");
        } else {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":{\"");
            is_open = true;
        }
        escape::json(key, out);
        out.extend_from_slice(b"\":");
        self::value(&value, out);
    }
    if is_open {
        out.push(b'}');
    }
}

/// Appends the member that a gap or an unclean exit has instead of a sequence.
fn notice(body: &Body<'_>, out: &mut Vec<u8>) {
    match body {
        Body::Gap(gap) => {
            let (count, reason) = (gap.count, gap.reason.name());
            put(out, format_args!(",\"gap\":{{\"count\":{count},\"reason\":\"{reason}\"}}"));
        }
        Body::UncleanExit(exit) => died(exit, out),
        // A kind of entry that this version does not know.
        _ => {}
    }
}

fn died(exit: &UncleanExit<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"died\":{\"cause\":\"");
    match exit.cause {
        ExitCause::Signal { number, has_core } => {
            put(out, format_args!("signal\",\"signal\":{number},\"core\":{has_core}"));
        }
        ExitCause::Status(status) => put(out, format_args!("status\",\"status\":{status}")),
        ExitCause::Exec => out.extend_from_slice(b"exec\""),
        // The last one, or one that this version does not know.
        _ => out.extend_from_slice(b"unknown\""),
    }
    out.extend_from_slice(b",\"lanes\":[");
    for (number, LaneEnd { lane, incarnation, tid, thread, last_sequence }) in exit.lanes.iter().enumerate() {
        let separator = if number == 0 { "" } else { "," };
        put(out, format_args!("{separator}{{\"lane\":{lane},\"incarnation\":{incarnation},\"tid\":{tid}"));
        string_member("thread", thread, out);
        match last_sequence {
            Some(last) => put(out, format_args!(",\"last_sequence\":{last}}}")),
            None => out.extend_from_slice(b",\"last_sequence\":null}"),
        }
    }
    out.extend_from_slice(b"]}");
}

fn value(value: &Value<'_>, out: &mut Vec<u8>) {
    match *value {
        Value::Bool(v) => out.extend_from_slice(if v { b"true" } else { b"false" }),
        Value::U64(v) => number::integer(v, out),
        Value::I64(v) => number::integer(v, out),
        Value::U128(v) => number::json_wide(v, u64::try_from(v).is_ok(), out),
        Value::I128(v) => number::json_wide(v, i64::try_from(v).is_ok() || u64::try_from(v).is_ok(), out),
        Value::F32(v) => number::json_float(v, v.is_finite(), out),
        Value::F64(v) => number::json_float(v, v.is_finite(), out),
        Value::Char(v) => string(v.encode_utf8(&mut [0; 4]), out),
        Value::Text(v) | Value::Bytes(v) | Value::Error(v) => match str::from_utf8(v) {
            Ok(text) => string(text, out),
            Err(_) => bytes(v, out),
        },
        Value::Unknown(v) => bytes(v, out),
        Value::Duration(v) => {
            put(out, format_args!("{}.{:09}", v.as_secs(), v.subsec_nanos()));
            let zeros = out.iter().rev().take_while(|digit| **digit == b'0').count();
            out.truncate(out.len() - zeros);
            if out.last() == Some(&b'.') {
                out.pop();
            }
        }
        Value::Option(v) => match v.get() {
            Some(v) => self::value(&v, out),
            None => out.extend_from_slice(b"null"),
        },
        Value::List(v) => list(v.iter(), out, self::value),
        Value::Timestamp(v) => {
            out.push(b'"');
            time::write(v, out);
            out.push(b'"');
        }
        // Addresses, UUIDs and levels need no escape; future kinds of values might.
        _ => string(&value.to_string(), out),
    }
}

/// `,"name":"text"`
fn string_member(name: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    string(text, out);
}

#[inline]
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape::json(text, out);
    out.push(b'"');
}

fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put(out, format_args!("{{\"base64\":\"{}\"}}", Base64Display::new(bytes, &STANDARD)));
}
