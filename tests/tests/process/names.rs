//! A name is enough: a process that logs follows its ring's name to the ring that is there now.

#![allow(unsafe_code)]

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use ringlog::reader::{Body, GapReason};
use ringlog::{Level, Logger, Overflow, PushError, Ring};
use ringlog_testkit::{SOON, Scratch};
use ringlog_tests::{CreateRing, Kind, Proof, Sequenced, drained, stat};

/// Longer than the pause between two looks at the path.
const A_LOOK: Duration = Duration::from_millis(1_100);

fn push(log: &Logger, producer: u32, sequence: u64) -> Result<(), PushError> {
    log.push(&Sequenced::new(producer, sequence, ""))
}

/// Removes the ring's file as `rm` does, which tells nobody.
fn remove(at: &Scratch) {
    std::fs::remove_file(at.name()).unwrap();
}

/// Makes the ring anew, and leaves word of it in the old one as its consumer would.
fn replace_and_tell(at: &Scratch) -> Ring {
    let old = std::fs::File::options().write(true).open(at.name()).unwrap();
    remove(at);
    let anew = at.create(small());
    old.write_all_at(&2_u64.to_le_bytes(), FLAGS).unwrap();
    anew
}

/// The word of the header's flags.
const FLAGS: u64 = 288;

fn small() -> ringlog::Options {
    Ring::options().size("256KiB").lanes(8)
}

/// Lines of `/proc/self/maps` that name this file, there or deleted; and those of private memory.
fn mappings(at: &Scratch) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(at.name())).count()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn records_go_to_the_ring_that_was_made_anew() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    (0..10).for_each(|n| push(&log, 0, n).unwrap());
    remove(&at);
    let anew = at.create(Ring::options().size("1MiB").lanes(4).block_bytes(4096));
    std::thread::sleep(A_LOOK);
    (10..20).for_each(|n| push(&log, 0, n).unwrap());
    assert_eq!(records_and_left(&anew), ((10..20).collect::<Vec<u64>>(), 10));
    assert_eq!(mappings(&at), mappings_of_one(), "the old ring is unmapped");
}

/// What a consumer finds: the sequences, and how many records were left in a ring before.
fn records_and_left(ring: &Ring) -> (Vec<u64>, u64) {
    let mut consumer = ring.consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    let (mut records, mut left) = (Vec::new(), 0);
    while let Some(entry) = consumer.next(Duration::from_millis(500)).unwrap() {
        match &entry.body {
            Body::Record(_) => records.push(Proof::of(&entry).unwrap().sequence),
            Body::Gap(gap) => {
                assert_eq!((gap.reason, entry.origin.is_known()), (GapReason::Left, false));
                left += gap.count;
            }
            other => panic!("{other:?}"),
        }
    }
    consumer.ack().unwrap();
    (records, left)
}

/// Mappings of a ring that one thread logs into, by the number that a fresh one has.
fn mappings_of_one() -> usize {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    push(&log, 0, 0).unwrap();
    // The test's own ring is held by three handles: the logger, and the ring that was made anew.
    let second = Ring::open(at.name()).unwrap();
    let count = mappings(&at);
    drop(second);
    count
}

#[test]
fn a_replaced_ring_is_left_without_a_lost_record() {
    let at = Scratch::new();
    let old = at.create(small());
    let log = old.logger();
    let mut consumer = old.consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    // As `mv new app` does: no moment without a ring.
    small().create(&at.text("new")).unwrap();
    std::fs::rename(at.file("new"), at.name()).unwrap();
    let start = Instant::now();
    let mut sequence = 0;
    let mut from_old = Vec::new();
    let new = Ring::open(at.name()).unwrap();
    while stat(&new).published == 0 {
        assert!(start.elapsed() < SOON, "it never moved");
        push(&log, 0, sequence).unwrap();
        sequence += 1;
        while let Some(entry) = consumer.next(Duration::ZERO).unwrap() {
            from_old.push(entry.record().unwrap().sequence);
        }
        consumer.ack().unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    (0..300).for_each(|n| push(&log, 0, sequence + n).unwrap());
    while let Some(entry) = consumer.next(Duration::from_millis(50)).unwrap() {
        from_old.push(entry.record().unwrap().sequence);
    }
    consumer.ack().unwrap();
    assert!(consumer.is_nameless());
    let from_new: Vec<u64> = drained(&new).remove(&0).unwrap();
    let old_count = from_old.len() as u64;
    assert_eq!(old_count + from_new.len() as u64, sequence + 300);
    assert_eq!(from_new, (old_count..sequence + 300).collect::<Vec<u64>>());
}

#[test]
fn without_a_ring_records_are_refused_and_counted() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    push(&log, 0, 0).unwrap();
    remove(&at);
    std::thread::sleep(A_LOOK);
    for n in 0..50 {
        assert_eq!(push(&log, 0, n), Err(PushError::Gone));
    }
    let anew = at.create(small());
    std::thread::sleep(Duration::from_millis(20));
    push(&log, 0, 1).unwrap();
    let stat = stat(&anew);
    assert_eq!((stat.refused.no_ring, stat.refused.left), (50, 1));
}

