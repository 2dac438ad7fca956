//! Observing a ring whose records are persisted and whose producers are dead.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringlog::reader::{Entry, Observer};
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Ring};
use ringlog_testkit::{Child, Random, SOON, Scratch};
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

#[test]
fn the_oldest_waiting_record_is_that_of_the_smallest_time() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB"));
    let key = |entry: &Entry<'_>| {
        let sequence = entry.record().map(|record| record.sequence);
        (entry.origin.lane, entry.origin.incarnation, sequence)
    };
    let oldest = || ring.observe().unwrap().oldest_waiting();
    let mut consumer = ring.consumer().unwrap();
    let mut random = Random::new(7);
    let (mut taken, mut persisted) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..8 {
        // What was waiting before lies in other blocks each time, and behind younger records too.
        for _ in 0..3 {
            let logger = ring.logger();
            let log = move |n| logger.text(Level::INFO, "oldest", format!("record {n:200}")).unwrap();
            std::thread::spawn(move || (0..70).for_each(log)).join().unwrap();
        }
        let all = ring.observe().unwrap().poll().unwrap();
        let mut waiting: BTreeMap<_, u64> =
            all.iter().map(|entry| (key(&entry.entry()), entry.entry().unix_ns)).collect();
        waiting.retain(|key, _| !persisted.contains(key));
        let left_over = if round == 7 { 0 } else { 100 };
        while waiting.len() > left_over {
            for _ in 0..1 + random.below(40) {
                taken.extend(consumer.next(Duration::ZERO).unwrap().as_ref().map(key));
            }
            assert_eq!(oldest(), waiting.values().min().copied(), "what is given out is not persisted");
            consumer.ack().unwrap();
            waiting.retain(|key, _| !taken.contains(key));
            persisted.append(&mut taken);
            assert_eq!(oldest(), waiting.values().min().copied(), "{} records wait", waiting.len());
        }
    }
    assert_eq!((oldest(), persisted.len()), (None, 8 * 3 * 70));
}
