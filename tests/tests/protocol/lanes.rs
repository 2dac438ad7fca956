//! Lanes: many at once, none left, given back.

use std::time::{Duration, Instant};

use ringlog::reader::{Body, GapReason, RefusedStat};
use ringlog::{Level, Overflow, PushError, Ring};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{Arrivals, CreateRing, stat};

use crate::PRODUCER;

#[test]
fn three_hundred_lanes_log_at_once() {
    let at = Scratch::new();
    let options = Ring::options().size("4MiB").block_bytes(4096).lanes(320);
    let ring = at.create(options.overflow(Overflow::Block(SOON)));
    let mut consumer = ring.consumer().unwrap();
    let mut children: Vec<Child> = (0..3)
        .map(|n| {
            let first = format!("producer={}", n * 100);
            Child::spawn(PRODUCER, &["many-lanes", at.name(), &first, "threads=100", "count=400"])
        })
        .collect();
    children.iter_mut().for_each(Child::wait_ready);
    let open = |processes| {
        let lanes = stat(&ring).lanes;
        lanes.iter().filter(|lane| lane.alive && lane.open && lane.is_process == processes).count()
    };
    assert_eq!((open(false), open(true)), (300, 3));
    assert_eq!(consumer.open_lanes().unwrap(), 303);
    children.iter_mut().for_each(Child::go);
    let mut arrivals = Arrivals::default();
    while arrivals.total() < 300 * 400 {
        arrivals.take(&consumer.next(SOON).unwrap().expect("more records"));
        if arrivals.total() % 100 == 0 {
            consumer.ack().unwrap();
        }
    }
    consumer.ack().unwrap();
    for producer in 0..300 {
        assert_eq!(arrivals.of(producer), 400, "of producer {producer}");
    }
    children.iter_mut().for_each(|child| assert_eq!(child.finish(), [0_u64; 0]));
    assert_eq!((open(false), open(true)), (0, 0));
    assert_eq!(consumer.open_lanes().unwrap(), 0);
}

#[test]
fn one_lane_too_many_fails_with_a_message() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").lanes(4));
    // One lane is the process's, three are its threads'.
    let mut holder = Child::spawn(PRODUCER, &["many-lanes", at.name(), "threads=3", "count=1"]);
    holder.wait_ready();
    let log = ring.logger();
    let expected = format!("all 4 lanes of {} are in use; make the ring with more --lanes", at.name());
    assert_eq!(log.open_lane().unwrap_err().to_string(), expected);
    for _ in 0..57 {
        assert_eq!(log.text(Level::INFO, "", "nowhere to go").unwrap_err(), PushError::NoLane);
    }
    assert_eq!(
        PushError::NoLane.to_string(),
        "no lane was free for this thread; the record was dropped and counted; make the ring with more --lanes"
    );
    assert_eq!(stat(&ring).dropped_without_lane, 57);
    assert_eq!(stat(&ring).refused, RefusedStat { no_lane: 57, ..RefusedStat::default() });
    let mut consumer = ring.consumer().unwrap();
    {
        let entry = consumer.next(SOON).unwrap().expect("the gap");
        let Body::Gap(gap) = entry.body else { panic!("{entry}") };
        assert_eq!((gap.count, gap.reason, entry.origin.is_known()), (57, GapReason::NoLane, false));
        let why = "every lane was in use; make the ring with more --lanes";
        assert_eq!(entry.message(), format!("57 records dropped here: {why}"));
    }
    consumer.ack().unwrap();
    assert!(consumer.next(Duration::from_millis(500)).unwrap().is_none(), "reported once");
    holder.go();
    assert_eq!(holder.finish(), [0_u64; 0]);
    // The thread that was refused so often gets a lane as soon as there is one.
    let deadline = Instant::now() + SOON;
    while log.text(Level::INFO, "", "at last").is_err() {
        assert!(Instant::now() < deadline, "the lanes are free, but the thread still has none");
    }
}

#[test]
fn an_unacknowledged_gap_without_a_lane_is_reported_again() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").lanes(4));
    let mut holder = Child::spawn(PRODUCER, &["many-lanes", at.name(), "threads=3", "count=1"]);
    holder.wait_ready();
    assert_eq!(ring.logger().text(Level::INFO, "", "nowhere to go"), Err(PushError::NoLane));
    let gap = || {
        let mut consumer = ring.consumer().unwrap();
        let entry = consumer.next(SOON).unwrap().expect("the gap");
        assert!(entry.message().starts_with("1 record dropped here: every lane was in use"), "{entry}");
        consumer
    };
    drop(gap());
    gap().ack().unwrap();
    let mut consumer = ring.consumer().unwrap();
    assert!(consumer.next(Duration::from_millis(500)).unwrap().is_none());
}

#[test]
fn records_keep_the_name_of_their_ended_thread() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").lanes(3));
    let log = ring.logger();
    log.text(Level::INFO, "", "main").unwrap();
    const THREADS: u32 = 20;
    for n in 0..THREADS {
        let log = log.clone();
        let thread = std::thread::Builder::new().name(format!("worker-{n}"));
        // One lane is left, so each of them gets it, and only if the one before has given it back.
        // At once, but for one case: a child process that another test starts in the middle of a lane's
        // opening has a copy of the lane's descriptor, and with it of the lock, until its exec.
        let work = move || {
            let deadline = Instant::now() + SOON;
            while log.open_lane().is_err() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            (0..3).for_each(|i| log.text(Level::INFO, "", format!("{n}.{i}")).unwrap());
        };
        thread.spawn(work).unwrap().join().unwrap();
    }
    let mut consumer = ring.consumer().unwrap();
    assert_eq!(consumer.next(SOON).unwrap().unwrap().message(), "main");
    for n in 0..THREADS {
        for i in 0..3 {
            let entry = consumer.next(SOON).unwrap().unwrap();
            let origin = entry.origin;
            assert_eq!(entry.message(), format!("{n}.{i}"));
            assert_eq!(
                (origin.lane, origin.incarnation, &*origin.thread),
                (2, n + 1, &*format!("worker-{n}"))
            );
            assert_eq!((origin.pid, entry.record().unwrap().sequence), (std::process::id(), i));
        }
    }
    consumer.ack().unwrap();
    assert_eq!(consumer.open_lanes().unwrap(), 2, "this thread's and the process's");
}

#[test]
fn a_lane_taken_while_it_is_closed_belongs_to_the_new_thread() {
    const WORKERS: usize = 24;
    const ROUNDS: u32 = 300;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").lanes(WORKERS as u32 + 2));
    let log = ring.logger();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            // Joined each, so that what runs at a thread's end has run.
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    std::thread::scope(|inner| inner.spawn(|| log.open_lane().unwrap()).join().unwrap());
                }
            });
        }
    });
    let lanes = stat(&ring).lanes;
    let opened: u32 = lanes.iter().filter(|lane| !lane.is_process).map(|lane| lane.incarnation).sum();
    assert_eq!(opened, WORKERS as u32 * ROUNDS);
    let left: Vec<_> = lanes.iter().filter(|lane| !lane.is_process && (lane.alive || lane.open)).collect();
    assert!(left.is_empty(), "their threads have ended: {left:#?}");
}