#[test]
fn a_thread_that_begins_before_the_next_look_loses_nothing() {
    let at = Scratch::new();
    let old = at.create(small());
    let log = old.logger();
    let mut consumer = old.consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    let in_a_thread = |n| std::thread::scope(|scope| scope.spawn(|| push(&log, 0, n)).join().unwrap());
    in_a_thread(0).unwrap();
    assert!(consumer.next(SOON).unwrap().is_some());
    remove(&at);
    in_a_thread(1).unwrap();
    let anew = at.create(small());
    in_a_thread(2).unwrap();
    let mut records = Vec::new();
    while let Some(entry) = consumer.next(Duration::from_millis(50)).unwrap() {
        records.push(Proof::of(&entry).unwrap().sequence);
    }
    consumer.ack().unwrap();
    records.extend(drained(&anew).remove(&0).unwrap_or_default());
    assert_eq!(records, [1, 2]);
}

#[test]
fn each_thread_of_a_shared_logger_moves() {
    const THREADS: u32 = 4;
    let at = Scratch::new();
    let log = at.create(small()).logger();
    let (go, gone) = (std::sync::Barrier::new(5), std::sync::Barrier::new(5));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (log, go, gone) = (log.clone(), &go, &gone);
            scope.spawn(move || {
                push(&log, thread, 0).unwrap();
                go.wait();
                gone.wait();
                // While one thread moves, the others go on in the old ring.
                let moved = (1..10).filter(|_| {
                    push(&log, thread, 1).unwrap();
                    std::thread::sleep(Duration::from_millis(150));
                    true
                });
                assert_eq!(moved.count(), 9);
                go.wait();
                gone.wait();
            });
        }
        go.wait();
        remove(&at);
        let anew = at.create(small());
        std::thread::sleep(A_LOOK);
        gone.wait();
        go.wait();
        let stat = stat(&anew);
        gone.wait();
        assert_eq!(stat.published + stat.refused.left, u64::from(THREADS) * 10, "{stat:?}");
        assert!(stat.published >= u64::from(THREADS) * 8, "{stat:?}");
    });
}

#[test]
fn many_moves_leave_no_mappings_or_descriptors() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    push(&log, 0, 0).unwrap();
    let moved = |count: u64| {
        for _ in 0..count {
            let anew = replace_and_tell(&at);
            for n in 0.. {
                push(&log, 0, n).unwrap();
                if anew_has_records(&anew) {
                    break;
                }
                assert!(n < 10_000, "it never moved");
                // The ring before has room for what is logged until the next look.
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        (maps, mappings(&at), descriptors())
    };
    moved(20);
    let before = moved(1);
    let after = moved(200);
    // Other tests may run in this process meanwhile; a leak would be one of 200.
    let has_grown = after.0 > before.0 + 50 || after.2 > before.2 + 50;
    assert!(!has_grown && after.1 == before.1, "{before:?} {after:?}");
}

fn anew_has_records(anew: &Ring) -> bool {
    stat(anew).free_blocks < anew.info().geometry().block_count()
}

#[test]
fn a_forged_flag_moves_no_process() {
    let at = Scratch::new();
    let ring = at.create(small());
    let log = ring.logger();
    push(&log, 0, 0).unwrap();
    // The flags of the header: retired and nameless, though the file is at its path.
    let file = std::fs::File::options().write(true).open(at.name()).unwrap();
    file.write_all_at(&3_u64.to_le_bytes(), FLAGS).unwrap();
    (1..2_000).for_each(|n| push(&log, 0, n).unwrap());
    assert_eq!(stat(&ring).published, 2_000);
    assert_eq!(stat(&ring).refused.no_ring, 0);
}

#[test]
fn a_forked_child_attaches_to_the_ring_that_is_there_now() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    push(&log, 0, 0).unwrap();
    remove(&at);
    let anew = at.create(small());
    // SAFETY: the child logs, which is allowed after a fork, and ends at once.
    match unsafe { libc::fork() } {
        0 => {
            let pushed = (0..10).all(|n| push(&log, 1, n).is_ok());
            // SAFETY: as above.
            unsafe { libc::_exit(i32::from(!pushed)) }
        }
        child => {
            let mut status = -1;
            // SAFETY: our own child, a local for its status.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(status, 0);
        }
    }
    std::thread::sleep(A_LOOK);
    (1..5).for_each(|n| push(&log, 0, n).unwrap());
    assert_eq!(stat(&anew).published, 14);
    assert_eq!(stat(&anew).refused.left, 1, "counted by the parent, and once");
}

