//! A signal may come at any instruction of a push, and its handler may log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ringlog::Ring;
use ringlog::reader::{Body, Consumer, GapReason};
use ringlog_testkit::{Extent, SOON, Scratch, Stepped, soon};
use ringlog_tests::{CreateRing, Proof, drained, stat};

use crate::PRODUCER;

/// Producers: the interrupted one, and its handler.
const INTERRUPTED: u32 = 0;
const HANDLER: u32 = 1;

/// What has come out of the ring.
#[derive(Default)]
struct Tally {
    /// Sequences of each producer, in the order of their coming.
    sequences: BTreeMap<u32, Vec<u64>>,
    /// The next record's place in each incarnation of a lane.
    next: BTreeMap<(u32, u32), u64>,
    reported: u64,
    /// The lanes of threads, with their incarnations.
    thread_lanes: BTreeSet<(u32, u32)>,
}

impl Tally {
    /// A new consumer takes out what is there: it looks for what the dead have left at once.
    fn drain(&mut self, ring: &Ring) {
        let mut consumer = soon(|| ring.consumer().ok()).expect("no other consumer drains");
        consumer.set_grace(Duration::ZERO);
        // A lane's next block counts as missing only after a second look.
        (0..2).for_each(|_| self.take_out(&mut consumer));
    }

    fn take_out(&mut self, consumer: &mut Consumer) {
        while let Some(entry) = consumer.next(Duration::ZERO).unwrap() {
            match &entry.body {
                Body::Record(record) => {
                    let lane = (entry.origin.lane, entry.origin.incarnation);
                    assert_ne!(lane.1, 0, "a lane without an owner: {entry}");
                    let next = self.next.entry(lane).or_default();
                    assert_eq!(record.sequence, *next, "in lane {lane:?}: {entry}");
                    *next += 1;
                    if !entry.origin.thread.is_empty() {
                        self.thread_lanes.insert(lane);
                    }
                    let Some(Proof { producer, sequence }) = Proof::of(&entry) else { unreachable!() };
                    assert_eq!(
                        record.logger == "test.alarm",
                        producer == HANDLER,
                        "its own definition: {entry}"
                    );
                    self.sequences.entry(producer).or_default().push(sequence);
                }
                Body::Gap(gap) => {
                    assert_eq!(gap.reason, GapReason::Nested, "{entry}");
                    self.reported += gap.count;
                }
                _ => panic!("{entry}"),
            }
        }
        consumer.ack().unwrap();
    }

    /// Takes out the rest, and holds the numbers against what the process says that it has done.
    fn settle(mut self, ring: &Ring, sessions: usize, printed: &[u64]) -> String {
        let mut consumer = soon(|| ring.consumer().ok()).expect("no other consumer drains");
        let deadline = Instant::now() + SOON;
        while !consumer.is_drained().unwrap() {
            assert!(Instant::now() < deadline, "something in the ring cannot be taken out");
            self.take_out(&mut consumer);
        }
        let &[sent, refused, handlers_sent, handlers_refused] = printed else { panic!("{printed:?}") };
        for (producer, sent, refused) in
            [(INTERRUPTED, sent, refused), (HANDLER, handlers_sent, handlers_refused)]
        {
            let mut received = self.sequences.remove(&producer).unwrap_or_default();
            let count = received.len() as u64;
            received.sort_unstable();
            received.dedup();
            assert_eq!(received.len() as u64, count, "each once");
            assert_eq!(count + refused, sent, "of producer {producer}");
        }
        assert!(self.sequences.is_empty());
        assert_eq!(self.thread_lanes.len(), sessions, "a thread has one lane");
        assert_eq!(refused, 0, "a call that waits for room is not refused because of a handler");
        let stat = stat(ring);
        assert_eq!((self.reported, stat.dropped), (handlers_refused, handlers_refused));
        assert_eq!(stat.damaged, 0);
        format!("{handlers_sent} handlers logged, {handlers_refused} of their records were dropped")
    }
}

