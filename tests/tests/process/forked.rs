//! A process may fork at any instruction of a push, and the child may log at once, or only end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ringlog::Ring;
use ringlog::reader::Body;
use ringlog_testkit::{Extent, SOON, Scratch, Stepped, soon};
use ringlog_tests::{CreateRing, Proof, drained, free_blocks_after, stat};

use crate::PRODUCER;

/// The producer that forks. A child is the producer with the number of its process.
const PARENT: u32 = 0;

/// What has come from one process: its sequences, and the lanes with their incarnations.
#[derive(Default)]
struct FromProcess {
    sequences: Vec<u64>,
    lanes: BTreeSet<(u32, u32)>,
}

/// What a new consumer finds, by process; nothing may be missing. `died` gets those whose lane is said to
/// have died.
fn drained_by_process(ring: &Ring, died: &mut BTreeSet<u32>) -> BTreeMap<u32, FromProcess> {
    let mut consumer = soon(|| ring.consumer().ok()).expect("no other consumer drains");
    consumer.set_grace(Duration::ZERO);
    let mut processes = BTreeMap::<u32, FromProcess>::new();
    let deadline = Instant::now() + SOON;
    while !consumer.is_drained().unwrap() {
        assert!(Instant::now() < deadline, "something in the ring cannot be taken out");
        while let Some(entry) = consumer.next(Duration::ZERO).unwrap() {
            if let Body::UncleanExit(_) = entry.body {
                died.insert(entry.origin.pid);
                continue;
            }
            let Proof { producer, sequence } = Proof::of(&entry).unwrap_or_else(|| panic!("{entry}"));
            let origin = entry.origin;
            assert!(producer == PARENT || producer == origin.pid, "{entry}");
            let process = processes.entry(origin.pid).or_default();
            process.sequences.push(sequence);
            process.lanes.insert((origin.lane, origin.incarnation));
        }
        consumer.ack().unwrap();
    }
    processes
}

fn start(scenario: &str, rounds: usize) -> (Scratch, Ring, Stepped) {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("64KiB").block_bytes(1024).lanes(8));
    let arguments = [format!("scenario={scenario}"), format!("rounds={rounds}")];
    let child =
        Stepped::start(PRODUCER, &["step", at.name(), &arguments[0], &arguments[1], "on_signal=fork"]);
    (at, ring, child)
}

/// Forks after each number of instructions of a push, or after a sample of them.
fn fork_at_each_instruction(scenario: &str, everywhere: bool, extent: Extent) {
    let (path, changes) = {
        let (at, ring, mut pilot) = start(scenario, 4);
        pilot.follow_rounds(at.name(), || drop(drained(&ring)))
    };
    let forks = extent.of(if everywhere { path.each_place(&changes) } else { path.sample(&changes) });
    let (_at, ring, mut child) = start(scenario, forks.len());
    let (mut sent, mut forked, mut in_library, mut died) = (0, 0, 0, BTreeSet::new());
    for (round, done) in forks.iter().enumerate() {
        println!("{scenario}: a fork after {done} instructions");
        if round > 0 {
            child.run_over_marker();
        }
        child.go_along(&path, *done);
        // The C library's own state may be anything there, and a child could not even open a file.
        let forks = child.is_in_program();
        if forks {
            child.signal(Signal::SIGUSR1);
        }
        child.run_over_marker();
        let mut processes = drained_by_process(&ring, &mut died);
        let parent = processes.remove(&child.id()).expect("the parent's records");
        let expected = 1 + u64::from(scenario != "open");
        assert!(parent.sequences.iter().copied().eq(sent..sent + expected), "{:?}", parent.sequences);
        sent += expected;
        // Every second child logs.
        assert_eq!(processes.len(), usize::from(forks && forked % 2 == 0));
        for of_child in processes.values() {
            assert_eq!(of_child.sequences, [0, 1]);
            assert_eq!(of_child.lanes.len(), 1);
            assert!(parent.lanes.is_disjoint(&of_child.lanes), "a child in its parent's lane");
        }
        forked += u64::from(forks);
        in_library += u64::from(!forks);
    }
    assert!(!died.contains(&child.id()));
    assert_eq!(child.finish(), [sent, 0, forked, 0], "each child ended well");
    let all_blocks = ring.info().geometry().block_count();
    let free =
        free_blocks_after(&ring, all_blocks, || assert!(drained_by_process(&ring, &mut died).is_empty()));
    assert_eq!(free, all_blocks);
    assert_eq!((stat(&ring).dropped, stat(&ring).damaged), (0, 0));
    println!(
        "{scenario}: {} instructions; {forked} pushes in which the process forked, {in_library} left out",
        path.len(),
    );
}

#[test]
fn a_process_that_forks_during_a_push_and_its_child_complete() {
    for scenario in ["within", "open"] {
        fork_at_each_instruction(scenario, true, Extent::Sample(15));
    }
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_fork_at_each_instruction_of_a_push_in_a_block() {
    fork_at_each_instruction("within", true, Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_fork_at_each_instruction_of_a_block_change() {
    fork_at_each_instruction("change", false, Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_fork_at_each_instruction_of_a_long_record() {
    fork_at_each_instruction("long", false, Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_fork_at_each_instruction_of_opening_a_lane() {
    fork_at_each_instruction("open", true, Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_fork_at_each_instruction_of_registering_a_definition() {
    fork_at_each_instruction("define", false, Extent::Every);
}
