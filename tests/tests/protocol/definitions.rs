//! The definition area: each definition is stored once for all processes, and its space comes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringlog::reader::{Consumer, DefinitionStat};
use ringlog::schema::{Definition, Site};
use ringlog::{Level, Ring};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{CreateRing, Made, stat};

use crate::PRODUCER;

/// A process that logs `count` records with a definition each, from number `first` on, and has not begun yet.
fn define(at: &Scratch, first: u64, count: u64, run_time: bool) -> Child {
    let arguments =
        [format!("first={first}"), format!("count={count}"), format!("run_time={}", u8::from(run_time))];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = Child::spawn(PRODUCER, &[&["define", at.name()], &arguments[..]].concat());
    child.wait_ready();
    child
}

/// Takes out what is there, and counts it by number; each record has to be that of its definition.
fn drain(consumer: &mut Consumer, numbers: &mut BTreeMap<u64, u64>) {
    while let Some(entry) = consumer.next(Duration::from_millis(5)).unwrap() {
        if let Some(number) = Made::number_of(&entry) {
            *numbers.entry(number).or_default() += 1;
        }
    }
    consumer.ack().unwrap();
}

fn definitions(ring: &Ring) -> DefinitionStat {
    stat(ring).definitions
}

/// Waits until a quarter of the area is free; the consumer looks for that.
fn wait_for_room(ring: &Ring, mut drain: impl FnMut()) {
    let began = Instant::now();
    while definitions(ring).used_bytes > definitions(ring).bytes / 4 * 3 {
        assert!(began.elapsed() < SOON, "{:?}", definitions(ring));
        drain();
    }
}

#[test]
fn processes_of_one_program_store_its_definitions_once() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("16MiB"));
    let mut consumer = ring.consumer().unwrap();
    let (processes, sites) = (24, 3000);
    let mut children: Vec<Child> = (0..processes).map(|_| define(&at, 0, sites, false)).collect();
    children.iter_mut().for_each(Child::go);
    let mut numbers = BTreeMap::new();
    let began = Instant::now();
    while numbers.values().sum::<u64>() < processes * sites {
        assert!(began.elapsed() < SOON, "{} records", numbers.values().sum::<u64>());
        drain(&mut consumer, &mut numbers);
    }
    for child in &mut children {
        assert_eq!(child.numbers(), [sites, 0]);
    }
    assert!(numbers.len() as u64 == sites && numbers.values().all(|count| *count == processes));
    let all = stat(&ring);
    assert_eq!((all.dropped, all.described), (0, 0));
    // What one process alone needs.
    let alone = Scratch::new();
    let one = alone.create(Ring::options().size("16MiB"));
    let mut child = define(&alone, 0, sites, false);
    child.go();
    assert_eq!(child.numbers(), [sites, 0]);
    let (one, all) = (definitions(&one), all.definitions);
    println!("one process: {one:?}; {processes}: {all:?}");
    assert_eq!(u64::from(one.count), sites);
    // Those that start in step may write the same one at the same time, and keep the place for another.
    assert!(u64::from(all.count) <= sites + sites / 100, "{all:?}");
    assert!(all.used_bytes <= one.used_bytes + one.used_bytes / 20, "{all:?}, of one process {one:?}");
}

#[test]
fn sites_made_at_run_time_leave_room_for_other_programs() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB"));
    let mut consumer = ring.consumer().unwrap();
    let mut numbers = BTreeMap::new();
    let mut run = |first, count, run_time| {
        let mut child = define(&at, first, count, run_time);
        child.go();
        let began = Instant::now();
        let before = numbers.values().sum::<u64>();
        while numbers.values().sum::<u64>() < before + count {
            assert!(began.elapsed() < SOON);
            drain(&mut consumer, &mut numbers);
        }
        assert_eq!(child.numbers(), [count, 0]);
        child
    };
    let _interpreter = run(0, 4000, true);
    let used = definitions(&ring);
    assert!(used.used_bytes <= used.bytes / 4 + 1024, "{used:?}");
    let described = stat(&ring).described;
    assert!(described > 3000, "{described}");
    let limits = ringlog::reader::DefinitionLimits { run_time_share: true, ..Default::default() };
    assert_eq!(definitions(&ring).limits, limits);
    let _program = run(10_000, 200, false);
    assert_eq!(stat(&ring).described, described, "another program's definitions have room");
    assert_eq!(stat(&ring).dropped, 0);
}

