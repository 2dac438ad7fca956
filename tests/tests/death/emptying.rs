//! A process that empties segments of the definition area may be killed or stopped at any instruction of that.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringlog::Ring;
use ringlog::reader::Observer;
use ringlog_testkit::{Child, SOON, Scratch, Stepped};
use ringlog_tests::{CreateRing, Made, stat};

use crate::PRODUCER;

/// The numbers of the killed process's records, which nobody has read.
const UNREAD: std::ops::Range<u64> = 1_000..1_060;

/// A process that logs `count` records with a definition each, and has not begun yet.
fn define(at: &Scratch, first: u64, count: u64) -> Child {
    let arguments = ["define", at.name(), &format!("first={first}"), &format!("count={count}")];
    let mut child = Child::spawn(PRODUCER, &arguments);
    child.wait_ready();
    child
}

/// Has a process log definitions of its own, and ends it.
fn log_others(at: &Scratch, first: u64) {
    let mut child = define(at, first, 40);
    child.go();
    assert_eq!(child.numbers(), [40, 0]);
    child.release();
    assert!(child.wait().success());
}

/// Takes out what is there, until nothing is left, and counts it by number; each record has to be that of its
/// definition.
fn drained(ring: &Ring) -> BTreeMap<u64, u64> {
    let (mut consumer, mut numbers) = (ring.consumer().unwrap(), BTreeMap::new());
    let began = Instant::now();
    while !consumer.is_drained().unwrap() {
        assert!(began.elapsed() < SOON, "{numbers:?}");
        while let Some(entry) = consumer.next(Duration::from_millis(5)).unwrap() {
            if let Some(number) = Made::number_of(&entry) {
                *numbers.entry(number).or_default() += 1;
            }
        }
        consumer.ack().unwrap();
    }
    numbers
}

/// The bytes of a ring whose definition area is full: most of it by a process that has ended, whose records are read,
/// and the rest by one that was killed, whose records are not.
fn full_ring() -> Vec<u8> {
    // The consumer that reads the records may empty the segments itself.
    (0..20).find_map(|_| try_full_ring()).expect("the consumer is not always first")
}

fn try_full_ring() -> Option<Vec<u8>> {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("64KiB").block_bytes(1024).lanes(8).definitions("16KiB"));
    let (mut ended, mut killed) = (define(&at, 0, 200), define(&at, UNREAD.start, 60));
    ended.go();
    assert_eq!(ended.numbers(), [200, 0]);
    // The pins of the process hold the segments meanwhile.
    drained(&ring);
    ended.release();
    assert!(ended.wait().success());
    drained(&ring);
    killed.go();
    assert_eq!(killed.numbers(), [60, 0]);
    killed.kill();
    let definitions = stat(&ring).definitions;
    (definitions.used_bytes > definitions.bytes / 8 * 7).then(|| std::fs::read(at.name()).unwrap())
}

/// A ring with these bytes.
fn ring_of(bytes: &[u8]) -> Scratch {
    let at = Scratch::new();
    std::fs::write(at.name(), bytes).unwrap();
    at
}

/// A child that is about to open the ring, and with that to empty segments.
fn emptying(at: &Scratch) -> Stepped {
    Stepped::start(PRODUCER, &["empty", at.name()])
}

/// Every record is there once, and is that of its definition.
fn everything_is_there(at: &Scratch, firsts: &[u64]) {
    let ring = Ring::open(at.name()).unwrap();
    let numbers = drained(&ring);
    let others = firsts.iter().flat_map(|first| *first..first + 40);
    let expected: BTreeMap<u64, u64> = UNREAD.chain(others).map(|number| (number, 1)).collect();
    assert_eq!(numbers, expected);
    let stat = stat(&ring);
    assert_eq!((stat.damaged, stat.dropped), (0, 0));
}

/// Nothing is left of a killed process but the ring's bytes, so each copy of them is a kill.
#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_instruction_of_emptying_segments() {
    let full = full_ring();
    let at = ring_of(&full);
    let mut states = vec![full];
    let path = emptying(&at).follow(|_| {
        let now = std::fs::read(at.name()).unwrap();
        if states.last() != Some(&now) {
            states.push(now);
        }
    });
    println!("{} instructions, {} states of the ring", path.len(), states.len());
    let used = |bytes: &Vec<u8>| {
        let copy = ring_of(bytes);
        Observer::open(copy.name()).unwrap().stat().unwrap().definitions.used_bytes
    };
    assert!(used(states.last().unwrap()) < used(&states[0]), "it has emptied a segment");
    for (number, state) in states.iter().enumerate() {
        println!("state {number}");
        let copy = ring_of(state);
        log_others(&copy, 2_000);
        log_others(&copy, 3_000);
        everything_is_there(&copy, &[2_000, 3_000]);
    }
}

/// It goes on when others have emptied the segments and have used them again.
#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn stopped_before_each_change_of_emptying_segments() {
    let full = full_ring();
    let at = ring_of(&full);
    let (path, changes) = emptying(&at).follow_changes(at.name());
    // Before each change, whose condition does not hold any more then.
    for done in changes {
        println!("stopped after {} of {} instructions", done - 1, path.len());
        let at = ring_of(&full);
        let mut child = emptying(&at);
        assert!(child.go_along(&path, done - 1), "another way");
        log_others(&at, 2_000);
        log_others(&at, 3_000);
        child.run_over_marker();
        child.kill();
        log_others(&at, 4_000);
        everything_is_there(&at, &[2_000, 3_000, 4_000]);
    }
}
