//! Each death is reported: once, with the name of the owner, behind its last record.

use std::time::Duration;

use nix::sys::signal::Signal;
use ringlog::Ring;
use ringlog::reader::{Body, Consumer, Origin};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{CreateRing, Proof, stat};

use crate::PRODUCER;

/// What came out of the ring, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Came {
    Record { producer: u32, sequence: u64 },
    Died { last: Option<u64>, owner: Origin },
}

/// Everything there is, acknowledged.
fn drain(consumer: &mut Consumer) -> Vec<Came> {
    let mut came = Vec::new();
    while !consumer.is_drained().unwrap() {
        while let Some(entry) = consumer.next(Duration::from_millis(1)).unwrap() {
            came.push(match &entry.body {
                Body::UncleanExit(died) => {
                    Came::Died { last: died.last_sequence, owner: entry.origin.clone() }
                }
                _ => {
                    let Proof { producer, sequence } = Proof::of(&entry).unwrap();
                    assert_eq!(entry.record().unwrap().sequence, sequence);
                    Came::Record { producer, sequence }
                }
            });
        }
        consumer.ack().unwrap();
    }
    came
}

fn deaths(came: &[Came]) -> Vec<(&Origin, Option<u64>)> {
    let died = came.iter().filter_map(|came| match came {
        Came::Died { owner, last } => Some((owner, *last)),
        Came::Record { .. } => None,
    });
    died.collect()
}

/// Nothing comes, however long one looks, and neither does the next consumer get anything.
fn nothing_more(ring: &Ring, mut consumer: Consumer) {
    // Longer than it takes until the consumer looks for the dead again.
    for _ in 0..3 {
        assert_eq!(drain(&mut consumer), []);
        std::thread::sleep(Duration::from_millis(80));
    }
    drop(consumer);
    let mut next = ring.consumer().unwrap();
    assert!(next.next(Duration::from_millis(500)).unwrap().is_none(), "reported to the next consumer again");
    assert_eq!(drain(&mut next), []);
}

/// A process in the role `end`, ready to end, and the ids of its threads.
struct Ending {
    child: Child,
    tids: Vec<u32>,
    /// What it printed when all its threads had theirs.
    forked: Option<u32>,
}

fn start(ring: &Scratch, threads: usize, count: u64, how: &str) -> Ending {
    let arguments = [format!("threads={threads}"), format!("count={count}"), format!("how={how}")];
    let [threads_argument, count, how] = arguments.each_ref().map(String::as_str);
    let mut child = Child::spawn(PRODUCER, &["end", ring.name(), threads_argument, count, how]);
    let tids = (0..threads).map(|_| child.line().parse().unwrap()).collect();
    let forked = (how == "how=fork").then(|| child.line().parse().unwrap());
    child.wait_ready();
    Ending { child, tids, forked }
}

impl Ending {
    /// Asserts that this is the death of one of its threads, and returns which.
    #[track_caller]
    fn thread(&self, owner: &Origin) -> u32 {
        assert_eq!((owner.pid, &*owner.process), (self.child.id(), "ringlog-test-producer"));
        assert!(self.tids.contains(&owner.tid), "{owner:?}: {:?}", self.tids);
        owner.thread.strip_prefix("worker-").unwrap().parse().unwrap()
    }
}

fn ring_of(at: &Scratch, lanes: u32) -> Ring {
    at.create(Ring::options().size("512KiB").block_bytes(1024).lanes(lanes))
}

#[test]
fn each_thread_of_a_killed_process_is_reported_dead_once() {
    let at = Scratch::new();
    let ring = ring_of(&at, 10);
    let mut consumer = ring.consumer().unwrap();
    let mut ending = start(&at, 3, 40, "wait");
    let mut came = drain(&mut consumer);
    assert_eq!(deaths(&came), [], "they live");
    ending.child.kill();
    came.extend(drain(&mut consumer));
    let deaths = deaths(&came);
    let mut threads: Vec<u32> = deaths.iter().map(|(owner, _)| ending.thread(owner)).collect();
    threads.sort_unstable();
    assert_eq!(threads, [0, 1, 2], "each thread, and not their process besides");
    assert!(deaths.iter().all(|(_, last)| *last == Some(39)));
    println!("{} deaths of {} records", deaths.len(), came.len() - deaths.len());
    nothing_more(&ring, consumer);
}

