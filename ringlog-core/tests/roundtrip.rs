//! Push, drain and observe, inside one process.

use std::time::Duration;

use ringlog::reader::{Body, GapReason};
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Overflow, PushError, Record, Ring};
use ringlog_testkit::Scratch;

/// A ring's name, and its directory, which is removed when dropped.
struct Scene {
    _dir: Scratch,
    name: String,
}

fn scratch() -> Scene {
    let dir = Scratch::new();
    let name = dir.text("app");
    Scene { _dir: dir, name }
}

const SOON: Duration = Duration::from_secs(5);

#[derive(Record)]
#[record(level = "info", logger = "orders")]
struct Fill<'a> {
    order: u64,
    price: f64,
    venue: [u8; 4],
    note: &'a str,
}

#[test]
fn a_record_reads_back() {
    let at = scratch();
    let ring = Ring::options().size("1MiB").create_or_open(&at.name).unwrap();
    let log = ring.logger();
    log.push(&Fill { order: 7, price: 9.5, venue: *b"XETR", note: "first" }).unwrap();
    log.text(Level::WARN, "disk", "91%").unwrap();
    let seen: Vec<String> = ring.observe().unwrap().into_iter().map(|e| e.entry().message()).collect();
    assert_eq!(seen, ["order=7 price=9.5 venue=XETR note=first", "91%"]);

    let mut consumer = ring.consumer().unwrap();
    let entry = consumer.next(SOON).unwrap().unwrap();
    let record = entry.record().unwrap();
    assert_eq!((record.sequence, record.level, record.logger), (0, Level::INFO, "orders"));
    assert_eq!(entry.origin.pid, std::process::id());
    assert_eq!(entry.message(), "order=7 price=9.5 venue=XETR note=first");
    let entry = consumer.next(SOON).unwrap().unwrap();
    assert_eq!((entry.message(), entry.record().unwrap().level), ("91%".to_owned(), Level::WARN));
    consumer.ack().unwrap();
    assert!(consumer.next(Duration::ZERO).unwrap().is_none());
    log.flush(SOON).unwrap();
}

#[test]
fn many_times_the_rings_size_arrives_in_order() {
    let at = scratch();
    let options = Ring::options().size("256KiB").block_bytes(2048).overflow(Overflow::Block(SOON));
    let ring = options.create_or_open(&at.name).unwrap();
    let log = ring.logger();
    const COUNT: u64 = 200_000;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for order in 0..COUNT {
                let note = &"-----------------------------------------------------------------"
                    [..order as usize % 60];
                log.push(&Fill { order, price: 0.5, venue: *b"XETR", note }).unwrap();
            }
        });
        let mut consumer = ring.consumer().unwrap();
        for expected in 0..COUNT {
            let entry = consumer.next(SOON).unwrap().expect("more records");
            let record = entry.record().expect("no gap");
            assert_eq!(record.sequence, expected);
            assert_eq!(record.fields().next().unwrap().1, ringlog::schema::Value::U64(expected));
            if expected % 100 == 0 {
                consumer.ack().unwrap();
            }
        }
    });
}

#[test]
fn long_records_arrive_whole() {
    let at = scratch();
    let options = Ring::options().size("1MiB").block_bytes(2048).overflow(Overflow::Block(SOON));
    let ring = options.create_or_open(&at.name).unwrap();
    let log = ring.logger();
    let text = |len: usize| (0..len).map(|i| b'a' + (i % 23) as u8).collect::<Vec<u8>>();
    let limit = ring.info().geometry().record_limit();
    let lengths = [0, 1, 1700, 1900, 2048, 5000, 100_000, limit - 25, 3];
    std::thread::scope(|scope| {
        let log = &log;
        scope.spawn(move || lengths.map(|len| log.text(Level::INFO, "", text(len)).unwrap()));
        let mut consumer = ring.consumer().unwrap();
        for (sequence, len) in lengths.into_iter().enumerate() {
            {
                let entry = consumer.next(SOON).unwrap().expect("a record");
                let record = entry.record().expect("no gap");
                assert_eq!((record.sequence, record.cut), (sequence as u64, false));
                assert!(record.text().unwrap() == text(len), "{len} bytes");
            }
            consumer.ack().unwrap();
        }
    });
    log.text(Level::INFO, "", text(limit)).unwrap();
    let mut consumer = ring.consumer().unwrap();
    let entry = consumer.next(SOON).unwrap().unwrap();
    assert!(entry.record().unwrap().cut);
    assert_eq!(entry.record().unwrap().text().unwrap().len(), limit - 25);
}

