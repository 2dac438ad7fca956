//! Published records arrive, and refused ones are reported.

use std::time::{Duration, Instant};

use ringlog::reader::{Body, Consumer, GapReason};
use ringlog::{Level, Overflow, Ring};
use ringlog_testkit::{Child, Random, SOON, Scratch};
use ringlog_tests::{Arrivals, CreateRing, Proof, stat};

use crate::PRODUCER;

/// Starts `count` producers in one role and lets them begin together. `more` are their arguments
/// besides their number.
fn start(role: &str, at: &Scratch, count: u32, more: &[&str]) -> Vec<Child> {
    let mut children: Vec<Child> = (0..count)
        .map(|n| {
            let number = format!("producer={}", n * 10);
            let arguments: Vec<&str> =
                [role, at.name(), &number].into_iter().chain(more.iter().copied()).collect();
            Child::spawn(PRODUCER, &arguments)
        })
        .collect();
    children.iter_mut().for_each(Child::wait_ready);
    children.iter_mut().for_each(Child::go);
    children
}

#[test]
fn every_record_of_four_producers_arrives_exactly_once_in_order() {
    const COUNT: u64 = 1_000_000;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").overflow(Overflow::Block(Duration::from_secs(60))));
    let mut children = start("sequence", &at, 4, &[&format!("count={COUNT}")]);
    let mut consumer = ring.consumer().unwrap();
    let mut arrivals = Arrivals::default();
    let began = Instant::now();
    while arrivals.total() < 4 * COUNT {
        let entry = consumer.next(SOON).unwrap().expect("more records");
        let Some(proof) = arrivals.take(&entry) else { continue };
        assert_eq!(proof.sequence, entry.record().unwrap().sequence, "the ring counts as the producer does");
        if arrivals.total() % 200 == 0 {
            consumer.ack().unwrap();
        }
    }
    consumer.ack().unwrap();
    println!("{:.0} records/s", 4.0 * COUNT as f64 / began.elapsed().as_secs_f64());
    for (child, producer) in children.iter_mut().zip([0, 10, 20, 30]) {
        assert_eq!(child.finish(), [COUNT, 0]);
        assert_eq!(arrivals.of(producer), COUNT);
    }
    assert!(consumer.next(Duration::from_millis(300)).unwrap().is_none());
    let stat = stat(&ring);
    assert_eq!((stat.published, stat.persisted, stat.dropped, stat.damaged), (4 * COUNT, 4 * COUNT, 0, 0));
}

/// Takes out entries until none comes for half a second; acknowledges after each `batch` and adds up
/// what has been acknowledged. Ends early after `limit` entries, of which the last are given up
/// without an acknowledgement.
fn count_acknowledged(consumer: &mut Consumer, limit: usize, batch: usize, arrivals: &mut Tally) {
    let mut pending = Tally::default();
    for n in 1..=limit {
        let Some(entry) = consumer.next(Duration::from_millis(500)).unwrap() else { break };
        match entry.body {
            Body::Gap(gap) => {
                assert_eq!(gap.reason, GapReason::Dropped);
                pending.reported += gap.count;
            }
            _ => pending.proofs.push(Proof::of(&entry).unwrap()),
        }
        if n % batch == 0 {
            consumer.ack().unwrap();
            arrivals.add(&mut pending);
        }
    }
    if limit == usize::MAX {
        consumer.ack().unwrap();
        arrivals.add(&mut pending);
    }
}

/// What has been received and acknowledged.
#[derive(Default)]
struct Tally {
    proofs: Vec<Proof>,
    reported: u64,
}

impl Tally {
    fn add(&mut self, other: &mut Tally) {
        self.proofs.append(&mut other.proofs);
        self.reported += std::mem::take(&mut other.reported);
    }
}

