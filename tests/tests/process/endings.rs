//! Processes and threads that end in unusual ways: what they had published arrives, what they held comes
//! back, and nothing is damaged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringlog::reader::Consumer;
use ringlog::{Overflow, Ring};
use ringlog_testkit::{Child, Counters, SOON, Scratch};
use ringlog_tests::{Arrivals, CreateRing, free_blocks_after, lanes, stat, wait_for_lanes};

use crate::PRODUCER;

/// Takes out what there is, in a row without gaps of each producer.
fn drain(consumer: &mut Consumer, arrivals: &mut Arrivals) {
    while let Some(entry) = consumer.next(Duration::from_millis(20)).unwrap() {
        arrivals.take(&entry);
        if arrivals.total().is_multiple_of(50) {
            consumer.ack().unwrap();
        }
    }
    consumer.ack().unwrap();
}

/// A process that logs by two threads, besides its main one, ends in the given way, at many moments.
/// Returns how many records came of each producer.
fn ends(how: &str, stays: bool) -> Vec<BTreeMap<u32, u64>> {
    let at = Scratch::new();
    let options = Ring::options().size("128KiB").block_bytes(1024).lanes(8);
    let ring = at.create(options.overflow(Overflow::Block(SOON)));
    let blocks = ring.info().geometry().block_count();
    let mut consumer = ring.consumer().unwrap();
    let mut rounds = Vec::new();
    for round in 0..8 {
        let file = at.file(format!("counters-{round}"));
        let counters = Counters::open(&file);
        let arguments =
            [format!("how={how}"), format!("us={}", round * 150), format!("counters={}", file.display())];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = Child::spawn(PRODUCER, &[&["ending", at.name()], &arguments[..]].concat());
        child.wait_ready();
        let mut arrivals = Arrivals::default();
        child.go();
        // The ring is so small that its producers wait for us.
        let deadline = Instant::now() + SOON;
        while lanes(&ring).0 > 0 {
            assert!(Instant::now() < deadline, "{:#?}", stat(&ring).lanes);
            drain(&mut consumer, &mut arrivals);
        }
        if stays {
            assert!(!child.has_ended(), "the program that it has become goes on");
        } else {
            assert_eq!(child.wait().success(), how != "abort");
        }
        let free = free_blocks_after(&ring, blocks, || drain(&mut consumer, &mut arrivals));
        assert_eq!(free, blocks, "in round {round}");
        let came: BTreeMap<u32, u64> =
            (0..110).map(|n| (n, arrivals.of(n))).filter(|(_, n)| *n > 0).collect();
        for producer in 0..110 {
            let (promised, came) = (counters.get(producer), arrivals.of(producer));
            // One record may have been published whose counter was not raised any more.
            assert!((promised..=promised + 1).contains(&came), "{came} of {promised} of {producer}, {how}");
        }
        rounds.push(came);
        assert_eq!((stat(&ring).damaged, stat(&ring).dropped), (0, 0));
    }
    let total: u64 = rounds.iter().flat_map(BTreeMap::values).sum();
    println!("{how}: {} times, {total} records", rounds.len());
    rounds
}

#[test]
fn exec_while_threads_log_loses_nothing_published() {
    ends("exec", true);
}

#[test]
fn immediate_exit_while_threads_log_loses_nothing_published() {
    ends("_exit", false);
}

#[test]
fn abort_while_threads_log_loses_nothing_published() {
    ends("abort", false);
}

#[test]
fn exit_handlers_and_static_destructors_can_log() {
    for came in ends("exit", false) {
        assert_eq!((came[&100], came[&101]), (5, 5), "of an exit handler and of a destructor after it");
    }
}

#[test]
fn a_thread_without_destructors_keeps_its_lane_until_exit() {
    const THREADS: u32 = 3;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("128KiB").block_bytes(1024).lanes(6));
    let blocks = ring.info().geometry().block_count();
    let mut consumer = ring.consumer().unwrap();
    for killed in [false, true] {
        let mut arrivals = Arrivals::default();
        let mut child = Child::spawn(PRODUCER, &["without-destructors", at.name(), "count=30"]);
        child.wait_ready();
        drain(&mut consumer, &mut arrivals);
        assert_eq!((0..=THREADS).map(|n| arrivals.of(n)).collect::<Vec<_>>(), [30; THREADS as usize + 1]);
        // Those of the threads that are gone, that of the main thread and that of the process.
        assert_eq!(lanes(&ring).0, THREADS as usize + 2);
        let now = stat(&ring);
        let gone = |tid| !std::path::Path::new(&format!("/proc/{}/task/{tid}", child.id())).exists();
        let of_the_gone = now.lanes.iter().filter(|lane| lane.alive && !lane.is_process && gone(lane.tid));
        assert_eq!(of_the_gone.count(), THREADS as usize);
        // Their blocks are theirs as long as the process lives, drained as they are.
        let before = stat(&ring).free_blocks;
        std::thread::sleep(2 * Consumer::RECLAIM_INTERVAL);
        drain(&mut consumer, &mut arrivals);
        assert_eq!(stat(&ring).free_blocks, before);
        if killed {
            child.kill();
        } else {
            // It drops its ring in the orderly way, which closes the lanes of threads long gone.
            assert_eq!(child.finish(), [0_u64; 0]);
        }
        wait_for_lanes(&ring, (0, if killed { THREADS as usize + 2 } else { 0 }));
        let free = free_blocks_after(&ring, blocks, || drain(&mut consumer, &mut arrivals));
        assert_eq!(free, blocks);
    }
    assert_eq!((stat(&ring).damaged, stat(&ring).dropped), (0, 0));
}