#[test]
fn a_death_is_reported_behind_the_records_before_it() {
    let at = Scratch::new();
    let ring = ring_of(&at, 10);
    for _ in 0..20 {
        let mut ending = start(&at, 2, 60, "wait");
        ending.child.kill();
        // Its first look finds the lanes dead; the records come with the scans that follow.
        let mut consumer = ring.consumer().unwrap();
        let came = drain(&mut consumer);
        for producer in 0..2 {
            let own = |came: &&Came| match came {
                Came::Record { producer: of, .. } => *of == producer,
                Came::Died { owner, .. } => ending.thread(owner) == producer,
            };
            let own: Vec<&Came> = came.iter().filter(own).collect();
            assert_eq!(own.len(), 61);
            assert!(matches!(own[60], Came::Died { last: Some(59), .. }), "{:?}", own[60]);
        }
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
    let take = |consumer: &mut Consumer| {
        let entry = consumer.next(Duration::from_secs(30)).unwrap().expect("a death");
        let Body::UncleanExit(died) = entry.body else { panic!("{entry}") };
        assert_eq!((ending.thread(entry.origin), died.last_sequence), (0, Some(4)));
        let pid = ending.child.id();
        let tid = ending.tids[0];
        assert_eq!(
            entry.message(),
            format!(
                "process ended without closing its lane: ringlog-test-producer (pid {pid}), thread worker-0 \
                 (tid {tid}), lane 1, incarnation 1, last sequence 4"
            )
        );
    };
    for _ in 0..3 {
        take(&mut consumer);
        drop(consumer);
        consumer = ring.consumer().unwrap();
    }
    take(&mut consumer);
    consumer.ack().unwrap();
    nothing_more(&ring, consumer);
}

#[test]
fn a_death_keeps_its_place_over_a_restart_of_the_consumer() {
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
    let Came::Died { owner, last: Some(4) } = &came[0] else { panic!("{came:?}") };
    first.thread(owner);
    drop(second);
}

#[test]
fn only_processes_that_left_lanes_open_are_reported_dead() {
    // Each with two threads that are still there when the process ends, but for the first.
    for (how, died) in [("return", 0), ("exit", 0), ("_exit", 2), ("abort", 2), ("exec", 2)] {
        let at = Scratch::new();
        let ring = ring_of(&at, 10);
        let mut consumer = ring.consumer().unwrap();
        let mut ending = start(&at, 2, 7, how);
        ending.child.go();
        ending.child.release();
        ending.child.wait();
        let came = drain(&mut consumer);
        assert_eq!(came.len(), 14 + died, "{how}");
        deaths(&came).iter().for_each(|(owner, last)| {
            ending.thread(owner);
            assert_eq!(*last, Some(6));
        });
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
    let mut rest = came.as_slice();
    for (n, ending) in endings.iter().enumerate() {
        let count = 3 + n % 3;
        let (own, after) = rest.split_at(count + 1);
        assert_eq!(deaths(&own[..count]), []);
        let Came::Died { last, owner } = &own[count] else { panic!("{:?} of process {n}", own[count]) };
        assert_eq!((ending.thread(owner), *last), (0, Some(count as u64 - 1)), "of process {n}");
        assert_eq!(owner.incarnation as usize, n + 1);
        rest = after;
    }
    assert_eq!((rest.len(), deaths(rest)), (2, vec![]));
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
    let [Came::Died { last: Some(8), owner }] = &came[..] else { panic!("{came:?}") };
    assert_eq!((first.thread(owner), owner.lane, owner.incarnation), (0, 1, 1));
    drop(consumer);
    // The second was killed too: the entry of the lane, which the third has written, names it.
    second.child.kill();
    let mut third = start(&at, 1, 0, "wait");
    let mut consumer = ring.consumer().unwrap();
    let came = drain(&mut consumer);
    let [Came::Died { last: None, owner }] = &came[..] else { panic!("{came:?}") };
    assert_eq!((second.thread(owner), owner.incarnation), (0, 2));
    // The third is named by its own entry.
    third.child.kill();
    let came = drain(&mut consumer);
    let [Came::Died { last: None, owner }] = &came[..] else { panic!("{came:?}") };
    assert_eq!((third.thread(owner), owner.incarnation), (0, 3));
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
    let reported = consumer.next(SOON).unwrap().map(|entry| (first.thread(entry.origin), entry.body));
    assert!(matches!(reported, Some((0, Body::UncleanExit(_)))), "{reported:?}");
    drop(consumer);
    let mut second = start(&at, 1, 0, "wait");
    second.child.kill();
    let _third = start(&at, 1, 0, "wait");
    let mut consumer = ring.consumer().unwrap();
    let came = drain(&mut consumer);
    let [Came::Died { last: Some(8), owner }, Came::Died { last: None, owner: named }] = &came[..] else {
        panic!("{came:?}")
    };
    assert_eq!((owner.pid, owner.tid, owner.lane, owner.incarnation), (0, 0, 1, 1));
    assert_eq!((second.thread(named), named.incarnation), (0, 2));
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
        assert_eq!((came.len(), deaths(&came).len()), (5 + deaths_told, deaths_told), "{came:?}");
        let Came::Died { last: None, owner } = &came[4 + deaths_told] else { panic!("{came:?}") };
        assert_eq!((last.unwrap().thread(owner), owner.incarnation), (0, 41));
        if deaths_told == 3 {
            let Came::Died { last: Some(4), owner } = &came[5] else { panic!("{came:?}") };
            assert_eq!((first.thread(owner), owner.incarnation), (0, 1));
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
    let [(owner, Some(5))] = deaths(&came)[..] else { panic!("{came:?}") };
    assert_eq!((owner.pid, owner.tid), (forked, forked));
    ending.child.kill();
    let came = drain(&mut consumer);
    assert_eq!(deaths(&came).iter().map(|(owner, _)| ending.thread(owner)).sum::<u32>(), 1);
    assert_eq!(came.len(), 2);
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
    assert_eq!(deaths(&drain(&mut ring.consumer().unwrap())).len(), 2);
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
    let [Came::Died { last: None, owner }] = &came[..] else { panic!("{came:?}") };
    assert_eq!(
        (owner.pid, &*owner.process, &*owner.thread),
        (ending.child.id(), "ringlog-test-producer", "")
    );
    nothing_more(&ring, consumer);
}
