//! Live and dead owners are told apart by kernel locks alone, in every namespace and whatever the processes have
//! done to themselves.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringlog::Ring;
use ringlog::reader::Consumer;
use ringlog_testkit::{Child, SOON, Scratch, in_namespaces};
use ringlog_tests::{Arrivals, CreateRing, lanes, stat, wait_for_lanes};

use crate::PRODUCER;

fn ring_of(at: &Scratch, lanes: u32) -> Ring {
    at.create(Ring::options().size("128KiB").block_bytes(1024).lanes(lanes))
}

/// A child that has logged its first round.
fn standing(at: &Scratch, arguments: &[&str]) -> Child {
    let mut child = Child::spawn(PRODUCER, &[&["stand", at.name()], arguments].concat());
    child.wait_ready();
    child
}

/// Lets a child that stands by log another round.
fn another_round(child: &mut Child) {
    child.go();
    child.wait_ready();
}

/// Drains until the consumer has looked for the dead twice: owners that died before this call have been
/// reclaimed, and what they left is free.
fn bury(ring: &Ring, consumer: &mut Consumer, arrivals: &mut Arrivals) {
    let deadline = Instant::now() + SOON;
    let mut looked = stat(ring).reclaim.looked_unix_ns;
    for _ in 0..2 {
        while stat(ring).reclaim.looked_unix_ns == looked {
            assert!(Instant::now() < deadline, "the consumer does not look for the dead");
            if let Some(entry) = consumer.next(Duration::from_millis(20)).unwrap() {
                arrivals.take(&entry);
            }
            consumer.ack().unwrap();
        }
        looked = stat(ring).reclaim.looked_unix_ns;
    }
}

/// What a witness sees.
#[derive(Debug, PartialEq)]
struct Sight {
    alive: u64,
    dead: u64,
    blocks_in_use: u64,
    records: u64,
    reclaimed: u64,
}

fn ask(witness: &mut Child, ring: &Ring) -> Sight {
    witness.go();
    let [alive, dead, free, records, reclaimed] = witness.numbers()[..] else { panic!("no answer") };
    let blocks_in_use = u64::from(ring.info().geometry().block_count()) - free;
    Sight { alive, dead, blocks_in_use, records, reclaimed }
}

/// One producer lives and one is killed. The witness has to see that, and get what they log.
fn the_witness_sees_who_lives(
    at: &Scratch,
    ring: &Ring,
    witness: &mut Child,
    start: impl Fn(&str) -> Child,
) -> Child {
    witness.wait_ready();
    let (mut living, mut killed) = (start("producer=0"), start("producer=2"));
    let both = Sight { alive: 4, dead: 0, blocks_in_use: 2, records: 20, reclaimed: 0 };
    assert_eq!(ask(witness, ring), both, "of {}", at.name());
    killed.kill();
    // The death of whom the test has killed is that of its child; what hangs on it dies soon after.
    wait_for_lanes(ring, (2, 2));
    let one = Sight { alive: 2, dead: 2, blocks_in_use: 1, records: 20, reclaimed: 1 };
    assert_eq!(ask(witness, ring), one);
    // Of the second round one record is another thread's, whose lane is closed then.
    another_round(&mut living);
    another_round(&mut living);
    let sight = ask(witness, ring);
    assert_eq!((sight.alive, sight.blocks_in_use, sight.records), (2, 1, 41));
    living
}

/// A number that no process has here.
fn nobodys_number() -> u32 {
    let mut numbers = (2..30_000).rev();
    numbers.find(|n| kill(Pid::from_raw(*n), None).is_err()).unwrap() as u32
}

#[test]
fn a_consumer_in_other_namespaces_tells_live_from_dead() {
    let at = Scratch::new();
    let ring = ring_of(&at, 8);
    let Some(mut witness) = in_namespaces(PRODUCER, "witness", at.path(), 2, &[]) else { return };
    the_witness_sees_who_lives(&at, &ring, &mut witness, |producer| standing(&at, &[producer]));
}

