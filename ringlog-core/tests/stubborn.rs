//! Misbehaving records, definitions, clocks and consumers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ringlog::admin::Request;
use ringlog::reader::{Body, GapReason, RefusedStat};
use ringlog::schema::{Definition, Encoder, Field, Site, Type, Value};
use ringlog::{Level, Logger, Overflow, PushError, Record, Ring};
use ringlog_testkit::Scratch;

const SOON: Duration = Duration::from_secs(5);

/// A ring with small blocks, and its directory, which is removed when dropped.
fn ring() -> (Scratch, Ring) {
    let dir = Scratch::new();
    let name = dir.text("app");
    let ring = Ring::options().size("256KiB").block_bytes(1024).lanes(4).create_or_open(&name).unwrap();
    (dir, ring)
}

/// The sequences of the records, and the number of records reported missing.
fn drain(ring: &Ring) -> (Vec<u64>, u64) {
    let mut consumer = ring.consumer().unwrap();
    let (mut sequences, mut missing) = (Vec::new(), 0);
    while !consumer.is_drained().unwrap() {
        while let Some(entry) = consumer.next(Duration::from_millis(1)).unwrap() {
            match entry.body {
                Body::Record(record) => sequences.push(record.sequence),
                Body::Gap(gap) => missing += gap.count,
                _ => {}
            }
        }
        consumer.ack().unwrap();
    }
    (sequences, missing)
}

/// A record of plain bytes whose length and content come from closures.
struct Odd<L: Fn() -> usize, E: Fn()> {
    length: L,
    encoding: E,
}

fn site() -> &'static Site {
    static FIELDS: &[Field] = &[Field::new("bytes", Type::Bytes)];
    static SITE: std::sync::OnceLock<Site> = std::sync::OnceLock::new();
    SITE.get_or_init(|| {
        Site::new(Definition { fields: FIELDS.into(), ..Definition::new(Level::INFO, "odd") })
    })
}

impl<L: Fn() -> usize, E: Fn()> Record for Odd<L, E> {
    fn site(&self) -> &Site {
        site()
    }

    fn payload_bytes(&self) -> usize {
        (self.length)()
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        (self.encoding)();
        out.put_bytes(&vec![7; (self.length)().saturating_sub(4)]);
    }
}

fn push_some(log: &Logger) {
    for _ in 0..100 {
        log.text(Level::INFO, "", "after").unwrap();
    }
}

#[test]
fn final_drops_are_reported_before_the_ring_is_drained() {
    let (_dir, ring) = ring();
    let log = ring.logger();
    let refused = (0..10_000).filter(|_| log.text(Level::INFO, "", "flood").is_err()).count() as u64;
    assert!(refused > 0);
    let (sequences, missing) = drain(&ring);
    assert_eq!((sequences.len() as u64, missing), (10_000 - refused, refused));
}

#[test]
fn every_length_takes_one_sequence() {
    let (_dir, ring) = ring();
    let log = ring.logger().with_overflow(Overflow::Block(SOON));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for length in 600..1100 {
                log.text(Level::INFO, "", vec![b'x'; length]).unwrap();
            }
        });
        let mut consumer = ring.consumer().unwrap();
        for expected in 0..500 {
            let entry = consumer.next(SOON).unwrap().expect("a record");
            assert_eq!(entry.record().expect("no gap").sequence, expected);
            consumer.ack().unwrap();
        }
    });
    assert_eq!(ring.observe().unwrap().stat().unwrap().published, 500);
}

#[test]
fn a_panic_in_a_long_record_loses_only_that_record() {
    let (_dir, ring) = ring();
    let log = ring.logger();
    log.text(Level::INFO, "", "before").unwrap();
    let times = AtomicUsize::new(0);
    let panics_late = || assert!(times.fetch_add(1, Ordering::Relaxed) < 3, "as it should");
    let long = Odd { length: || 10_000, encoding: panics_late };
    assert!(catch_unwind(AssertUnwindSafe(|| log.push(&long))).is_err());
    push_some(&log);
    let (sequences, _) = drain(&ring);
    assert!(sequences.into_iter().eq(0..101), "its number goes to the next record");
    log.flush(SOON).unwrap();
    let stat = ring.observe().unwrap().stat().unwrap();
    let blocks = ring.info().geometry().block_count();
    assert!(stat.free_blocks >= blocks - 3, "{} of {blocks} are free", stat.free_blocks);
}

