//! What is left in a removed ring, and what was refused while there was none, is counted in the next ring, however the
//! processes end.

#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use ringlog::{Logger, PushError, Ring};
use ringlog_testkit::{Child, SOON, Scratch, fork_child};
use ringlog_tests::{CreateRing, Kind, Sequenced, lock_file, stat, wait_for_lanes};

use crate::PRODUCER;

/// Longer than the pause between two looks at the path.
const A_LOOK: Duration = Duration::from_millis(1_100);

fn push(log: &Logger, sequence: u64) -> Result<(), PushError> {
    log.push(&Sequenced::new(0, sequence, ""))
}

fn small() -> ringlog::Options {
    Ring::options().size("256KiB").lanes(12).block_bytes(1024)
}

/// Removes the ring's file as `rm` does, which tells nobody.
fn remove(at: &Scratch) {
    std::fs::remove_file(at.name()).unwrap();
}

/// Records of the ring: refused while there was none, and left in the one before.
fn counted(ring: &Ring) -> (u64, u64) {
    let stat = stat(ring);
    let (no_ring, left) = (stat.refused.no_ring, stat.refused.left);
    assert_eq!(stat.dropped, no_ring + left, "{stat:?}");
    (no_ring, left)
}

/// A process by whose main thread and another thread `count` records each have been published.
fn process(at: &Scratch, count: u64, more: u64, how: &str) -> Child {
    let arguments = [format!("count={count}"), format!("more={more}"), format!("how={how}")];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = Child::spawn(PRODUCER, &[&["late", at.name()], &arguments[..]].concat());
    child.wait_ready();
    child
}

/// Runs `act` in a forked child, which ends without exit handlers; with an error if it panics.
fn in_child(act: impl FnOnce()) -> Pid {
    fork_child(|| {
        if catch_unwind(AssertUnwindSafe(act)).is_err() {
            // SAFETY: ends the process at once, which is always allowed.
            unsafe { libc::_exit(1) }
        }
    })
}

/// A logger by which one record was published, and the ring of its name, which was made anew.
fn replaced(log: &Logger, at: &Scratch) -> Ring {
    push(log, 0).unwrap();
    remove(at);
    at.create(small())
}

/// Logs until the logger has moved to the ring. Returns how many records it has logged before.
fn move_to(log: &Logger, anew: &Ring) -> u64 {
    let begun = Instant::now();
    let mut before = 0;
    loop {
        let _ = push(log, before);
        if stat(anew).published > 0 {
            return before;
        }
        assert!(begun.elapsed() < SOON, "it never moved");
        before += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_killed_process_left_is_counted() {
    // In blocks that are full, and in one that is not; or in that alone.
    for count in [500, 3] {
        let at = Scratch::new();
        let old = at.create(small());
        let log = old.logger();
        let mut child = process(&at, count, 0, "wait");
        child.kill();
        wait_for_lanes(&old, (0, 3));
        let anew = replaced(&log, &at);
        let before = move_to(&log, &anew);
        assert_eq!(counted(&anew), (0, 2 * count + 1 + before));
    }
}

/// A process that has moved does not come to the ring before any more.
#[test]
fn what_a_process_left_that_is_killed_later_is_counted() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    let mut child = process(&at, 100, 0, "wait");
    let anew = replaced(&log, &at);
    let before = move_to(&log, &anew);
    child.kill();
    assert_eq!(counted(&anew), (0, 201 + before));
}

#[test]
fn what_a_forked_child_left_without_an_exit_handler_is_counted() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    push(&log, 0).unwrap();
    let child = in_child(|| assert!((0..100).all(|n| push(&log, n).is_ok())));
    assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
    let anew = replaced(&log, &at);
    let before = move_to(&log, &anew);
    assert_eq!(counted(&anew), (0, 102 + before));
}

#[test]
fn where_the_lock_file_is_gone_too_it_is_counted() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    process(&at, 100, 0, "wait").kill();
    std::fs::remove_file(lock_file(at.name())).unwrap();
    push(&log, 0).unwrap_err();
    remove(&at);
    let anew = at.create(small());
    let before = move_to(&log, &anew);
    let (no_ring, left) = counted(&anew);
    assert_eq!(no_ring + left, 201 + before);
}

#[test]
fn the_last_handle_counts_what_is_left() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    let anew = replaced(&log, &at);
    drop(log);
    assert_eq!(counted(&anew), (0, 1), "within a second of its last look");
    assert_eq!(stat(&anew).published, 0);
}

#[test]
fn the_last_handle_counts_what_was_refused() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    push(&log, 0).unwrap();
    remove(&at);
    std::thread::sleep(A_LOOK);
    (0..5).for_each(|n| assert_eq!(push(&log, n), Err(PushError::Gone)));
    let anew = at.create(small());
    drop(log);
    assert_eq!(counted(&anew), (5, 1));
}

