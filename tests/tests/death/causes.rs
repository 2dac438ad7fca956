//! The causes of ends are reported as far as the kernel tells them, and counted.

use std::time::Instant;

use nix::sys::signal::Signal;
use ringlog::Ring;
use ringlog::reader::{Consumer, EndStat, ExitCause};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{CreateRing, as_the_kernel_tells, stat};

use crate::PRODUCER;
use crate::deaths::{Came, Death, KILLED, deaths, drain, nothing_more, ring_of, start};

/// Drains until so many processes are reported.
#[track_caller]
fn reported(consumer: &mut Consumer, count: usize) -> Vec<Death> {
    let (deadline, mut all) = (Instant::now() + SOON, Vec::new());
    while all.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} are reported", all.len());
        all.extend(deaths(&drain(consumer)).into_iter().cloned());
    }
    all
}

#[test]
fn the_cause_of_each_end_is_told_and_counted() {
    let at = Scratch::new();
    let ring = ring_of(&at, 40);
    let mut consumer = ring.consumer().unwrap();
    let signal = |number| ExitCause::Signal { number, has_core: false };
    let mut counted = EndStat::default();
    for (how, cause) in [
        ("wait", signal(9)),
        ("segv", signal(11)),
        ("abort", signal(6)),
        ("_exit", ExitCause::Status(0)),
        ("_exit3", ExitCause::Status(3)),
        ("exec", ExitCause::Status(0)),
    ] {
        let mut ending = start(&at, 5, 4, how);
        assert_eq!(drain(&mut consumer).len(), 20, "{how}");
        match how {
            "wait" => ending.child.kill(),
            _ => {
                ending.child.go();
                ending.child.release();
                ending.child.wait();
            }
        }
        let [death] = &reported(&mut consumer, 1)[..] else { panic!("{how}: one for each process") };
        assert_eq!(ending.threads(death), [0, 1, 2, 3, 4].map(|thread| (thread, Some(3))), "{how}");
        let found = match death.cause {
            ExitCause::Signal { number, .. } => signal(number),
            other => other,
        };
        assert_eq!(found, as_the_kernel_tells(cause), "{how}");
        *match found {
            ExitCause::Signal { .. } => &mut counted.signal,
            ExitCause::Status(_) => &mut counted.status,
            _ => &mut counted.unknown,
        } += 1;
        // Over restarts too.
        drop(consumer);
        consumer = ring.consumer().unwrap();
        assert_eq!(stat(&ring).ends, counted, "{how}");
    }
    nothing_more(&ring, consumer);
}

#[test]
fn any_kernel_tells_the_end_of_a_process_not_yet_waited_for() {
    let at = Scratch::new();
    let ring = ring_of(&at, 10);
    let mut consumer = ring.consumer().unwrap();
    let ending = start(&at, 2, 6, "wait");
    assert_eq!(drain(&mut consumer).len(), 12);
    ending.child.signal(Signal::SIGKILL);
    let [death] = &reported(&mut consumer, 1)[..] else { panic!() };
    assert_eq!((ending.threads(death).len(), death.cause), (2, KILLED));
    nothing_more(&ring, consumer);
}

#[test]
fn a_process_that_goes_on_with_another_program_has_called_exec() {
    let at = Scratch::new();
    let ring = ring_of(&at, 10);
    let mut consumer = ring.consumer().unwrap();
    let mut ending = start(&at, 2, 6, "exec-cat");
    assert_eq!(drain(&mut consumer).len(), 12);
    ending.child.go();
    let [death] = &reported(&mut consumer, 1)[..] else { panic!() };
    assert_eq!((ending.threads(death).len(), death.cause), (2, ExitCause::Exec));
    assert_eq!(stat(&ring).ends, EndStat { exec: 1, ..EndStat::default() });
    ending.child.release();
    ending.child.wait();
    nothing_more(&ring, consumer);
}

/// As the children of Python's `multiprocessing` do.
#[test]
fn each_child_that_ends_by_exit_is_reported_with_its_status() {
    const CHILDREN: usize = 120;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").block_bytes(1024).lanes(16));
    let mut consumer = ring.consumer().unwrap();
    let mut child = Child::spawn(PRODUCER, &["children", at.name()]);
    let (mut records, mut died) = (0, Vec::new());
    let mut take = |consumer: &mut Consumer| {
        for came in drain(consumer) {
            match came {
                Came::Record { .. } => records += 1,
                Came::Died(death) => died.push(death),
            }
        }
    };
    let mut pids = Vec::new();
    for _ in 0..CHILDREN {
        child.write(b"fork\n");
        pids.push(child.line().parse::<u32>().unwrap());
        take(&mut consumer);
        child.write(b"end\n");
        assert_eq!(child.line(), "ended");
    }
    take(&mut consumer);
    died.extend(reported(&mut consumer, CHILDREN - died.len()));
    assert_eq!(records, CHILDREN);
    assert!(died.iter().all(|death| death.cause == as_the_kernel_tells(ExitCause::Status(0))), "{died:?}");
    let mut reported: Vec<u32> = died.iter().map(|death| death.owner.pid).collect();
    reported.sort_unstable();
    pids.sort_unstable();
    assert_eq!(reported, pids);
    // One that has its parent's logger, and logs nothing.
    child.write(b"silent\n");
    assert_eq!(child.line(), "ended");
    nothing_more(&ring, consumer);
    assert_eq!(stat(&ring).ends.all(), CHILDREN as u64);
    child.release();
    child.wait();
}
