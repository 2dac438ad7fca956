//! Each death is reported: once for each process, with its name and its threads, behind the last record of them all.

use std::time::Duration;

use nix::sys::signal::Signal;
use ringlog::Ring;
use ringlog::reader::{Body, Consumer, ExitCause, LaneEnd, Origin};
use ringlog_testkit::{SOON, Scratch};
use ringlog_tests::{CreateRing, as_the_kernel_tells, stat};

use crate::deaths::{Came, Death, KILLED, deaths, drain, nothing_more, ring_of, start};

#[test]
fn a_killed_process_is_reported_once_with_all_its_threads() {
    let at = Scratch::new();
    let ring = ring_of(&at, 10);
    let mut consumer = ring.consumer().unwrap();
    let mut ending = start(&at, 3, 40, "wait");
    let mut came = drain(&mut consumer);
    assert_eq!(deaths(&came), [] as [&Death; 0], "they live");
    ending.child.kill();
    came.extend(drain(&mut consumer));
    let [death] = deaths(&came)[..] else { panic!("{came:?}") };
    assert_eq!(ending.threads(death), [(0, Some(39)), (1, Some(39)), (2, Some(39))]);
    assert_eq!((death.lanes.len(), death.cause), (4, as_the_kernel_tells(KILLED)));
    println!("{death:?} of {} records", came.len() - 1);
    nothing_more(&ring, consumer);
    assert_eq!(stat(&ring).ends.all(), 1);
}

#[test]
fn a_death_is_reported_behind_the_records_before_it() {
    let at = Scratch::new();
    let ring = ring_of(&at, 10);
    for round in 1..=20 {
        let mut ending = start(&at, 2, 60, "wait");
        ending.child.kill();
        // Its first look finds the lanes dead; the records come with the scans that follow.
        let mut consumer = ring.consumer().unwrap();
        let came = drain(&mut consumer);
        assert_eq!(came.len(), 121);
        let Came::Died(death) = &came[120] else { panic!("{:?}", came[120]) };
        assert_eq!(ending.threads(death), [(0, Some(59)), (1, Some(59))]);
        assert_eq!(death.cause, ExitCause::Unknown, "it had ended before the consumer began");
        assert_eq!(stat(&ring).ends.unknown, round);
    }
}

#[test]
fn only_an_unacknowledged_death_is_reported_again() {
    let at = Scratch::new();
    let ring = ring_of(&at, 4);
    let mut ending = start(&at, 1, 5, "wait");
    let mut consumer = ring.consumer().unwrap();
    assert_eq!(drain(&mut consumer).len(), 5);
    ending.child.kill();
    let take = |consumer: &mut Consumer, how: &str| {
        let entry = consumer.next(Duration::from_secs(30)).unwrap().expect("a death");
        let Body::UncleanExit(died) = entry.body else { panic!("{entry}") };
        let (owner, lanes) = (entry.origin.clone(), died.lanes.to_vec());
        assert_eq!(ending.threads(&Death { owner, cause: died.cause, lanes }), [(0, Some(4))]);
        let pid = ending.child.id();
        assert_eq!(entry.message(), format!("process ringlog-test-producer (pid {pid}) {how}"));
    };
    let (killed, unknown) =
        ("was killed by signal 9 (SIGKILL)", "ended without closing its lanes, cause unknown");
    take(&mut consumer, if as_the_kernel_tells(KILLED) == KILLED { killed } else { unknown });
    for _ in 0..3 {
        drop(consumer);
        consumer = ring.consumer().unwrap();
        take(&mut consumer, unknown);
    }
    consumer.ack().unwrap();
    nothing_more(&ring, consumer);
    assert_eq!(stat(&ring).ends.all(), 1);
}

