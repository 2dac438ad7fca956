//! A producer may be killed at any instruction of a push, of whatever kind.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Barrier, Mutex};

use ringlog::{Logger, Ring};
use ringlog_testkit::{Extent, Path, Scratch, Stepped, soon};
use ringlog_tests::{CreateRing, Kind, Sequenced, drained, free_blocks_after, note_of, stat};

use crate::PRODUCER;

/// Producers: the one that is killed, one that lives on, and the first of those that come after the kill.
const KILLED: u32 = 0;
const OTHER: u32 = 1;
const NEXT: u32 = 2;

fn push(log: &Logger, producer: u32, sequence: u64) {
    log.push(&Sequenced::new(producer, sequence, note_of(10))).unwrap();
}

/// Records of the other producer before the kill.
const OTHERS: u64 = 3;

/// A ring with a producer that lives on, and a child that stands before the push in which it is killed.
struct Scene {
    at: Scratch,
    ring: Ring,
    child: Stepped,
    /// Keeps the lanes of the one that lives on.
    _log: Logger,
}

impl Scene {
    /// Each begins with the same bytes, so that the children go the same way.
    fn new(empty: &[u8], scenario: &str) -> Scene {
        let at = Scratch::new();
        std::fs::write(at.name(), empty).unwrap();
        let ring = Ring::open(at.name()).unwrap();
        let log = ring.logger();
        (0..OTHERS).for_each(|sequence| push(&log, OTHER, sequence));
        let child = Stepped::start(PRODUCER, &["step", at.name(), &format!("scenario={scenario}")]);
        Scene { at, ring, child, _log: log }
    }

    /// The ring's bytes wherever an instruction has changed them, with the number of instructions done;
    /// and the way. Nothing is left of a process that is killed but these and its locks, which the kernel
    /// drops: so these are all the rings that a kill can leave behind.
    fn states(&mut self) -> (Vec<(usize, Vec<u8>)>, Path) {
        let (mut states, mut done) = (Vec::<(usize, Vec<u8>)>::new(), 0);
        let path = self.child.follow(|_| {
            let now = std::fs::read(self.at.name()).unwrap();
            if states.last().is_none_or(|(_, last)| *last != now) {
                states.push((done, now));
            }
            done += 1;
        });
        (states, path)
    }
}

/// What comes first after the kill.
#[derive(Clone, Copy, Debug, PartialEq)]
enum First {
    /// The consumer, which has to find out that the owner is dead.
    Consumer,
    /// Producers that open every lane and hold it while the consumer drains.
    Openers,
}

/// Whether the record in flight is there after a kill, all the rest being as it has to be. `before` are the
/// records that were published before it, `alive` the lanes that still have an owner.
fn recovers(ring: &Ring, before: u64, alive: u32, first: First) -> bool {
    let geometry = ring.info().geometry();
    // A process that lives on has two lanes, and a block of its thread's lane.
    let free_blocks = geometry.block_count() - alive / 2;
    let mut found = BTreeMap::new();
    if first == First::Consumer {
        found = drained(ring);
        everything_comes_back(ring, free_blocks);
    }
    let next = open_every_lane(ring, geometry.lane_count() - alive, || {
        for (producer, sequences) in drained(ring) {
            found.entry(producer).or_default().extend(sequences);
        }
    });
    let in_flight = found.remove(&KILLED).unwrap_or_default();
    assert!(in_flight.iter().copied().eq(0..in_flight.len() as u64), "{in_flight:?}");
    assert!([before, before + 1].contains(&(in_flight.len() as u64)), "{in_flight:?}");
    assert_eq!(found.remove(&OTHER), Some((0..OTHERS).collect()));
    assert_eq!(found, next.map(|producer| (producer, vec![0])).collect(), "the ring goes on");
    everything_comes_back(ring, free_blocks);
    let stat = stat(ring);
    assert_eq!((stat.dropped, stat.damaged), (0, 0));
    in_flight.len() as u64 > before
}

/// To be called when all records have been taken out.
fn everything_comes_back(ring: &Ring, free_blocks: u32) {
    let nothing = || assert_eq!(drained(ring), BTreeMap::new());
    nothing();
    assert_eq!(free_blocks_after(ring, free_blocks, nothing), free_blocks);
}

