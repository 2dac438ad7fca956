//! A forked child is a process of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use ringlog::reader::Body;
use ringlog::{Overflow, Ring};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{Arrivals, CreateRing, Proof, stat};

use crate::PRODUCER;

#[test]
fn a_forked_child_logs_with_its_own_lane() {
    const COUNT: u64 = 2_000;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").lanes(6).overflow(Overflow::Block(SOON)));
    let mut consumer = ring.consumer().unwrap();
    let count = format!("count={COUNT}");
    let mut child = Child::spawn(PRODUCER, &["fork", at.name(), &count]);
    let mut arrivals = Arrivals::default();
    // Of each producer: pid, tid, lane and its incarnation.
    let mut origins = BTreeMap::new();
    let mut take = |arrivals: &mut Arrivals| {
        let entry = consumer.next(SOON).unwrap().expect("more records");
        if matches!(entry.body, Body::UncleanExit(_)) {
            // Of a child that has ended by `_exit`.
            return consumer.ack().unwrap();
        }
        let Some(proof) = arrivals.take(&entry) else { return };
        assert_eq!(proof.sequence, entry.record().unwrap().sequence);
        let origin = (entry.origin.pid, entry.origin.tid, entry.origin.lane, entry.origin.incarnation);
        assert_eq!(
            *origins.entry(proof.producer).or_insert(origin),
            origin,
            "of producer {}",
            proof.producer
        );
        consumer.ack().unwrap();
    };
    while arrivals.total() < COUNT {
        take(&mut arrivals);
    }
    child.wait_ready();
    child.go();
    while arrivals.total() < 6 * COUNT {
        take(&mut arrivals);
    }
    let pids: Vec<u32> = child.finish().into_iter().map(|n| n as u32).collect();
    let [son, grandchild, parent] = pids[..] else { panic!("{pids:?}") };
    let expected = BTreeMap::from([(0, 3 * COUNT), (1, 2 * COUNT), (2, COUNT)]);
    assert_eq!((0..3).map(|n| (n, arrivals.of(n))).collect::<BTreeMap<_, _>>(), expected);
    for (producer, pid) in [(0, parent), (1, son), (2, grandchild)] {
        let (of_pid, tid, ..) = origins[&producer];
        assert_eq!((of_pid, tid), (pid, pid), "of producer {producer}: its main thread");
    }
    let mut lanes: Vec<_> = origins.values().map(|(_, _, lane, incarnation)| (lane, incarnation)).collect();
    lanes.sort();
    lanes.dedup();
    assert_eq!(lanes.len(), 3, "each has a lane of its own");
    assert_eq!(stat(&ring).damaged, 0);
}

#[test]
fn a_forked_child_of_a_process_with_threads_logs_at_once() {
    let (forks, count) = (40, 200);
    let at = Scratch::new();
    let options = Ring::options().size("1MiB").block_bytes(2048).lanes(16);
    let ring = at.create(options.overflow(Overflow::Block(SOON)));
    let mut consumer = ring.consumer().unwrap();
    let arguments = [format!("forks={forks}"), format!("count={count}")];
    let mut child =
        Child::spawn(PRODUCER, &["fork-while-logging", at.name(), "threads=3", &arguments[0], &arguments[1]]);
    child.wait_ready();
    child.go();
    let mut arrivals = Arrivals::default();
    let mut pids = BTreeMap::new();
    let mut died = Vec::new();
    let mut entries = 0;
    while let Some(entry) = consumer.next(Duration::from_secs(1)).unwrap() {
        if let Body::UncleanExit(death) = entry.body {
            let last: Vec<_> = death.lanes.iter().filter_map(|lane| lane.last_sequence).collect();
            assert_eq!(last, [count - 1], "{entry}");
            died.push(entry.origin.pid);
            continue;
        }
        let Some(Proof { producer, .. }) = arrivals.take(&entry) else { continue };
        assert_eq!(*pids.entry(producer).or_insert(entry.origin.pid), entry.origin.pid);
        entries += 1;
        if entries % 50 == 0 {
            consumer.ack().unwrap();
        }
    }
    consumer.ack().unwrap();
    let published = child.finish();
    assert_eq!((0..3).map(|n| arrivals.of(n)).collect::<Vec<_>>(), published);
    assert_eq!(arrivals.of(100), forks);
    for n in 0..forks {
        assert_eq!(arrivals.of(101 + n as u32), count, "of child {n}");
    }
    let mut children: Vec<u32> = pids.range(101..).map(|(_, pid)| *pid).collect();
    assert!(pids.range(..=100).all(|(_, pid)| *pid == child.id()), "the parent's threads");
    children.sort_unstable();
    children.dedup();
    assert_eq!(children.len() as u64, forks, "each child with a pid of its own");
    assert!(!children.contains(&child.id()));
    died.sort_unstable();
    assert_eq!(died, children, "each child has left by `_exit`, which is reported once");
}
