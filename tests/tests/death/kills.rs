//! Producers that are killed or stopped at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ringlog::reader::{Body, Consumer};
use ringlog::{Overflow, Ring};
use ringlog_testkit::{Child, Counters, Random, SOON, Scratch};
use ringlog_tests::{Arrivals, CreateRing, Proof, free_blocks_after, stat};

use crate::PRODUCER;

#[derive(Default)]
struct Received {
    /// How many records of each thread of a killed process: by pid, producer and tid.
    records: BTreeMap<(u32, u32, u32), u64>,
    /// The last sequence of each thread that was reported dead: by pid and tid.
    deaths: BTreeMap<(u32, u32), Option<u64>>,
    /// The processes that were reported dead.
    processes: BTreeSet<u32>,
}

/// Takes out what is there; each producer's has to be a gapless beginning.
fn drain(consumer: &mut Consumer, patience: Duration, until: Instant, received: &mut Received) {
    let mut entries = 0;
    while let Some(entry) = consumer.next(patience).unwrap() {
        if let Body::Gap(gap) = entry.body {
            panic!("no call was refused, yet: {gap} in {:?}", entry.origin);
        }
        let (pid, tid) = (entry.origin.pid, entry.origin.tid);
        if let Body::UncleanExit(died) = entry.body {
            assert!(received.processes.insert(pid), "reported twice: {entry}");
            let own = (entry.origin.lane, entry.origin.incarnation);
            for lane in died.lanes.iter().filter(|lane| (lane.lane, lane.incarnation) != own) {
                let before = received.deaths.insert((pid, lane.tid), lane.last_sequence);
                assert_eq!(before, None, "reported twice: {entry}");
            }
        } else {
            let Proof { producer, sequence } = Proof::of(&entry).unwrap();
            assert!(!received.processes.contains(&pid), "behind its death: {entry}");
            let next = received.records.entry((pid, producer, tid)).or_default();
            assert_eq!(sequence, *next, "of producer {producer}");
            *next += 1;
        }
        entries += 1;
        if entries % 64 == 0 {
            consumer.ack().unwrap();
        }
        if entries % 16 == 0 && Instant::now() > until {
            break;
        }
    }
    consumer.ack().unwrap();
}

#[test]
fn a_killed_producer_loses_nothing_it_published() {
    const ROUNDS: u32 = 150;
    let at = Scratch::new();
    let options = Ring::options().size("512KiB").block_bytes(2048).lanes(10);
    let ring = at.create(options.overflow(Overflow::Block(SOON)));
    let all_blocks = stat(&ring).free_blocks;
    let mut consumer = ring.consumer().unwrap();
    let mut random = Random::new(5);
    let mut received = Received::default();
    let mut promised = BTreeMap::new();
    for round in 0..ROUNDS {
        // Every third round all records are long: most kills then hit in the middle of one.
        let long_every = ["long_every=0", "long_every=40", "long_every=1"][round as usize % 3];
        let mut children: Vec<(Child, Counters)> = (0..2)
            .map(|n| {
                let file = at.file(format!("counters-{round}-{n}"));
                let counters = Counters::open(&file);
                let file = format!("counters={}", file.to_str().unwrap());
                (Child::spawn(PRODUCER, &["endless", at.name(), &file, "threads=2", long_every]), counters)
            })
            .collect();
        children.iter_mut().for_each(|(child, _)| child.wait_ready());
        children.iter_mut().for_each(|(child, _)| child.go());
        for (child, counters) in &mut children {
            let until = Instant::now() + Duration::from_micros(random.below(9_000));
            drain(&mut consumer, Duration::from_millis(1), until, &mut received);
            child.kill();
            for producer in 0..2 {
                promised.insert((child.id(), producer), counters.get(producer));
            }
        }
    }
    let free = free_blocks_after(&ring, all_blocks, || {
        let until = Instant::now() + SOON;
        drain(&mut consumer, Duration::from_millis(20), until, &mut received);
    });
    while !consumer.is_drained().unwrap() {
        drain(&mut consumer, Duration::from_millis(20), Instant::now() + SOON, &mut received);
    }
    for ((pid, producer), promised) in promised {
        let arrived: u64 = received
            .records
            .iter()
            .filter(|(key, _)| (key.0, key.1) == (pid, producer))
            .map(|(_, n)| n)
            .sum();
        // One record may have been published whose counter was not raised any more.
        assert!(
            (promised..=promised + 1).contains(&arrived),
            "{arrived} of {promised} arrived of producer {producer} in process {pid}"
        );
    }
    for ((pid, _, tid), arrived) in &received.records {
        assert_eq!(
            received.deaths.get(&(*pid, *tid)),
            Some(&arrived.checked_sub(1)),
            "thread {tid} of {pid}"
        );
    }
    let killed: BTreeSet<u32> = received.records.keys().map(|(pid, ..)| *pid).collect();
    assert!(received.processes.is_superset(&killed));
    println!(
        "{} deaths reported, of threads with {} records",
        received.deaths.len(),
        received.records.values().sum::<u64>()
    );
    assert_eq!(free, all_blocks, "blocks of dead producers come back");
    let after = stat(&ring);
    assert_eq!((after.definitions.used_segments, after.damaged, after.dropped), (0, 0, 0));
    assert!(after.lanes.iter().all(|lane| !lane.alive));
    // Six lanes were left open in each round, and there are ten: they were taken over. All still can be.
    let mut child = Child::spawn(PRODUCER, &["sequence", at.name(), "threads=9", "count=500"]);
    child.wait_ready();
    child.go();
    let mut arrivals = Arrivals::default();
    while arrivals.total() < 9 * 500 {
        arrivals.take(&consumer.next(SOON).unwrap().expect("more records"));
        if arrivals.total() % 50 == 0 {
            consumer.ack().unwrap();
        }
    }
    assert_eq!(child.finish(), [9 * 500, 0]);
}

