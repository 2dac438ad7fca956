//! Records that the caller has encoded, and pushes that do not wait or wait as long as the caller wants.

use std::cell::Cell;
use std::time::Duration;

use ringlog::reader::OwnedEntry;
use ringlog::schema::{Definition, Encoded, Field, Site, Type};
use ringlog::{Level, PushError, Ring};
use ringlog_testkit::Scratch;

/// More than any of these tests takes.
const LONG: Duration = Duration::from_secs(600);

fn definition() -> Definition {
    Definition {
        fields: vec![Field::new("data", Type::Bytes)].into(),
        ..Definition::new(Level::INFO, "test")
    }
}

/// The payload of a record with this many bytes of data.
fn payload(bytes: usize) -> Vec<u8> {
    [&(bytes as u32).to_le_bytes()[..], &vec![b'x'; bytes]].concat()
}

fn small_ring(scratch: &Scratch) -> Ring {
    Ring::options().size("64KiB").create(scratch.name()).unwrap()
}

/// Fills the ring by pushes that do not wait for anything but a block.
fn fill(ring: &Ring, record: &Encoded<'_>) -> u64 {
    let mut pushed = 0;
    while ring.logger().push(record).is_ok() {
        pushed += 1;
    }
    pushed
}

#[test]
fn a_push_at_once_leaves_the_rest_to_another() {
    let scratch = Scratch::new();
    let ring = small_ring(&scratch);
    let (site, payload) = (Site::new(definition()), payload(100));
    let (log, record) = (ring.logger(), Encoded::new(&site, &payload));
    assert!(!log.push_at_once(&record), "the thread has no lane yet");
    log.push(&record).unwrap();
    let mut pushed = 1;
    while log.push_at_once(&record) {
        pushed += 1;
    }
    let stat = ring.observe().unwrap().stat().unwrap();
    assert!(pushed > 1, "the lane's block has room for more");
    assert_eq!((stat.published, stat.dropped), (pushed, 0), "the last one was neither pushed nor counted");
    log.push(&record).unwrap();
    assert!(log.push_at_once(&record), "in the next block");
}

#[test]
fn a_push_waits_as_long_as_it_is_told_to() {
    let scratch = Scratch::new();
    let ring = small_ring(&scratch);
    let (site, payload) = (Site::new(definition()), payload(1000));
    let record = Encoded::new(&site, &payload);
    let pushed = fill(&ring, &record);
    let asked = Cell::new(0);
    let goes_on = || {
        asked.set(asked.get() + 1);
        asked.get() < 3
    };
    let result = ring.logger().push_while(&record, LONG, &goes_on);
    assert!(matches!(result, Err(PushError::Full)), "{result:?}");
    assert_eq!(asked.get(), 3);
    let stat = ring.observe().unwrap().stat().unwrap();
    // The one that found the ring full, and this one.
    assert_eq!((stat.published, stat.dropped), (pushed, 2));
}

#[test]
fn a_push_that_waits_takes_the_first_room() {
    let scratch = Scratch::new();
    let ring = small_ring(&scratch);
    let (site, payload) = (Site::new(definition()), payload(1000));
    let record = Encoded::new(&site, &payload);
    let pushed = fill(&ring, &record);
    let drain = || {
        let mut consumer = ring.consumer().unwrap();
        consumer.set_grace(Duration::ZERO);
        while consumer.next(Duration::from_millis(1)).unwrap().is_some() {}
        consumer.ack().unwrap();
        true
    };
    ring.logger().push_while(&record, LONG, &drain).unwrap();
    assert_eq!(ring.observe().unwrap().stat().unwrap().published, pushed + 1);
}

#[test]
fn a_site_without_a_number_brings_its_definition() {
    let scratch = Scratch::new();
    let ring = small_ring(&scratch);
    let payload = payload(3);
    for _ in 0..3 {
        let site = Site::unnumbered(definition());
        ring.logger().push(&Encoded::new(&site, &payload)).unwrap();
    }
    let entries: Vec<OwnedEntry> = ring.observe().unwrap().into_iter().collect();
    let messages: Vec<String> = entries.iter().map(|entry| entry.entry().message()).collect();
    assert_eq!(messages, ["data=xxx"; 3]);
    let area = ring.observe().unwrap().stat().unwrap().definitions;
    assert_eq!(
        (area.count, area.limits),
        (0, Default::default()),
        "none is in the area, or was refused there"
    );
}

#[test]
fn a_record_can_be_marked_as_cut() {
    let scratch = Scratch::new();
    let ring = small_ring(&scratch);
    let (site, payload) = (Site::new(definition()), payload(3));
    ring.logger().push(&Encoded::new(&site, &payload).marked_as_cut()).unwrap();
    ring.logger().push(&Encoded::new(&site, &payload)).unwrap();
    let entries: Vec<OwnedEntry> = ring.observe().unwrap().into_iter().collect();
    let cut: Vec<bool> = entries.iter().filter_map(|entry| entry.entry().record().map(|r| r.cut)).collect();
    assert_eq!(cut, [true, false]);
}

#[test]
fn a_record_longer_than_the_limit_is_refused() {
    let scratch = Scratch::new();
    let ring = small_ring(&scratch);
    let site = Site::new(definition());
    let limit = ring.logger().payload_limit();
    ring.logger().push(&Encoded::new(&site, &payload(limit - 4))).unwrap();
    let result = ring.logger().push(&Encoded::new(&site, &payload(limit - 3)));
    assert!(matches!(result, Err(PushError::TooLarge { .. })), "{result:?}");
}