#[test]
fn drops_are_counted_and_reported_at_their_place() {
    let at = scratch();
    let ring = Ring::options().size("64KiB").block_bytes(1024).lanes(2).create_or_open(&at.name).unwrap();
    let log = ring.logger();
    let mut published = 0;
    let mut dropped = 0;
    for order in 0..2_000 {
        match log.push(&Fill { order, price: 0.0, venue: *b"XETR", note: "" }) {
            Ok(()) => published += 1,
            Err(PushError::Full) => dropped += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(dropped > 0 && published > 0);
    // There is still room for urgent records.
    log.text(Level::WARN, "", "urgent").unwrap();
    let mut consumer = ring.consumer().unwrap();
    let mut messages = Vec::new();
    let mut reported = 0;
    while let Some(entry) = consumer.next(Duration::from_millis(50)).unwrap() {
        match entry.body {
            Body::Gap(gap) => {
                assert_eq!(gap.reason, GapReason::Dropped);
                reported += gap.count;
                messages.push("gap".to_owned());
            }
            _ => messages.push(entry.message()),
        }
    }
    consumer.ack().unwrap();
    drop(consumer);
    assert_eq!(reported, dropped);
    assert_eq!(messages.len() as u64, published + 2);
    assert_eq!(messages[messages.len() - 2..], ["gap", "urgent"]);
    // A new consumer does not report the gap again.
    log.text(Level::INFO, "", "after").unwrap();
    let mut consumer = ring.consumer().unwrap();
    assert_eq!(consumer.next(SOON).unwrap().unwrap().message(), "after");
    assert!(consumer.next(Duration::from_millis(500)).unwrap().is_none());
}

#[test]
fn a_thread_gives_its_lane_back_and_keeps_its_name() {
    let at = scratch();
    let ring = Ring::options().size("1MiB").create_or_open(&at.name).unwrap();
    for i in 0..5 {
        let log = ring.logger();
        let thread = std::thread::Builder::new().name(format!("worker-{i}"));
        thread.spawn(move || log.text(Level::INFO, "", "here").unwrap()).unwrap().join().unwrap();
    }
    let mut consumer = ring.consumer().unwrap();
    for i in 0..5 {
        let entry = consumer.next(SOON).unwrap().unwrap();
        assert_eq!(entry.origin.thread, format!("worker-{i}"));
        assert_eq!((entry.origin.lane, entry.origin.incarnation), (1, i + 1));
    }
}

#[test]
fn a_site_made_at_run_time_works_like_a_derived_one() {
    let at = scratch();
    let ring = Ring::options().size("1MiB").create_or_open(&at.name).unwrap();
    let log = ring.logger();
    let definition = Definition {
        fields: vec![Field::new("user", Type::Str), Field::new("age", Type::U8)].into(),
        ..Definition::new(Level::ERROR, "people")
    };
    let site = Site::new(definition);
    log.values(&site, &[Value::Text(b"eve"), Value::U64(41)]).unwrap();
    // 300 does not fit into one byte, and text is not a number: both are refused, not cut.
    assert_eq!(log.values(&site, &[Value::Text(b"eve"), Value::U64(300)]), Err(PushError::Mismatch));
    assert_eq!(log.values(&site, &[Value::U64(1), Value::U64(2)]), Err(PushError::Mismatch));
    assert_eq!(log.values(&site, &[Value::Text(b"eve")]), Err(PushError::Mismatch));
    let entries = ring.observe().unwrap().poll().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].entry().message(), "user=eve age=41");
    assert_eq!(entries[0].entry().record().unwrap().level, Level::ERROR);
}

#[test]
fn observer_and_consumer_format_a_template_alike() {
    use ringlog::reader::Entry;
    use ringlog::schema::Element;
    let at = scratch();
    let ring = Ring::options().size("1MiB").create_or_open(&at.name).unwrap();
    let log = ring.logger();
    let of = |ty| Element::new(ty).unwrap();
    let definition = Definition {
        text: "{0:?} of {1:?} for {{{3:>6.2}}}: {4} {0:?}".into(),
        template: true,
        fields: vec![
            Field::new("first", Type::Option(of(Type::U16))),
            Field::new("", Type::List(of(Type::Str))),
            Field::new("err", Type::Error),
            Field::new("price", Type::F64),
            Field::new("", Type::Formatted),
        ]
        .into(),
        ..Definition::new(Level::INFO, "orders")
    };
    let site = Site::new(definition);
    let (seven, names) = (Value::U64(7), [Value::Text(b"a"), Value::Text(b"")]);
    let values = |first| {
        let names = Value::List(names[..].into());
        [Value::Option(first), names, Value::Error(b"no\nroute"), Value::F64(9.5), Value::Text(b"<x>")]
    };
    log.values(&site, &values(Some(&seven).into())).unwrap();
    log.values(&site, &values(None.into())).unwrap();
    let wrong = Value::U64(1 << 16);
    assert_eq!(log.values(&site, &values(Some(&wrong).into())), Err(PushError::Mismatch));
    let check = |n: usize, entry: &Entry<'_>| {
        let record = entry.record().unwrap();
        let first = if n == 0 { "Some(7)" } else { "None" };
        let text = format!("{first} of [\"a\", \"\"] for {{  9.50}}: <x> {first}");
        assert_eq!(record.text().unwrap(), text.as_bytes());
        assert_eq!(record.text_in(&mut Vec::new()).unwrap(), text.as_bytes());
        assert_eq!(entry.message(), format!("{text} err=no\nroute"));
        let fields: Vec<_> = record.fields().collect();
        let price = ("price", Value::F64(9.5));
        let option = if n == 0 { Some(&seven) } else { None };
        assert_eq!(
            fields,
            [("first", Value::Option(option.into())), ("err", Value::Error(b"no\nroute")), price]
        );
    };
    for (n, entry) in ring.observe().unwrap().poll().unwrap().iter().enumerate() {
        check(n, &entry.entry());
    }
    let mut consumer = ring.consumer().unwrap();
    for n in 0..2 {
        check(n, &consumer.next(SOON).unwrap().unwrap());
    }
}

