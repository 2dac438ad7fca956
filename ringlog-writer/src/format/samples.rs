//! Entries for the tests of formats. Entries exist only in a ring.

use std::sync::LazyLock;

use ringlog::reader::{Body, Entry, Origin, OwnedEntry, Received};
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Logger, Ring};

use super::{Format, RingIdentity};

/// 2026-11-21T10:15:30.123456789Z
pub(super) const UNIX_NS: u64 = 1_795_256_130_123_456_789;

/// The entries that `push` logs, as a reader gets them.
pub(super) fn logged(push: impl FnOnce(&Logger)) -> Vec<OwnedEntry> {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let name = dir.path().join("app");
    let ring = Ring::options().size("256KiB").create(name.to_str().unwrap()).unwrap();
    push(&ring.logger());
    ring.observe().unwrap().into_iter().collect()
}

pub(super) fn text(level: Level, logger: &str, message: impl AsRef<[u8]>) -> OwnedEntry {
    logged(|log| log.text(level, logger, message).unwrap()).remove(0)
}

/// A typed record of a site in `src/db.rs`.
pub(super) fn typed(text: &'static str, fields: &[(&'static str, Type, Value<'_>)]) -> OwnedEntry {
    defined(text, false, fields)
}

/// A log statement there: its message is put together by the template.
pub(super) fn statement(template: &'static str, fields: &[(&'static str, Type, Value<'_>)]) -> OwnedEntry {
    defined(template, true, fields)
}

fn defined(text: &'static str, template: bool, fields: &[(&'static str, Type, Value<'_>)]) -> OwnedEntry {
    let definition = Definition {
        text: text.into(),
        template,
        fields: fields.iter().map(|(name, ty, _)| Field::new(name, *ty)).collect(),
        ..Definition::new(Level::INFO, "orders")
    };
    let site = Site::new(definition);
    let values: Vec<Value<'_>> = fields.iter().map(|(_, _, value)| *value).collect();
    logged(|log| log.values(&site, &values).unwrap()).remove(0)
}

/// The origin of the lines in tests.
pub(super) fn origin() -> Origin {
    static ORIGIN: LazyLock<Origin> = LazyLock::new(|| {
        let mut origin = text(Level::INFO, "", "").entry().origin.clone();
        (origin.lane, origin.incarnation) = (3, 2);
        (origin.pid, origin.tid) = (4711, 4712);
        (origin.thread, origin.process) = ("worker-2".to_owned(), "shop".to_owned());
        origin
    });
    ORIGIN.clone()
}

/// The line for an entry, as if it came from [`origin`] at [`UNIX_NS`] and was changed by `change`.
pub(super) fn changed(
    format: &mut dyn Format,
    entry: &OwnedEntry,
    change: impl FnOnce(&mut Received<'_>),
) -> String {
    let entry = entry.entry();
    let mut record = *entry.record().unwrap();
    record.sequence = 9;
    change(&mut record);
    let mut out = Vec::new();
    format.entry(&Entry { unix_ns: UNIX_NS, origin: &origin(), body: Body::Record(record) }, &mut out);
    String::from_utf8(out).unwrap()
}

pub(super) fn line(format: &mut dyn Format, entry: &OwnedEntry) -> String {
    changed(format, entry, |_| ())
}

pub(super) fn notice_line(format: &mut dyn Format, body: Body<'_>, origin: &Origin) -> String {
    let mut out = Vec::new();
    format.entry(&Entry { unix_ns: UNIX_NS, origin, body }, &mut out);
    String::from_utf8(out).unwrap()
}

pub(super) fn source(name: &str) -> RingIdentity {
    RingIdentity {
        created_unix_ns: 0,
        name: name.to_owned(),
        uuid: "6f1c0a52-0000-4000-8000-00000000cafe".to_owned(),
    }
}