#[test]
fn a_record_that_waits_for_space_moves() {
    let at = Scratch::new();
    let log = at.create(small().overflow(Overflow::Block(SOON))).logger();
    let filled = (0..)
        .take_while(|n| log.clone().with_overflow(Overflow::Drop).push(&Sequenced::new(0, *n, "")).is_ok());
    let count = filled.count() as u64;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| push(&log, 1, 0));
        std::thread::sleep(Duration::from_millis(50));
        remove(&at);
        at.create(small());
        waiting.join().unwrap().unwrap();
    });
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let anew = Ring::open(at.name()).unwrap();
    assert_eq!(stat(&anew).published, 1);
    push(&log, 0, 0).unwrap();
    // What was refused when the ring was full is left too.
    assert_eq!(stat(&anew).refused.left, count + 1);
}

#[test]
fn flush_waits_for_the_ring_before_as_well() {
    let at = Scratch::new();
    let old = at.create(small());
    let log = old.logger();
    let mut consumer = old.consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    assert!(consumer.next(Duration::ZERO).unwrap().is_none());
    (0..10).for_each(|n| push(&log, 0, n).unwrap());
    let new = replace_and_tell(&at);
    std::thread::sleep(Duration::from_millis(150));
    push(&log, 0, 10).unwrap();
    assert_eq!(stat(&new).published, 1);
    let mut other = new.consumer().unwrap();
    other.set_grace(Duration::ZERO);
    assert!(other.next(SOON).unwrap().is_some());
    other.ack().unwrap();
    assert!(log.flush(Duration::from_millis(30)).is_err(), "ten are in the old ring");
    let mut taken = 0;
    while consumer.next(Duration::from_millis(20)).unwrap().is_some() {
        taken += 1;
    }
    assert_eq!(taken, 10);
    consumer.ack().unwrap();
    log.flush(SOON).unwrap();
    let _ = log.text(Level::INFO, "x", "after");
    assert_eq!(stat(&new).refused.left, 0);
}

/// A stopped process keeps its lock, and goes on later: what it then takes must not be reported as left before.
#[test]
fn a_consumer_that_is_stopped_still_drains_the_ring_before() {
    let at = Scratch::new();
    let old = at.create(small());
    let log = old.logger();
    let mut consumer = old.consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    assert!(consumer.next(Duration::ZERO).unwrap().is_none());
    (0..10).for_each(|n| push(&log, 0, n).unwrap());
    let new = replace_and_tell(&at);
    // Longer than any time after which it could be taken for gone.
    for n in 10..35 {
        std::thread::sleep(Duration::from_millis(110));
        push(&log, 0, n).unwrap();
    }
    assert_eq!((stat(&new).published, stat(&new).refused.left), (25, 0));
    let mut taken = 0;
    while consumer.next(Duration::from_millis(20)).unwrap().is_some() {
        taken += 1;
    }
    assert_eq!(taken, 10);
    consumer.ack().unwrap();
    drop(consumer);
    std::thread::sleep(Duration::from_millis(110));
    push(&log, 0, 35).unwrap();
    assert_eq!(stat(&new).refused.left, 0);
}