#[test]
fn a_panic_in_a_record_loses_only_that_record() {
    let (_dir, ring) = ring();
    let log = ring.logger();
    let panics = Odd { length: || 100, encoding: || panic!("as it should") };
    // In the thread's first record, in a later one, and in one written inside another.
    let nested = Odd {
        length: || 40,
        encoding: || assert!(catch_unwind(AssertUnwindSafe(|| log.push(&panics))).is_err()),
    };
    for _ in 0..20 {
        assert!(catch_unwind(AssertUnwindSafe(|| log.push(&panics))).is_err());
        log.text(Level::INFO, "", "between").unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| log.push(&panics))).is_err());
        log.push(&nested).unwrap();
        log.push(&Odd { length: || 200, encoding: || log.text(Level::INFO, "", "inside").unwrap() }).unwrap();
    }
    let mut consumer = ring.consumer().unwrap();
    let mut came = std::collections::BTreeMap::<_, u32>::new();
    while let Some(entry) = consumer.next(Duration::from_millis(50)).unwrap() {
        let record = entry.record().expect("whole records, and nothing is missing");
        let what = match record.fields().next() {
            Some((_, Value::Bytes(bytes))) => {
                assert!(bytes.iter().all(|byte| *byte == 7), "{entry}");
                bytes.len().to_string()
            }
            _ => entry.message(),
        };
        *came.entry(what).or_default() += 1;
    }
    consumer.ack().unwrap();
    let expected = [("between", 20), ("inside", 20), ("36", 20), ("196", 20)];
    assert_eq!(came, expected.map(|(what, count)| (what.to_owned(), count)).into());
    assert_eq!(ring.observe().unwrap().stat().unwrap().dropped, 0);
}

#[test]
fn a_record_that_changes_its_length_is_refused() {
    let (_dir, ring) = ring();
    let log = ring.logger();
    push_some(&log);
    let times = AtomicUsize::new(0);
    // Long at the first call, empty afterwards.
    let length = || if times.fetch_add(1, Ordering::Relaxed) == 0 { 20_000 } else { 0 };
    assert_eq!(log.push(&Odd { length, encoding: || () }), Err(PushError::Mismatch));
    push_some(&log);
    let (sequences, missing) = drain(&ring);
    assert!(sequences.into_iter().eq(0..200), "its number goes to the next record");
    assert_eq!(missing, 1);
}

/// What a reader shows of each record: its logger, text and fields.
fn shown(ring: &Ring) -> Vec<String> {
    let mut consumer = ring.consumer().unwrap();
    let mut shown = Vec::new();
    while let Some(entry) = consumer.next(Duration::from_millis(50)).unwrap() {
        let record = entry.record().expect("a record");
        let fields: Vec<_> = record.fields().map(|(name, value)| format!("{name}={value:?}")).collect();
        shown.push(format!("{} {} {record} [{}]", record.level, record.logger, fields.join(" ")));
    }
    consumer.ack().unwrap();
    shown
}

#[test]
fn a_definition_without_room_comes_with_each_record() {
    let (_dir, ring) = ring();
    let log = ring.logger();
    let site = |text: String| {
        let fields = vec![Field::new("order", Type::U16), Field::new("venue", Type::Str)].into();
        let template = text.contains('{');
        Site::new(Definition {
            text: text.into(),
            template,
            fields,
            ..Definition::new(Level::ERROR, "large")
        })
    };
    let values = [Value::U64(7), Value::Text(b"XETR")];
    let fields = "[order=U64(7) venue=Text([88, 69, 84, 82])]";
    let long = "x".repeat(20_000);
    for (text, message) in [
        (format!("{long} {{0:>3}}"), format!("{long}   7 venue=XETR")),
        (long.clone(), format!("{long} order=7 venue=XETR")),
    ] {
        let site = site(text);
        for _ in 0..3 {
            log.values(&site, &values).unwrap();
        }
        let expected = format!("ERROR large {message} {fields}");
        assert_eq!(shown(&ring), [&*expected; 3]);
    }
    let stat = ring.observe().unwrap().stat().unwrap();
    assert_eq!((stat.described, stat.dropped, stat.persisted), (6, 0, 6));
    // Too long for the ring with its definition: the record is logged as text, and cut.
    let longest = ring.info().geometry().record_limit();
    log.values(&site("y".repeat(longest)), &values).unwrap();
    let shown = shown(&ring);
    assert!(shown.len() == 1 && shown[0].starts_with("ERROR large yyy"), "{}", shown.len());
    assert_eq!(ring.observe().unwrap().stat().unwrap().dropped, 0);
}

