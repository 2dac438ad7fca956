//! Observing a ring whose records are persisted and whose producers are dead.

use std::time::Duration;

use ringlog::reader::Observer;
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Ring};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{CreateRing, Proof, stat};

use crate::PRODUCER;

#[test]
fn a_record_without_its_definition_is_not_shown() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("64KiB").block_bytes(1024).lanes(4).definitions("4KiB"));
    let all_blocks = stat(&ring).free_blocks;
    let mut child = Child::spawn(PRODUCER, &["sequence", at.name(), "count=50"]);
    child.wait_ready();
    child.go();
    assert_eq!(child.finish(), [50, 0]);
    let shown = || {
        let entries = Observer::open(at.name()).unwrap().poll().unwrap();
        entries.iter().filter_map(|entry| Proof::of(&entry.entry())).count()
    };
    assert_eq!(shown(), 50);
    let mut consumer = ring.consumer().unwrap();
    let deadline = std::time::Instant::now() + SOON;
    while stat(&ring).free_blocks < all_blocks && std::time::Instant::now() < deadline {
        while consumer.next(Duration::from_millis(20)).unwrap().is_some() {}
        consumer.ack().unwrap();
    }
    assert_eq!((stat(&ring).free_blocks, shown()), (all_blocks, 50), "nothing has wanted the space yet");
    // Another process fills the area of definitions, and ends: the consumer makes room for the next.
    let mut child = Child::spawn(PRODUCER, &["define", at.name(), "count=40"]);
    child.wait_ready();
    child.go();
    assert_eq!(child.numbers(), [40, 0]);
    child.release();
    child.wait();
    let is_full = |ring: &Ring| {
        let area = stat(ring).definitions;
        area.used_bytes > area.bytes / 4 * 3
    };
    while is_full(&ring) && std::time::Instant::now() < deadline {
        while consumer.next(Duration::from_millis(20)).unwrap().is_some() {}
        consumer.ack().unwrap();
    }
    assert!(!is_full(&ring), "{:#?}", stat(&ring));
    let shown = Observer::open(at.name()).unwrap().poll().unwrap();
    assert!(shown.iter().all(|entry| !entry.entry().message().contains("not in the ring")));
}

/// Of records that bring their definition, the definition or the fields may go over several blocks.
#[test]
fn long_records_that_bring_their_definition_are_shown_whole() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").block_bytes(1024).lanes(4).definitions("4KiB"));
    let log = ring.logger();
    for (definition_bytes, note_bytes) in [(10, 3000), (3000, 10), (900, 900), (3000, 3000), (10, 10)] {
        for number in 0..20 {
            let fields = vec![Field::new("number", Type::U64), Field::new("note", Type::Str)].into();
            let text = format!("{number} {}", "t".repeat(definition_bytes)).into();
            let site = Site::new(Definition { text, fields, ..Definition::new(Level::INFO, "long") });
            let note = "n".repeat(note_bytes);
            log.values(&site, &[Value::U64(number), Value::Text(note.as_bytes())]).unwrap();
        }
    }
    let shown: Vec<String> = ring.observe().unwrap().into_iter().map(|entry| entry.to_string()).collect();
    let (mut consumer, mut taken) = (ring.consumer().unwrap(), Vec::new());
    while let Some(entry) = consumer.next(Duration::from_millis(20)).unwrap() {
        taken.push(entry.to_string());
    }
    consumer.ack().unwrap();
    assert!(stat(&ring).described > 60, "{}", stat(&ring).described);
    assert_eq!((shown.len(), shown), (100, taken));
}