#[test]
fn a_death_is_kept_over_a_restart_of_the_consumer() {
    let at = Scratch::new();
    let ring = ring_of(&at, 2);
    let mut first = start(&at, 1, 5, "wait");
    first.child.kill();
    // Has the same lane.
    let second = start(&at, 1, 3, "wait");
    let mut consumer = ring.consumer().unwrap();
    for _ in 0..5 {
        assert!(consumer.next(Duration::from_secs(30)).unwrap().unwrap().record().is_some());
    }
    // Finds what comes next: the death, and the second owner's records. Neither is given out.
    assert!(!consumer.is_drained().unwrap());
    consumer.ack().unwrap();
    drop(consumer);
    let came = drain(&mut ring.consumer().unwrap());
    assert_eq!(came.len(), 4, "{came:?}");
    let [death] = deaths(&came)[..] else { panic!("{came:?}") };
    assert_eq!(first.threads(death), [(0, Some(4))]);
    drop(second);
}

/// A writer was killed when it had written what the lane's next owner logged, and not the death of the first one: whose
/// last record was its last is not known any more.
#[test]
fn a_death_is_kept_behind_a_later_owner_s_records() {
    let at = Scratch::new();
    let ring = ring_of(&at, 2);
    let mut first = start(&at, 1, 5, "wait");
    first.child.kill();
    let second = start(&at, 1, 3, "wait");
    let mut consumer = ring.consumer().unwrap();
    let (mut cursor, mut records) = (consumer.cursor(), 0);
    while records < 8 {
        let is_record = consumer.next(SOON).unwrap().unwrap().record().is_some();
        if is_record {
            cursor.advance([&consumer.step()]);
            records += 1;
        }
    }
    drop(consumer);
    let mut consumer = ring.consumer().unwrap();
    consumer.resume(&cursor).unwrap();
    let came = drain(&mut consumer);
    let [Came::Died(death)] = &came[..] else { panic!("{came:?}") };
    assert_eq!((first.threads(death), death.cause), (vec![], ExitCause::Unknown));
    nothing_more(&ring, consumer);
    drop(second);
}

#[test]
fn only_processes_that_left_lanes_open_are_reported_dead() {
    // Each with two threads that are still there when the process ends, but for the first.
    let aborted = ExitCause::Signal { number: 6, has_core: false };
    for (how, cause) in [
        ("return", None),
        ("exit", None),
        ("_exit", Some(ExitCause::Status(0))),
        ("abort", Some(aborted)),
        ("exec", Some(ExitCause::Status(0))),
    ] {
        let at = Scratch::new();
        let ring = ring_of(&at, 10);
        let mut consumer = ring.consumer().unwrap();
        let mut ending = start(&at, 2, 7, how);
        let mut came = drain(&mut consumer);
        ending.child.go();
        ending.child.release();
        ending.child.wait();
        came.extend(drain(&mut consumer));
        assert_eq!(came.len(), 14 + usize::from(cause.is_some()), "{how}");
        for death in deaths(&came) {
            assert_eq!(ending.threads(death), [(0, Some(6)), (1, Some(6))], "{how}");
            let found = match death.cause {
                ExitCause::Signal { number, .. } => ExitCause::Signal { number, has_core: false },
                other => other,
            };
            assert_eq!(Some(found), cause.map(as_the_kernel_tells), "{how}");
        }
        nothing_more(&ring, consumer);
    }
}