#[test]
fn published_plus_dropped_is_sent() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").block_bytes(2048).lanes(16));
    let mut consumer = ring.consumer().unwrap();
    let mut tally = Tally::default();
    let mut random = Random::new(7);
    let (mut published, mut dropped) = (0, 0);
    const COUNT: u64 = 30_000;
    // Three times the ring overflows without a consumer, so gaps lie before, between and after records.
    for round in 0..3 {
        let mut children = start("sequence", &at, 4, &[&format!("count={COUNT}"), "threads=2"]);
        for child in &mut children {
            let numbers = child.finish();
            assert_eq!(numbers[0] + numbers[1], 2 * COUNT);
            published += numbers[0];
            dropped += numbers[1];
        }
        // Some of it is drained, some of that not acknowledged; then the consumer is another.
        for _ in 0..4 {
            count_acknowledged(&mut consumer, 100 + random.below(400) as usize, 64, &mut tally);
            drop(consumer);
            consumer = ring.consumer().unwrap();
        }
        if round == 1 {
            count_acknowledged(&mut consumer, usize::MAX, 50, &mut tally);
        }
    }
    drop(consumer);
    consumer = ring.consumer().unwrap();
    count_acknowledged(&mut consumer, usize::MAX, 50, &mut tally);
    assert!(dropped > published, "the ring was too large for this test");
    assert_eq!(tally.reported, dropped);
    assert_eq!(tally.proofs.len() as u64, published);
    assert_eq!(published + dropped, 3 * 4 * 2 * COUNT);
    let stat = stat(&ring);
    assert_eq!((stat.published, stat.persisted, stat.dropped), (published, published, dropped));
    // Each round's producers count from 0 again: a record is the same only three times.
    tally.proofs.sort_by_key(|proof| (proof.producer, proof.sequence));
    for same in tally.proofs.chunk_by(|a, b| a == b) {
        assert!(same.len() <= 3, "{:?} came {} times", same[0], same.len());
    }
}

#[test]
fn no_warning_is_dropped_in_a_debug_flood() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("16MiB"));
    let mut consumer = ring.consumer().unwrap();
    // The reserve holds all warnings: it must not matter how often the machine lets the consumer run.
    const COUNT: u64 = 500_000;
    let mut children = start("flood", &at, 2, &[&format!("count={COUNT}")]);
    let mut arrivals = Arrivals::default();
    let (mut reported, mut warnings, mut entries) = (0, 0, 0_u64);
    let mut ended = false;
    loop {
        match consumer.next(Duration::from_millis(500)).unwrap() {
            None if ended => break,
            None => {}
            Some(entry) => match entry.body {
                Body::Gap(gap) => reported += gap.count,
                _ => {
                    arrivals.take(&entry);
                    warnings += u64::from(entry.record().unwrap().level == Level::WARN);
                }
            },
        }
        entries += 1;
        if entries % 128 == 0 {
            consumer.ack().unwrap();
            ended = ended || children.iter_mut().all(Child::has_ended);
        }
    }
    let numbers: Vec<Vec<u64>> = children.iter_mut().map(Child::finish).collect();
    let dropped: u64 = numbers.iter().map(|n| n[1]).sum();
    assert!(dropped > COUNT / 100, "only {dropped} were dropped: no flood");
    assert_eq!(numbers.iter().map(|n| n[3]).sum::<u64>(), 0, "warnings were dropped");
    assert_eq!((reported, warnings), (dropped, 2 * COUNT / 100));
    assert_eq!(arrivals.total(), numbers.iter().map(|n| n[0] + n[2]).sum::<u64>());
}

#[test]
fn records_are_in_time_order() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("16MiB"));
    let mut consumer = ring.consumer().unwrap();
    consumer.set_grace(Duration::from_millis(50));
    const COUNT: u64 = 40_000;
    let mut children = start("paced", &at, 4, &[&format!("count={COUNT}")]);
    let mut arrivals = Arrivals::default();
    let (mut last, mut back, mut changes, mut pid) = (0, 0, 0_u64, 0);
    while arrivals.total() < 4 * COUNT {
        let entry = consumer.next(SOON).unwrap().expect("more records");
        arrivals.take(&entry);
        back += u64::from(entry.unix_ns < last);
        last = entry.unix_ns;
        changes += u64::from(entry.origin.pid != pid);
        pid = entry.origin.pid;
        if arrivals.total() % 500 == 0 {
            consumer.ack().unwrap();
        }
    }
    consumer.ack().unwrap();
    children.iter_mut().for_each(|child| assert_eq!(child.finish(), [0_u64; 0]));
    assert!(changes > 1000, "only {changes} changes between processes: nothing had to be merged");
    let late = stat(&ring).late;
    assert!(back <= late, "{back} time stamps went back, but only {late} records are counted as late");
    assert!(late <= COUNT / 1000, "{late} records were late");
}