#[test]
fn short_lived_processes_use_the_area_again() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").definitions("64KiB"));
    let mut consumer = ring.consumer().unwrap();
    let mut numbers = BTreeMap::new();
    let (processes, sites) = (40, 50);
    for process in 0..processes {
        let mut child = define(&at, process * sites, sites, false);
        child.go();
        assert_eq!(child.numbers(), [sites, 0]);
        child.release();
        child.wait();
        drain(&mut consumer, &mut numbers);
        wait_for_room(&ring, || drain(&mut consumer, &mut numbers));
    }
    let after = stat(&ring);
    assert_eq!(numbers.len() as u64, processes * sites);
    assert_eq!((after.described, after.dropped, after.damaged), (0, 0, 0), "{after:#?}");
}

#[test]
fn without_a_consumer_the_next_process_makes_room() {
    for _ in 0..20 {
        let at = Scratch::new();
        let ring = at.create(Ring::options().size("1MiB").definitions("64KiB"));
        let mut child = define(&at, 0, 300, false);
        let (mut consumer, mut numbers) = (ring.consumer().unwrap(), BTreeMap::new());
        child.go();
        assert_eq!(child.numbers(), [300, 0]);
        drain(&mut consumer, &mut numbers);
        child.release();
        child.wait();
        drain(&mut consumer, &mut numbers);
        drop(consumer);
        let full = stat(&ring);
        if full.definitions.count < 280 || full.free_blocks < ring.info().geometry().block_count() {
            // The consumer has looked before it was dropped, or not read to the end.
            continue;
        }
        let mut next = define(&at, 1000, 100, false);
        let emptied = definitions(&ring);
        assert!(emptied.used_bytes < full.definitions.used_bytes, "{emptied:?}");
        next.go();
        assert_eq!(next.numbers(), [100, 0]);
        return;
    }
    panic!("the consumer always looked first");
}

/// Records of the killed stay in the ring unread while others take all the room that comes back.
#[test]
fn definitions_outlive_their_process_until_its_records_are_read() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").definitions("64KiB").lanes(12));
    let rounds = 12;
    for round in 0..rounds {
        let first = round * 100_000;
        let mut killed = define(&at, first, 120, false);
        killed.go();
        assert_eq!(killed.numbers(), [120, 0]);
        killed.kill();
        // Each begins by looking for room, and takes over lanes of the dead.
        for other in 1..=3 {
            let mut child = define(&at, first + other * 1000, 60, false);
            child.go();
            assert_eq!(child.numbers(), [60, 0]);
            if other % 2 == 0 {
                child.kill()
            } else {
                child.release()
            }
            child.wait();
        }
        let (mut consumer, mut numbers) = (ring.consumer().unwrap(), BTreeMap::new());
        while !consumer.is_drained().unwrap() {
            drain(&mut consumer, &mut numbers);
        }
        assert_eq!(numbers.len(), 300, "round {round}");
    }
    let after = stat(&ring);
    assert_eq!((after.damaged, after.dropped), (0, 0));
    println!("{} of {} records brought their definition", after.described, rounds * 300);
}

#[test]
fn a_full_area_refuses_no_record() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("4MiB").definitions("4KiB"));
    let mut consumer = ring.consumer().unwrap();
    let mut numbers = BTreeMap::new();
    let mut child = define(&at, 0, 500, false);
    child.go();
    assert_eq!(child.numbers(), [500, 0]);
    drain(&mut consumer, &mut numbers);
    let all = stat(&ring);
    assert_eq!((numbers.len(), all.dropped), (500, 0));
    assert!(all.described > 450, "{all:#?}");
    let limits = ringlog::reader::DefinitionLimits { process_share: true, ..Default::default() };
    assert_eq!(all.definitions.limits, limits);
    assert!(all.definitions.count > 0 && all.definitions.used_bytes <= all.definitions.bytes);
    ring.logger().text(Level::INFO, "after", "still room").unwrap();
}

/// The index leads to both by one checksum, and only their bytes tell them apart.
#[test]
fn definitions_of_one_checksum_are_not_taken_for_each_other() {
    let texts = ["dvdba", "x98cu"];
    assert_eq!(crc32fast::hash(texts[0].as_bytes()), crc32fast::hash(texts[1].as_bytes()));
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB"));
    // A process has its own definitions at hand, so others have to look for them.
    for _ in 0..2 {
        let log = Ring::open(at.name()).unwrap().logger();
        for text in texts {
            let definition = Definition { text: text.into(), ..Definition::new(Level::INFO, "same") };
            log.values(&Site::new(definition), &[]).unwrap();
        }
    }
    let (mut consumer, mut messages) = (ring.consumer().unwrap(), Vec::new());
    while messages.len() < 4
        && let Some(entry) = consumer.next(SOON).unwrap()
    {
        messages.push(entry.message());
    }
    messages.sort();
    assert_eq!(messages, ["dvdba", "dvdba", "x98cu", "x98cu"]);
    assert!(consumer.next(Duration::from_millis(5)).unwrap().is_none());
    assert_eq!(definitions(&ring).count, 2);
}