/// A ring, and a child that stands before the first of so many rounds.
struct Scene {
    at: Scratch,
    ring: Ring,
    child: Stepped,
}

impl Scene {
    fn new(scenario: &str, rounds: usize) -> Scene {
        let at = Scratch::new();
        let ring = at.create(Ring::options().size("96KiB").block_bytes(1024).lanes(6));
        let arguments = [format!("scenario={scenario}"), format!("rounds={rounds}")];
        let arguments = ["step", at.name(), &arguments[0], &arguments[1], "on_signal=log"];
        let child = Stepped::start(PRODUCER, &arguments);
        Scene { at, ring, child }
    }

    /// Lets the child end, and holds everything against what it says that it has done.
    fn settle(mut self, sessions: usize, tally: Tally) -> String {
        self.child.run_over_marker();
        let printed = self.child.finish();
        tally.settle(&self.ring, sessions, &printed)
    }
}

/// Many pushes, each interrupted once, at another instruction.
fn signal_at_each_instruction(scenario: &str, extent: Extent) {
    let mut pilot = Scene::new(scenario, 4);
    let (path, changes) = pilot.child.follow_rounds(pilot.at.name(), || drop(drained(&pilot.ring)));
    let signals = extent.of(path.each_place(&changes));
    let mut scene = Scene::new(scenario, signals.len());
    let mut tally = Tally::default();
    let mut astray = 0;
    for (round, done) in signals.iter().enumerate() {
        println!("{scenario}: a signal after {done} instructions");
        if round > 0 {
            scene.child.begin_round();
        }
        astray += u32::from(!scene.child.go_along(&path, *done));
        scene.child.signal(Signal::SIGUSR1);
        tally.drain(&scene.ring);
    }
    let sessions = if ["open", "define"].contains(&scenario) { signals.len() } else { 1 };
    let outcome = scene.settle(sessions, tally);
    println!(
        "{scenario}: {} instructions; {} pushes interrupted, {astray} of them on another way; {outcome}",
        path.len(),
        signals.len(),
    );
}

/// One push, interrupted at every instruction from the first change of the ring on. Before that a handler
/// may open the lane in its stead.
fn signals_at_all_instructions(scenario: &str) {
    let mut scene = Scene::new(scenario, 1);
    let mut tally = Tally::default();
    let ring = || std::fs::read(scene.ring.path()).unwrap();
    let (before, mut has_changed, mut signals) = (ring(), false, 0);
    let path = scene.child.follow(|child| {
        has_changed |= ring() != before;
        if has_changed {
            child.interrupt(Signal::SIGUSR1);
            signals += 1;
        }
        if signals % 16 == 1 {
            tally.drain(&scene.ring);
        }
    });
    let outcome = scene.settle(1, tally);
    println!(
        "{scenario}: one push of {} instructions, interrupted at all but the first; {outcome}",
        path.len()
    );
}

#[test]
fn a_signal_handler_that_interrupts_a_push_may_log() {
    for scenario in ["within", "open"] {
        signal_at_each_instruction(scenario, Extent::Sample(15));
    }
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_signal_handler_logs_at_each_instruction_in_a_block() {
    signal_at_each_instruction("within", Extent::Every);
    signals_at_all_instructions("within");
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_signal_handler_logs_at_each_instruction_of_a_block_change() {
    signal_at_each_instruction("change", Extent::Every);
    signals_at_all_instructions("change");
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_signal_handler_logs_at_each_instruction_of_a_long_record() {
    signal_at_each_instruction("long", Extent::Every);
    signals_at_all_instructions("long");
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_signal_handler_logs_at_each_instruction_of_opening_a_lane() {
    signal_at_each_instruction("open", Extent::Every);
    signals_at_all_instructions("open");
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_signal_handler_logs_at_each_instruction_of_a_registration() {
    signal_at_each_instruction("define", Extent::Every);
    signals_at_all_instructions("define");
}