#[test]
fn a_flush_does_not_wait_for_a_refused_record() {
    let (_dir, ring) = ring();
    let log = ring.logger();
    log.text(Level::INFO, "", "one").unwrap();
    // The lane's next push renews its anchor, then the record is refused.
    std::thread::sleep(Duration::from_millis(150));
    let times = AtomicUsize::new(0);
    let length = || 40 + times.fetch_add(1, Ordering::Relaxed) * 8;
    assert_eq!(log.push(&Odd { length, encoding: || () }), Err(PushError::Mismatch));
    let (sequences, _) = drain(&ring);
    assert_eq!(sequences.len(), 1);
    log.flush(Duration::from_secs(1)).unwrap();
}

#[test]
fn a_gap_gives_its_reason() {
    let (_dir, ring) = ring();
    let log = ring.logger();
    while log.text(Level::INFO, "", "flood").is_ok() {}
    let times = AtomicUsize::new(0);
    let length = || if times.fetch_add(1, Ordering::Relaxed) == 0 { 40 } else { 0 };
    assert_eq!(log.push(&Odd { length, encoding: || () }), Err(PushError::Full));
    let stat = || ring.observe().unwrap().stat().unwrap();
    assert_eq!(stat().refused, RefusedStat { full: 2, ..RefusedStat::default() });
    let mut consumer = ring.consumer().unwrap();
    let mut reasons = Vec::new();
    while !consumer.is_drained().unwrap() {
        if let Some(entry) = consumer.next(Duration::from_millis(1)).unwrap()
            && let Body::Gap(gap) = entry.body
        {
            reasons.push(gap.reason);
        }
        consumer.ack().unwrap();
    }
    assert_eq!(reasons, [GapReason::Dropped]);
    drop(consumer);
    // Of another kind, and a consumer that has not seen the first.
    let times = AtomicUsize::new(0);
    let length = || 40 + times.fetch_add(1, Ordering::Relaxed) * 8;
    assert_eq!(log.push(&Odd { length, encoding: || () }), Err(PushError::Mismatch));
    let too_long = Odd { length: || 200_000, encoding: || () };
    assert!(matches!(log.push(&too_long), Err(PushError::TooLarge { .. })));
    assert_eq!(stat().refused, RefusedStat { full: 2, unfit: 2, ..RefusedStat::default() });
    let mut consumer = ring.consumer().unwrap();
    while !consumer.is_drained().unwrap() {
        if let Some(entry) = consumer.next(Duration::from_millis(1)).unwrap()
            && let Body::Gap(gap) = entry.body
        {
            assert_eq!((gap.count, gap.reason), (2, GapReason::Unfit));
            reasons.push(gap.reason);
        }
        consumer.ack().unwrap();
    }
    assert_eq!(reasons, [GapReason::Dropped, GapReason::Unfit]);
}

#[test]
fn the_consumer_of_a_removed_ring_is_asked_to_end() {
    let (_dir, ring) = ring();
    let mut consumer = ring.consumer().unwrap();
    assert!(consumer.requests().pending(Request::Stop).is_none());
    ringlog::admin::remove(ring.path().to_str().unwrap(), true).unwrap();
    // It looks at its path every 200 ms.
    let late = std::time::Instant::now() + Duration::from_secs(5);
    while consumer.requests().pending(Request::Stop).is_none() {
        assert!(std::time::Instant::now() < late, "it was not asked to end");
        consumer.next(Duration::from_millis(10)).unwrap();
    }
}
