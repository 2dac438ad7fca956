//! Lines for people:
//! `2026-11-21T10:15:30.123456789Z INFO  orders[4711/worker-2] db.rs:42 message key=value`.

use ringlog::reader::{Body, Entry, Origin, Received};
use ringlog::schema::Value;

use super::kind::Newlines;
use super::prefix::PrefixCache;
use super::put::{list, put};
use super::time::{self, Stamps};
use super::traits::{Format, RingIdentity};
use super::{escape, id, number};

/// Time, level, logger with process and thread, place in the source, message, and the fields that the message does not
/// show. Characters that a terminal acts on are escaped. A cut record ends with ` [cut]`. Gaps and deaths have lines of
/// their own. Unless newlines are escaped, errors follow in lines of their own.
#[derive(Clone, Debug)]
pub struct Text {
    newlines: Newlines,
    stamps: Stamps,
    prefixes: PrefixCache,
    /// Scratch memory for messages.
    scratch: Vec<u8>,
    /// The ring's UUID, if lines have ids.
    uuid: Option<String>,
}

impl Text {
    /// A format with this policy for newlines within messages.
    pub fn new(newlines: Newlines) -> Text {
        Text {
            newlines,
            stamps: Stamps::new(),
            prefixes: PrefixCache::new(),
            scratch: Vec::new(),
            uuid: None,
        }
    }

    /// Adds the record's id after each time, by which `ringlog verify` finds missing records:
    /// `UUID/LANE/INCARNATION/SEQUENCE`.
    #[must_use]
    pub fn with_ids(self, source: &RingIdentity) -> Text {
        Text { uuid: Some(source.uuid.clone()), ..self }
    }
}

impl Format for Text {
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        self.stamps.write(entry.unix_ns, out);
        if let Some(uuid) = &self.uuid {
            id::write(uuid, entry, out);
        }
        match &entry.body {
            Body::Record(record) => {
                let (head, _) = self.prefixes.of(entry, record, |out| head(record, entry.origin, out));
                out.extend_from_slice(head);
                if let Some(text) = record.text_in(&mut self.scratch).filter(|text| !text.is_empty()) {
                    out.push(b' ');
                    escape::message(text, self.newlines, out);
                }
                fields(record, b" ", self.newlines, out);
                if record.cut {
                    out.extend_from_slice(b" [cut]");
                }
                if self.newlines != Newlines::Escape {
                    errors(record, self.newlines, out);
                }
            }
            // Gaps, unclean exits, and entries of kinds that this version does not know.
            _ => {
                put(out, format_args!(" {:<5} ringlog", entry.level()));
                self::origin(entry.origin, out);
                out.push(b' ');
                escape::message(entry.message().as_bytes(), Newlines::Escape, out);
            }
        }
        out.push(b'\n');
    }
}

/// ` INFO  orders[4711/worker-2] db.rs:42`
fn head(record: &Received<'_>, origin: &Origin, out: &mut Vec<u8>) -> usize {
    put(out, format_args!(" {:<5} ", record.level));
    let logger = if record.logger.is_empty() { &*origin.process } else { record.logger };
    escape::name(logger.as_bytes(), out);
    self::origin(origin, out);
    if !record.file.is_empty() {
        let file = record.file.rsplit('/').next().unwrap_or(record.file);
        out.push(b' ');
        escape::name(file.as_bytes(), out);
        put(out, format_args!(":{}", record.line));
    }
    out.len()
}

/// `[4711/worker-2]`
fn origin(origin: &Origin, out: &mut Vec<u8>) {
    if !origin.is_known() {
        return out.extend_from_slice(b"[no lane]");
    }
    put(out, format_args!("[{}/", origin.pid));
    if origin.thread.is_empty() {
        number::integer(origin.tid, out);
    } else {
        escape::name(origin.thread.as_bytes(), out);
    }
    out.push(b']');
}

/// Appends the fields that the message does not show as `key=value`, the first after `separator`, the others after a
/// space. Includes errors only if newlines are escaped; otherwise they have lines of their own.
#[inline]
pub(super) fn fields(record: &Received<'_>, mut separator: &[u8], newlines: Newlines, out: &mut Vec<u8>) {
    for (key, value) in record.extra_fields() {
        if matches!(value, Value::Error(_)) && newlines != Newlines::Escape {
            continue;
        }
        out.extend_from_slice(separator);
        separator = b" ";
        escape::value(key.as_bytes(), out);
        out.push(b'=');
        self::value(&value, out);
    }
}

/// Appends the errors that the message does not show, each in lines of its own.
fn errors(record: &Received<'_>, newlines: Newlines, out: &mut Vec<u8>) {
    for (key, value) in record.extra_fields() {
        let Value::Error(text) = value else { continue };
        escape::message(b"\n", newlines, out);
        escape::name(key.as_bytes(), out);
        out.extend_from_slice(b": ");
        escape::message(text, newlines, out);
    }
}

#[inline]
fn value(value: &Value<'_>, out: &mut Vec<u8>) {
    match *value {
        Value::Bool(_)
        | Value::U64(_)
        | Value::I64(_)
        | Value::U128(_)
        | Value::I128(_)
        | Value::F32(_)
        | Value::F64(_) => value.append_to(out),
        Value::Char(v) => escape::value(v.encode_utf8(&mut [0; 4]).as_bytes(), out),
        Value::Text(v) | Value::Bytes(v) | Value::Error(v) => escape::value(v, out),
        Value::Timestamp(v) => time::write(v, out),
        Value::Unknown(v) => escape::value(v, out),
        Value::Option(v) => match v.get() {
            Some(v) => self::value(&v, out),
            None => out.extend_from_slice(b"None"),
        },
        Value::List(v) => list(v.iter(), out, self::value),
        _ => put(out, format_args!("{value}")),
    }
}