#[test]
fn a_lane_reopened_at_once_hides_no_death() {
    const KILLED: usize = 40;
    let at = Scratch::new();
    // The process's lane and one thread's: each process gets both of the one before.
    let ring = at.create(Ring::options().size("512KiB").block_bytes(1024).lanes(2));
    let mut endings = Vec::new();
    for n in 0..KILLED {
        let mut ending = start(&at, 1, 3 + n as u64 % 3, "wait");
        ending.child.kill();
        endings.push(ending);
    }
    let mut last = start(&at, 1, 2, "return");
    last.child.finish();
    let mut consumer = ring.consumer().unwrap();
    let came = drain(&mut consumer);
    // The records come in the order of the owners; each death behind its owner's last one, and in the same order.
    let records = came.iter().filter(|came| matches!(came, Came::Record { .. })).count();
    let reported = deaths(&came);
    assert_eq!((reported.len(), came.len()), (KILLED, records + KILLED));
    let mut expected = 0;
    for (n, (ending, death)) in endings.iter().zip(reported).enumerate() {
        let count = 3 + n % 3;
        expected += count;
        assert_eq!(ending.threads(death), [(0, Some(count as u64 - 1))], "of process {n}");
        assert_eq!(death.only_thread().incarnation as usize, n + 1);
        let at = came.iter().position(|came| matches!(came, Came::Died(found) if found == death)).unwrap();
        let before = came[..at].iter().filter(|came| matches!(came, Came::Record { .. })).count();
        assert!(before >= expected, "process {n} is reported before its last record");
    }
    assert_eq!(records, expected + 2);
    println!("{KILLED} deaths in lanes that were reopened at once");
    nothing_more(&ring, consumer);
}

#[test]
fn a_reopened_lane_names_its_dead_owner_without_records() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("512KiB").block_bytes(1024).lanes(2));
    let mut first = start(&at, 1, 9, "wait");
    let mut consumer = ring.consumer().unwrap();
    assert_eq!(drain(&mut consumer).len(), 9);
    drop(consumer);
    first.child.kill();
    // It has the lane open and has published nothing: no block names the one before.
    let mut second = start(&at, 1, 0, "wait");
    let mut consumer = ring.consumer().unwrap();
    let came = drain(&mut consumer);
    let [Came::Died(death)] = &came[..] else { panic!("{came:?}") };
    assert_eq!(first.threads(death), [(0, Some(8))]);
    assert_eq!((death.only_thread().lane, death.only_thread().incarnation), (1, 1));
    drop(consumer);
    // The second was killed too: the entry of the lane, which the third has written, names it.
    second.child.kill();
    let mut third = start(&at, 1, 0, "wait");
    let mut consumer = ring.consumer().unwrap();
    let came = drain(&mut consumer);
    let [Came::Died(death)] = &came[..] else { panic!("{came:?}") };
    assert_eq!((second.threads(death), death.only_thread().incarnation), (vec![(0, None)], 2));
    // The third is named by its own entry.
    third.child.kill();
    let came = drain(&mut consumer);
    let [Came::Died(death)] = &came[..] else { panic!("{came:?}") };
    assert_eq!((third.threads(death), death.only_thread().incarnation), (vec![(0, None)], 3));
    nothing_more(&ring, consumer);
}

/// An entry has room for its last two owners, and blocks that are persisted are free for others.
#[test]
fn after_two_more_owners_a_death_is_reported_without_a_name() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("512KiB").block_bytes(1024).lanes(2));
    let mut first = start(&at, 1, 9, "wait");
    let mut consumer = ring.consumer().unwrap();
    assert_eq!(drain(&mut consumer).len(), 9);
    first.child.kill();
    let reported = consumer.next(SOON).unwrap().map(|entry| (entry.origin.pid, entry.body));
    assert!(matches!(reported, Some((pid, Body::UncleanExit(_))) if pid == first.child.id()), "{reported:?}");
    drop(consumer);
    let mut second = start(&at, 1, 0, "wait");
    second.child.kill();
    let _third = start(&at, 1, 0, "wait");
    let mut consumer = ring.consumer().unwrap();
    let came = drain(&mut consumer);
    let [named, nameless] = deaths(&came)[..] else { panic!("{came:?}") };
    assert_eq!((second.threads(named), named.only_thread().incarnation), (vec![(0, None)], 2));
    let Origin { pid, tid, lane, incarnation, .. } = nameless.owner;
    assert_eq!((pid, tid, lane, incarnation), (0, 0, 1, 1));
    let [LaneEnd { lane: 1, incarnation: 1, last_sequence: Some(8), .. }] = nameless.lanes[..] else {
        panic!("{nameless:?}")
    };
    nothing_more(&ring, consumer);
}