#[test]
fn persisted_records_of_an_open_block_are_counted_once() {
    let at = scratch();
    let ring = Ring::options().size("1MiB").create_or_open(&at.name).unwrap();
    let log = ring.logger();
    let mut consumer = ring.consumer().unwrap();
    for n in 0..10 {
        log.text(Level::INFO, "", format!("{n}")).unwrap();
        assert!(consumer.next(SOON).unwrap().is_some());
        consumer.ack().unwrap();
    }
    let stat = ring.observe().unwrap().stat().unwrap();
    assert_eq!((stat.published, stat.persisted, stat.lag()), (10, 10, 0));
}

#[test]
fn the_level_in_a_record_of_values_makes_it_urgent() {
    let at = scratch();
    let ring = Ring::options().size("64KiB").overflow(Overflow::Drop).create_or_open(&at.name).unwrap();
    let log = ring.logger();
    let fields = vec![Field::new("", Type::Level), Field::new("n", Type::U64)];
    // The level of the definition is urgent, or is not; that of the record is what counts.
    let site = |level| {
        let definition = Definition {
            level_in_record: true,
            fields: fields.clone().into(),
            ..Definition::new(level, "x")
        };
        Site::new(definition)
    };
    let (of_warnings, of_notes) = (site(Level::WARN), site(Level::INFO));
    let push = |site: &Site, level, n| log.values(site, &[Value::Level(level), Value::U64(n)]);
    push(&of_warnings, Level::ERROR, 0).unwrap();
    push(&of_notes, Level::ERROR, 1).unwrap();
    let notes = (2..10_000).take_while(|n| push(&of_warnings, Level::INFO, *n).is_ok()).count();
    assert!(notes < 2_000, "the ring is full");
    assert_eq!(push(&of_warnings, Level::INFO, 0), Err(PushError::Full));
    assert_eq!(push(&of_notes, Level::WARN, 0), Ok(()), "it may use what is reserved for such");
    assert_eq!(push(&of_warnings, Level::INFO, 0), Err(PushError::Full));
}

/// Fills the ring with records of this thread, the last of which is dropped, and then drops one of another thread.
fn drop_behind_older_records(ring: &Ring, then: impl FnOnce() + Send) -> usize {
    let log = ring.logger();
    let older = (0..10_000).take_while(|n| log.text(Level::INFO, "", format!("{n}")).is_ok()).count();
    std::thread::scope(|scope| {
        let dropped = scope.spawn(|| {
            ring.logger().text(Level::INFO, "", "dropped").unwrap_err();
            then();
        });
        dropped.join().unwrap();
    });
    older
}

/// Takes all entries: the places of the gaps. No entry may be older than the one before it.
fn places_of_gaps(consumer: &mut ringlog::reader::Consumer) -> Vec<usize> {
    let (mut newest, mut gaps, mut taken) = (0, Vec::new(), 0);
    while !consumer.is_drained().unwrap() {
        while let Some(entry) = consumer.next(Duration::ZERO).unwrap() {
            assert!(entry.unix_ns >= newest, "entry {taken} is older than the one before it");
            newest = entry.unix_ns;
            gaps.extend(matches!(entry.body, Body::Gap(_)).then_some(taken));
            taken += 1;
        }
        consumer.ack().unwrap();
    }
    gaps
}

#[test]
fn a_gap_before_the_first_block_of_a_lane_follows_older_records() {
    let at = scratch();
    let ring = Ring::options().size("256KiB").overflow(Overflow::Drop).create_or_open(&at.name).unwrap();
    let warn = || ring.logger().text(Level::WARN, "", "in the reserve").unwrap();
    let older = drop_behind_older_records(&ring, warn);
    // The other thread's gap, its warning, and the gap that is only found then.
    assert_eq!(places_of_gaps(&mut ring.consumer().unwrap()), [older, older + 2]);
}

#[test]
fn a_gap_of_a_lane_without_blocks_follows_older_records() {
    // A ring of 64 KiB has no lane for the second thread; the first lane carries that gap.
    for size in ["256KiB", "64KiB"] {
        let at = scratch();
        let ring = Ring::options().size(size).overflow(Overflow::Drop).create_or_open(&at.name).unwrap();
        let older = drop_behind_older_records(&ring, || {});
        let mut consumer = ring.consumer().unwrap();
        // It finds the gap while older records are to be given out.
        assert!(!consumer.is_drained().unwrap());
        assert_eq!(places_of_gaps(&mut consumer), [older, older + 1], "in a ring of {size}");
    }
}