/// Another attachment opens so many lanes, that of its process among them, and pushes a record on each
/// other one; then `act` is called while they are held. Returns the producers.
fn open_every_lane(ring: &Ring, lanes: u32, act: impl FnOnce()) -> Range<u32> {
    let again = Ring::open(ring.path().to_str().unwrap()).unwrap();
    let producers = NEXT..NEXT + lanes - 1;
    let (opened, held) = (Barrier::new(producers.len() + 1), Mutex::new(()));
    std::thread::scope(|scope| {
        let hold = held.lock().unwrap();
        let threads = producers.clone().map(|producer| {
            let (again, opened, held) = (&again, &opened, &held);
            scope.spawn(move || {
                let log = again.logger();
                let record = Sequenced::new(producer, 0, note_of(10));
                let pushed = soon(|| log.open_lane().ok()).map(|()| log.push(&record));
                opened.wait();
                // Also where `act` has failed.
                drop(held.lock());
                pushed
            })
        });
        let threads: Vec<_> = threads.collect();
        opened.wait();
        act();
        drop(hold);
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), Some(Ok(())), "a lane"));
    });
    producers
}

/// The bytes of a ring in which nothing is left, but of which every block has been used.
fn used_ring() -> Vec<u8> {
    let at = Scratch::new();
    // Room also for the openers that come after the dead.
    let ring = at.create(Ring::options().size("32KiB").block_bytes(1024).lanes(6));
    let log = ring.logger();
    for sequence in 0..600 {
        push(&log, OTHER, sequence);
        if sequence % 40 == 39 {
            drained(&ring);
        }
    }
    drop((log, ring));
    let ring = Ring::open(at.name()).unwrap();
    everything_comes_back(&ring, ring.info().geometry().block_count());
    std::fs::read(at.name()).unwrap()
}

/// Kills a producer after each number of instructions of a push, or after a sample of them.
fn kill_at_each_instruction(scenario: &str, extent: Extent) {
    let before = u64::from(scenario != "open");
    let empty = used_ring();
    let (all_states, path) = Scene::new(&empty, scenario).states();
    let changes: Vec<usize> = all_states.iter().skip(1).map(|(done, _)| *done).collect();
    let states = extent.of(all_states);
    for first in [First::Consumer, First::Openers] {
        let mut there = Vec::new();
        for (done, state) in &states {
            println!("{scenario}: a copy of the ring after {done} instructions, {first:?} first");
            let copy = Scratch::new();
            std::fs::write(copy.name(), state).unwrap();
            there.push(recovers(&Ring::open(copy.name()).unwrap(), before, 0, first));
        }
        assert!(there.is_sorted(), "a record that was published is not any more: {there:?}");
        assert_eq!((there.first(), there.last()), (Some(&false), Some(&true)));
    }
    let kills = extent.of(path.sample(&changes));
    let mut astray = 0;
    for (number, done) in kills.iter().enumerate() {
        println!("{scenario}: killed after {done} instructions");
        let mut scene = Scene::new(&empty, scenario);
        astray += u32::from(!scene.child.go_along(&path, *done));
        scene.child.kill();
        let first = if number % 2 == 0 { First::Consumer } else { First::Openers };
        recovers(&scene.ring, before, 2, first);
    }
    println!(
        "{scenario}: {} instructions, {} states of the ring; {} real kills, {astray} of them on another way",
        path.len(),
        states.len(),
        kills.len(),
    );
}

#[test]
fn a_producer_killed_during_a_push_harms_no_other() {
    for scenario in ["within", "open"] {
        kill_at_each_instruction(scenario, Extent::Sample(15));
    }
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_instruction_of_a_push_in_a_block() {
    kill_at_each_instruction("within", Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_instruction_of_a_block_change() {
    kill_at_each_instruction("change", Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_instruction_of_a_long_record() {
    kill_at_each_instruction("long", Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_instruction_of_opening_a_lane() {
    kill_at_each_instruction("open", Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_instruction_of_registering_a_definition() {
    kill_at_each_instruction("define", Extent::Every);
}