#[test]
fn a_death_is_reported_however_many_silent_ones_follow() {
    // Of those without records the last two are reported, whose names are still in the lane's entry.
    for (first_ends, deaths_told) in [("wait", 3), ("return", 2)] {
        let at = Scratch::new();
        let ring = at.create(Ring::options().size("512KiB").block_bytes(1024).lanes(2));
        let mut first = start(&at, 1, 5, first_ends);
        match first_ends {
            "wait" => first.child.kill(),
            _ => assert!(first.child.finish().is_empty()),
        }
        let mut last = None;
        for _ in 0..40 {
            let mut ending = start(&at, 1, 0, "wait");
            ending.child.kill();
            last = Some(ending);
        }
        let mut consumer = ring.consumer().unwrap();
        let came = drain(&mut consumer);
        let found = deaths(&came);
        assert_eq!((came.len(), found.len()), (5 + deaths_told, deaths_told), "{came:?}");
        let death = found[deaths_told - 1];
        assert_eq!((last.unwrap().threads(death), death.only_thread().incarnation), (vec![(0, None)], 41));
        if deaths_told == 3 {
            assert_eq!(
                (first.threads(found[0]), found[0].only_thread().incarnation),
                (vec![(0, Some(4))], 1)
            );
        }
        nothing_more(&ring, consumer);
    }
}

#[test]
fn a_forked_child_that_dies_is_reported_alone() {
    let at = Scratch::new();
    let ring = ring_of(&at, 10);
    let mut consumer = ring.consumer().unwrap();
    let mut ending = start(&at, 2, 6, "fork");
    let forked = ending.forked.unwrap();
    let came = drain(&mut consumer);
    assert_eq!(came.len(), 3 * 6 + 1);
    let [death] = deaths(&came)[..] else { panic!("{came:?}") };
    assert_eq!((death.owner.pid, death.only_thread().tid), (forked, forked));
    assert_eq!(death.only_thread().last_sequence, Some(5));
    ending.child.kill();
    let came = drain(&mut consumer);
    let [Came::Died(death)] = &came[..] else { panic!("{came:?}") };
    assert_eq!(ending.threads(death), [(0, Some(5)), (1, Some(5))]);
    nothing_more(&ring, consumer);
}

#[test]
fn a_stopped_process_is_not_dead() {
    let at = Scratch::new();
    let ring = ring_of(&at, 10);
    let mut consumer = ring.consumer().unwrap();
    let mut ending = start(&at, 2, 6, "wait");
    ending.child.signal(Signal::SIGSTOP);
    assert_eq!(drain(&mut consumer).len(), 12);
    nothing_more(&ring, consumer);
    assert_eq!(stat(&ring).lanes.iter().filter(|lane| lane.alive).count(), 3);
    ending.child.signal(Signal::SIGCONT);
    ending.child.kill();
    let came = drain(&mut ring.consumer().unwrap());
    let [Came::Died(death)] = &came[..] else { panic!("{came:?}") };
    assert_eq!(ending.threads(death), [(0, Some(5)), (1, Some(5))]);
}

#[test]
fn a_process_without_open_threads_is_reported_dead_itself() {
    let at = Scratch::new();
    let ring = ring_of(&at, 10);
    let mut ending = start(&at, 2, 6, "idle");
    let mut consumer = ring.consumer().unwrap();
    assert_eq!(drain(&mut consumer).len(), 12);
    ending.child.kill();
    let came = drain(&mut consumer);
    let [Came::Died(death)] = &came[..] else { panic!("{came:?}") };
    assert_eq!(ending.threads(death), []);
    assert_eq!((death.owner.pid, &*death.owner.thread), (ending.child.id(), ""));
    nothing_more(&ring, consumer);
}