/// Also: the pid of the dead one is a live process here, and that of the live one is not in use.
#[test]
fn a_producer_in_other_namespaces_is_not_dead_by_its_pid() {
    let at = Scratch::new();
    let ring = ring_of(&at, 8);
    let (mine, nobodys) = (std::process::id(), nobodys_number());
    match in_namespaces(PRODUCER, "stand", at.path(), 2, &["count=0"]) {
        Some(mut permitted) => permitted.wait_ready(),
        None => return,
    }
    let start = |producer: &str| {
        let number = if producer == "producer=0" { nobodys } else { mine };
        let mut child = in_namespaces(PRODUCER, "stand", at.path(), number, &[producer]).unwrap();
        child.wait_ready();
        child
    };
    let mut witness = Child::spawn(PRODUCER, &["witness", at.name()]);
    let _living = the_witness_sees_who_lives(&at, &ring, &mut witness, start);
    let numbers = |alive| {
        let lanes = stat(&ring).lanes.into_iter().filter(|lane| lane.open && lane.alive == alive);
        lanes.map(|lane| lane.pid).collect::<Vec<_>>()
    };
    println!(
        "alive under number {nobodys}, which is not in use here; dead under {mine}, which is this test's"
    );
    assert_eq!((numbers(true), numbers(false)), (vec![nobodys; 2], vec![mine; 2]));
    assert!(kill(Pid::from_raw(nobodys as i32), None).is_err());
}

fn wait_for_zombie(child: &Child) {
    let deadline = Instant::now() + SOON;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        if status.contains(") Z ") {
            break;
        }
        assert!(Instant::now() < deadline, "{status}");
        std::thread::yield_now();
    }
}

#[test]
fn a_zombie_is_dead() {
    let at = Scratch::new();
    let ring = ring_of(&at, 4);
    let mut consumer = ring.consumer().unwrap();
    let mut arrivals = Arrivals::default();
    let mut child = standing(&at, &[]);
    bury(&ring, &mut consumer, &mut arrivals);
    assert_eq!(lanes(&ring), (2, 0));
    child.signal(Signal::SIGKILL);
    wait_for_zombie(&child);
    wait_for_lanes(&ring, (0, 2));
    bury(&ring, &mut consumer, &mut arrivals);
    // It has not been reaped: its pid is still in use.
    wait_for_zombie(&child);
    kill(Pid::from_raw(child.id() as i32), None).unwrap();
    let stat = stat(&ring);
    assert_eq!((stat.free_blocks, stat.reclaim.blocks), (ring.info().geometry().block_count(), 1));
    assert_eq!(arrivals.of(0), 10);
    child.wait();
}

#[test]
fn a_process_lives_as_long_as_one_of_its_threads() {
    let at = Scratch::new();
    let ring = ring_of(&at, 8);
    let mut consumer = ring.consumer().unwrap();
    let mut arrivals = Arrivals::default();
    let mut child = standing(&at, &["main_ends=1"]);
    // That is what a process looks like whose main thread has ended.
    wait_for_zombie(&child);
    bury(&ring, &mut consumer, &mut arrivals);
    assert_eq!((lanes(&ring), stat(&ring).reclaim.blocks), ((2, 0), 0));
    another_round(&mut child);
    bury(&ring, &mut consumer, &mut arrivals);
    assert_eq!(arrivals.of(0), 20);
    assert_eq!(child.finish(), [0_u64; 0]);
}

#[test]
fn children_do_not_keep_the_lanes_of_a_dead_parent_alive() {
    let at = Scratch::new();
    let ring = ring_of(&at, 4);
    let mut consumer = ring.consumer().unwrap();
    let mut arrivals = Arrivals::default();
    let mut parent = Child::spawn(PRODUCER, &["orphans", at.name()]);
    parent.wait_ready();
    bury(&ring, &mut consumer, &mut arrivals);
    assert_eq!(lanes(&ring), (2, 0));
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", parent.id())).unwrap();
    let children: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    parent.kill();
    wait_for_lanes(&ring, (0, 2));
    bury(&ring, &mut consumer, &mut arrivals);
    assert_eq!(stat(&ring).free_blocks, ring.info().geometry().block_count());
    assert_eq!((arrivals.of(0), children.len()), (10, 2));
    for child in children {
        let status = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
        assert!(!status.contains(") Z "), "it still lives: {status}");
    }
}