#[test]
fn a_stopped_producer_delays_no_other() {
    const COUNT: u64 = 200_000;
    let at = Scratch::new();
    // So small that it goes round hundreds of times while one producer stands still.
    let options = Ring::options().size("128KiB").block_bytes(1024).lanes(8);
    let ring = at.create(options.overflow(Overflow::Block(SOON)));
    let mut consumer = ring.consumer().unwrap();
    let mut random = Random::new(3);
    let mut arrivals = Arrivals::default();
    let take = |consumer: &mut Consumer, arrivals: &mut Arrivals| {
        let entry = consumer.next(Duration::from_millis(20)).unwrap();
        let came = entry.is_some();
        if let Some(entry) = entry {
            arrivals.take(&entry);
        }
        if !came || arrivals.total().is_multiple_of(20) {
            consumer.ack().unwrap();
        }
        came
    };
    let start = |producer: u32, count: u64| {
        let (producer, count) = (format!("producer={producer}"), format!("count={count}"));
        let mut child = Child::spawn(PRODUCER, &["sequence", at.name(), &producer, &count, "long_every=500"]);
        child.wait_ready();
        child.go();
        child
    };
    let mut stopped = start(0, COUNT);
    for round in 1..=25 {
        let until = Instant::now() + Duration::from_micros(random.below(1_500));
        while Instant::now() < until {
            take(&mut consumer, &mut arrivals);
        }
        stopped.signal(Signal::SIGSTOP);
        let mut other = start(round, 10_000);
        while arrivals.of(round) < 10_000 {
            // Asked before: what it published until its end is there to be taken.
            let has_ended = other.has_ended();
            assert!(take(&mut consumer, &mut arrivals) || !has_ended, "the stopped one holds others up");
        }
        assert_eq!(other.finish(), [10_000, 0]);
        stopped.signal(Signal::SIGCONT);
    }
    assert!(arrivals.of(0) < COUNT, "it had ended before it was stopped for the last time");
    while arrivals.of(0) < COUNT {
        let has_ended = stopped.has_ended();
        assert!(take(&mut consumer, &mut arrivals) || !has_ended);
    }
    assert_eq!(stopped.finish(), [COUNT, 0]);
    assert_eq!(arrivals.total(), COUNT + 25 * 10_000);
    assert_eq!(stat(&ring).damaged, 0);
}
