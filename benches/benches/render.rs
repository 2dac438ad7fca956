//! The cost of formatting a message and writing its line, compared with `format!` with the same arguments.

use std::hint::black_box;

use jiff::tz::TimeZone;
use ringlog::reader::OwnedEntry;
use ringlog::schema::{Definition, Element, Field, Site, Type, Value};
use ringlog::{Level, Ring};
use ringlog_benches::{BURST, Candidate, measure};
use ringlog_writer::Newlines;
use ringlog_writer::format::{Format, Json, Pattern, RingIdentity, Text};

/// The record of a statement with this template, as a reader gets it.
fn entry(template: &'static str, fields: &[(&'static str, Type, Value<'_>)]) -> OwnedEntry {
    let definition = Definition {
        text: template.into(),
        template: true,
        file: "src/orders.rs".into(),
        line: 17,
        fields: fields.iter().map(|(name, ty, _)| Field::new(name, *ty)).collect(),
        ..Definition::new(Level::INFO, "orders")
    };
    let values: Vec<Value<'_>> = fields.iter().map(|(.., value)| *value).collect();
    let dir = tempfile::tempdir_in("/dev/shm").expect("there is shared memory");
    let name = dir.path().join("render");
    let ring = Ring::options().size("256KiB").create(&name.to_string_lossy()).expect("a fresh name");
    ring.logger().values(&Site::new(definition), &values).expect("the ring is empty");
    ring.observe().expect("just made").poll().expect("the file is whole").remove(0)
}

/// Writes the entry's line repeatedly.
fn lines<'a>(name: &'static str, mut format: impl Format + 'a, entry: &'a OwnedEntry) -> Candidate<'a> {
    let mut out = Vec::new();
    Candidate::new(name, move || {
        out.clear();
        for _ in 0..BURST {
            format.entry(black_box(&entry.entry()), &mut out);
        }
    })
}

/// Formats the entry's message repeatedly.
fn messages<'a>(name: &'static str, entry: &'a OwnedEntry) -> Candidate<'a> {
    let mut scratch = Vec::new();
    Candidate::new(name, move || {
        for _ in 0..BURST {
            let entry = entry.entry();
            black_box(entry.record().and_then(|record| record.text_in(&mut scratch)));
        }
    })
}

/// A pattern as in a typical configuration.
fn pattern() -> Pattern {
    let pattern = "%(asctime)s %(filename)s[line:%(lineno)d] %(levelname)-8s %(message)s";
    Pattern::new(pattern, None, TimeZone::UTC, Newlines::Escape).expect("it is one")
}

fn main() {
    let fields = [
        ("order", Type::U64, Value::U64(4_711_000)),
        ("price", Type::F64, Value::F64(101.25)),
        ("venue", Type::Str, Value::Text(b"XETR-FRANKFURT-1")),
    ];
    let plain = entry("order {0} filled at {1} on {2}", &fields);
    let places = entry("order {0} filled at {1:.2} on {2}", &fields);
    let specs = entry("order {0:>12} filled at {1:+.3e} on {2:?}", &fields);
    let list = Type::List(Element::new(Type::U16).expect("a plain type"));
    let ports = [Value::U64(80), Value::U64(443), Value::U64(8080)];
    let lists = entry("ports {0:?}", &[("", list, Value::List(ports[..].into()))]);
    let typed = entry("", &fields);
    let (order, price, venue) = (4_711_000_u64, 101.25, "XETR-FRANKFURT-1");
    let mut out = String::new();
    let formatted = Candidate::new("format! {} {:.2} {}", move || {
        for _ in 0..BURST {
            use std::fmt::Write;
            out.clear();
            let (order, price, venue) = black_box((order, price, venue));
            // Writing to memory cannot fail.
            let _ = write!(out, "order {order} filled at {price:.2} on {venue}");
            black_box(&out);
        }
    });
    measure(
        20_000,
        &mut [
            formatted,
            messages("message {} {} {}", &plain),
            messages("message {} {:.2} {}", &places),
            messages("message {:>12} {:+.3e} {:?}", &specs),
            messages("message {:?} of a list of 3", &lists),
            lines("text line {} {} {}", Text::new(Newlines::Escape), &plain),
            lines("text line {} {:.2} {}", Text::new(Newlines::Escape), &places),
            lines("pattern line {} {} {}", pattern(), &plain),
            lines("pattern line {} {:.2} {}", pattern(), &places),
            lines("text line, three key=values", Text::new(Newlines::Escape), &typed),
            lines(
                "JSON line {} {:.2} {}",
                Json::new(&RingIdentity { created_unix_ns: 0, name: "app".to_owned(), uuid: String::new() }),
                &places,
            ),
        ],
    );
}