#[test]
fn the_last_handle_counts_what_was_refused_in_a_forked_child() {
    let at = Scratch::new();
    let mut log = Some(at.create(small()).logger());
    push(log.as_ref().unwrap(), 0).unwrap();
    remove(&at);
    let child = in_child(|| {
        assert_eq!(push(log.as_ref().unwrap(), 0), Err(PushError::Gone));
        std::fs::write(at.file("refused"), "").unwrap();
        while !at.file("made").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        log = None;
    });
    let refused = ringlog_testkit::soon(|| at.file("refused").exists().then_some(()));
    refused.expect("the child goes on");
    let anew = at.create(small());
    std::fs::write(at.file("made"), "").unwrap();
    assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
    assert_eq!(counted(&anew), (1, 0));
}

#[test]
fn the_last_handle_counts_nothing_that_a_consumer_drains() {
    let at = Scratch::new();
    let mut consumer = at.create(small()).consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    let log = Ring::open(at.name()).unwrap().logger();
    let anew = replaced(&log, &at);
    drop(log);
    assert_eq!(counted(&anew), (0, 0));
    assert!(consumer.next(SOON).unwrap().is_some());
    consumer.ack().unwrap();
    drop(consumer);
    assert_eq!(counted(&anew), (0, 0), "all of it is persisted");
}

#[test]
fn what_was_refused_is_counted_in_the_ring_that_came_back() {
    let at = Scratch::new();
    let ring = at.create(small());
    let log = Ring::open(at.name()).unwrap().logger();
    push(&log, 0).unwrap();
    std::fs::rename(at.name(), at.file("elsewhere")).unwrap();
    std::thread::sleep(A_LOOK);
    (0..5).for_each(|n| assert_eq!(push(&log, n), Err(PushError::Gone)));
    std::fs::rename(at.file("elsewhere"), at.name()).unwrap();
    drop(log);
    assert_eq!(counted(&ring), (5, 0));
    assert_eq!(stat(&ring).published, 1);
}

/// The logger of the process is never dropped, and another thread has its lane when it ends.
#[test]
fn the_end_of_a_process_counts_what_it_left() {
    for how in ["exit", "return"] {
        let at = Scratch::new();
        at.create(small());
        let mut child = process(&at, 100, 7, how);
        remove(&at);
        let anew = at.create(small());
        child.go();
        child.wait_ready();
        assert_eq!(counted(&anew), (0, 0), "as long as it goes on");
        assert_eq!(child.finish(), [0], "refused: the next look has not come yet");
        assert_eq!(counted(&anew), (0, 207), "{how}");
    }
}

#[test]
fn the_end_of_a_process_counts_what_was_refused() {
    for how in ["exit", "fork"] {
        let at = Scratch::new();
        at.create(small());
        let mut child = process(&at, 10, 7, how);
        remove(&at);
        std::thread::sleep(A_LOOK);
        child.go();
        child.wait_ready();
        let anew = at.create(small());
        assert_eq!(child.finish(), [7], "{how}");
        // With `fork` the parent ends without its handlers, and the child had nothing in the ring before.
        assert_eq!(counted(&anew), (7, if how == "exit" { 20 } else { 0 }), "{how}");
    }
}

#[test]
fn a_last_look_touches_no_file_that_is_no_ring_or_no_other_one() {
    let at = Scratch::new();
    let log = at.create(small()).logger();
    push(&log, 0).unwrap();
    remove(&at);
    std::fs::write(at.name(), [7; 8192]).unwrap();
    drop(log);
    assert_eq!(std::fs::read(at.name()).unwrap(), [7; 8192]);
    remove(&at);
    let ring = at.create(small());
    let log = ring.logger();
    push(&log, 0).unwrap();
    drop(log);
    assert_eq!(counted(&ring), (0, 0), "it is at its path: what is in it is not left");
    assert_eq!(ringlog_tests::drained(&ring)[&0], [0]);
}

/// While one handle closes its lanes, others count them, and one goes on to log in the ring before. Each handle is a
/// user of its own.
#[test]
fn several_that_count_at_once_count_each_record_once() {
    const HANDLES: u64 = 4;
    for _ in 0..20 {
        let at = Scratch::new();
        let old = at.create(small().lanes(16));
        process(&at, 50, 0, "wait").kill();
        let logger = || Ring::open(at.name()).unwrap().logger();
        let (begun, go, is_over) = (Barrier::new(6), Barrier::new(6), AtomicBool::new(false));
        let (anew, late) = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..HANDLES)
                .map(|_| {
                    scope.spawn(|| {
                        let log = logger();
                        (0..40).for_each(|n| push(&log, n).unwrap());
                        begun.wait();
                        go.wait();
                        drop(log);
                    })
                })
                .collect();
            let late = scope.spawn(|| {
                let log = logger();
                push(&log, 0).unwrap();
                begun.wait();
                go.wait();
                (1..)
                    .take_while(|n| {
                        let _ = push(&log, *n);
                        !is_over.load(Ordering::Relaxed)
                    })
                    .count() as u64
            });
            begun.wait();
            remove(&at);
            let anew = at.create(small());
            go.wait();
            handles.into_iter().for_each(|handle| handle.join().unwrap());
            is_over.store(true, Ordering::Relaxed);
            (anew, late.join().unwrap() + 2)
        });
        drop(old);
        let (refused, left) = counted(&anew);
        assert_eq!(refused + left + stat(&anew).published, 100 + HANDLES * 40 + late);
    }
}