#[test]
fn a_child_forked_while_locks_are_taken_keeps_none() {
    const FORKS: u64 = 150;
    let at = Scratch::new();
    let ring = ring_of(&at, 8);
    let mut parent = Child::spawn(PRODUCER, &["fork-while-opening", at.name(), &format!("forks={FORKS}")]);
    parent.wait_ready();
    let opened = parent.numbers()[0];
    println!("{opened} lanes were opened and closed during {FORKS} forks; all children live");
    assert!(opened >= FORKS, "too few to hit any");
    let held: Vec<_> = stat(&ring).lanes.into_iter().filter(|lane| lane.alive && !lane.is_process).collect();
    assert!(held.is_empty(), "their threads have ended: {held:#?}");
    parent.kill();
    wait_for_lanes(&ring, (0, 1));
    drop(ring.consumer().expect("there is no consumer"));
    drop(ring);
    ringlog::admin::remove(at.name(), false).expect("no process is attached");
}

#[test]
fn closing_all_descriptors_keeps_a_producer_alive() {
    let at = Scratch::new();
    let ring = ring_of(&at, 8);
    let mut consumer = ring.consumer().unwrap();
    let mut arrivals = Arrivals::default();
    let mut child = standing(&at, &["close=1"]);
    bury(&ring, &mut consumer, &mut arrivals);
    assert_eq!((lanes(&ring), stat(&ring).reclaim.blocks), ((2, 0), 0));
    // It goes on logging, also from a thread that has no lane yet.
    another_round(&mut child);
    another_round(&mut child);
    bury(&ring, &mut consumer, &mut arrivals);
    assert_eq!((arrivals.of(0), arrivals.of(1), lanes(&ring)), (30, 1, (2, 0)));
    child.kill();
    wait_for_lanes(&ring, (0, 2));
    bury(&ring, &mut consumer, &mut arrivals);
    assert_eq!(stat(&ring).reclaim.blocks, 1);
    assert_eq!(stat(&ring).free_blocks, ring.info().geometry().block_count());
}

#[test]
fn closing_all_descriptors_declares_no_owner_dead() {
    let at = Scratch::new();
    let ring = ring_of(&at, 8);
    let mut witness = Child::spawn(PRODUCER, &["witness", at.name(), "close=1"]);
    the_witness_sees_who_lives(&at, &ring, &mut witness, |producer| standing(&at, &[producer]));
}

#[test]
fn a_stopped_process_keeps_its_block_and_is_never_dead() {
    let at = Scratch::new();
    let ring = ring_of(&at, 6);
    let mut consumer = ring.consumer().unwrap();
    let mut arrivals = Arrivals::default();
    let mut stopped = standing(&at, &["producer=0"]);
    stopped.signal(Signal::SIGSTOP);
    let since = Instant::now();
    let (mut laps, mut looks, mut looked) = (0, 0, 0);
    let blocks = u64::from(ring.info().geometry().block_count());
    // Three records at most fit one of these blocks.
    let count = format!("count={}", 4 * blocks * 3);
    for lap in 0_u32.. {
        let producer = format!("producer={}", 10 + lap);
        let mut other = Child::spawn(PRODUCER, &["sequence", at.name(), &producer, &count, "block_ms=30000"]);
        other.wait_ready();
        other.go();
        while arrivals.of(10 + lap) < 4 * blocks * 3 {
            let entry = consumer.next(SOON).unwrap().expect("more records");
            arrivals.take(&entry);
            consumer.ack().unwrap();
        }
        assert_eq!(other.finish(), [4 * blocks * 3, 0]);
        let now = stat(&ring).reclaim.looked_unix_ns;
        looks += u32::from(std::mem::replace(&mut looked, now) != now);
        laps += 1;
        if looks >= 5 && since.elapsed() > 4 * Consumer::RECLAIM_INTERVAL {
            break;
        }
    }
    println!(
        "stopped for {:?}: {looks} looks for the dead, {} rounds of the ring",
        since.elapsed(),
        4 * laps
    );
    let now = stat(&ring);
    assert_eq!((now.reclaim.blocks, now.damaged), (0, 0));
    let lane = now.lanes.iter().find(|lane| lane.pid == stopped.id() && !lane.is_process).unwrap();
    assert!(lane.alive && lane.open && lane.incarnation == 1);
    stopped.signal(Signal::SIGCONT);
    another_round(&mut stopped);
    bury(&ring, &mut consumer, &mut arrivals);
    assert_eq!(arrivals.of(0), 20);
    assert_eq!(stat(&ring).lanes[lane.lane as usize].incarnation, 1, "the lane is still its own");
}
