//! Several users of one ring in one process: threads, a consumer beside its producers, and two copies of
//! the library. Each has its own locks, and closing one's descriptors takes no other's.

use std::sync::Barrier;
use std::time::Duration;

use ringlog::{Overflow, Ring};
use ringlog_testkit::{SOON, Scratch};
use ringlog_tests::{Arrivals, CreateRing, Kind, SecondCopy, Sequenced, stat};

fn push(log: &ringlog::Logger, producer: u32, sequences: std::ops::Range<u64>) {
    sequences.for_each(|n| log.push(&Sequenced::new(producer, n, "one process")).unwrap());
}

/// Numbers of the lanes that are open and alive; none may be open and dead.
fn alive(ring: &Ring) -> Vec<u32> {
    let lanes = stat(ring).lanes;
    assert!(lanes.iter().all(|lane| lane.alive == lane.open), "{lanes:#?}");
    lanes.into_iter().filter(|lane| lane.alive).map(|lane| lane.lane).collect()
}

#[test]
fn two_copies_of_the_library_have_their_own_lanes_and_locks() {
    let at = Scratch::new();
    let first = at.create(Ring::options().size("256KiB").lanes(8));
    let log = first.logger();
    push(&log, 0, 0..10);
    assert_eq!(alive(&first), [0, 1]);
    let second = SecondCopy::open(at.name());
    // The same thread, by both copies.
    assert_eq!(second.push(1, 0, 10), 10);
    assert_eq!(alive(&first), [0, 1, 2, 3]);
    let lanes = stat(&first).lanes;
    assert!(lanes.iter().all(|lane| lane.pid == std::process::id()));
    let mut consumer = first.consumer().unwrap();
    let mut arrivals = Arrivals::default();
    let mut drain = |arrivals: &mut Arrivals, total| {
        while arrivals.total() < total {
            arrivals.take(&consumer.next(SOON).unwrap().expect("more records"));
            consumer.ack().unwrap();
        }
    };
    drain(&mut arrivals, 20);
    // A thread that logs by both, and ends when the second copy is closed and unloaded.
    let (logged, unloaded) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            push(&log, 2, 0..10);
            assert_eq!(second.push(3, 0, 10), 10);
            logged.wait();
            unloaded.wait();
            push(&log, 2, 10..20);
        });
        logged.wait();
        assert_eq!(alive(&first).len(), 6);
        second.close();
        assert_eq!(alive(&first).len(), 3, "the first copy's, all of them");
        push(&log, 0, 10..20);
        second.unload();
        // What runs when a thread ends is the code of both copies.
        unloaded.wait();
        thread.join().unwrap();
    });
    drain(&mut arrivals, 60);
    assert_eq!((0..4).map(|n| arrivals.of(n)).collect::<Vec<_>>(), [20, 10, 20, 10]);
    assert_eq!((alive(&first), stat(&first).reclaim.blocks), (vec![0, 1], 0));
}

#[test]
fn a_consumer_leaves_producers_of_its_own_process_alive() {
    const THREADS: u32 = 3;
    const COUNT: u64 = 3_000;
    let at = Scratch::new();
    let options = Ring::options().size("128KiB").block_bytes(1024).lanes(6);
    let ring = at.create(options.overflow(Overflow::Block(SOON)));
    let log = ring.logger();
    push(&log, 99, 0..1);
    let mut arrivals = Arrivals::default();
    let mut looks = 0;
    let stand = Barrier::new(THREADS as usize + 1);
    std::thread::scope(|scope| {
        let stand = &stand;
        for producer in 0..THREADS {
            let log = ring.logger();
            scope.spawn(move || {
                push(&log, producer, 0..COUNT);
                stand.wait();
                stand.wait();
                push(&log, producer, COUNT..2 * COUNT);
                stand.wait();
            });
        }
        // Consumers come and go, each with descriptors and locks of its own, while the producers log.
        let mut drain_by_many = |arrivals: &mut Arrivals, total: u64| {
            while arrivals.total() < total {
                let mut consumer = ring.consumer().unwrap();
                for _ in 0..500 {
                    let Some(entry) = consumer.next(Duration::from_millis(1)).unwrap() else { break };
                    arrivals.take(&entry);
                }
                consumer.ack().unwrap();
                // Each begins with a look for the dead, and asks about its own process.
                looks += 1;
                let open = consumer.open_lanes().unwrap();
                assert!((2..=THREADS as usize + 2).contains(&open), "{open}");
            }
        };
        drain_by_many(&mut arrivals, u64::from(THREADS) * COUNT + 1);
        stand.wait();
        assert_eq!((alive(&ring).len(), stat(&ring).reclaim.blocks), (THREADS as usize + 2, 0));
        stand.wait();
        drain_by_many(&mut arrivals, 2 * u64::from(THREADS) * COUNT + 1);
        stand.wait();
    });
    println!("{looks} consumers looked for the dead among the living");
    assert_eq!((stat(&ring).reclaim.blocks, stat(&ring).damaged), (0, 0));
    push(&log, 99, 1..2);
}
