//! A producer may be stopped at any instruction of a push, for any time, and go on.

use std::time::{Duration, Instant};

use ringlog::{Logger, Ring};
use ringlog_testkit::{Extent, SOON, Scratch, Stepped, soon};
use ringlog_tests::{Arrivals, CreateRing, Kind, Sequenced, drained, free_blocks_after, note_of, stat};

use crate::PRODUCER;

/// Producers: the one that stands still, one that goes on, and one whose lane is opened anew each time.
const STOPPED: u32 = 0;
const OTHER: u32 = 1;
const NEWCOMER: u32 = 2;

/// Bytes of a note with which each record takes a block of its own, of 1 KiB.
const HALF_BLOCK: usize = 470;

/// More rounds than there are instructions to stop at.
const ROUNDS_MAX: usize = 8_000;

/// Laps around the ring that the others make at each stop.
const LAPS: u64 = 2;

/// The producers that go on while one is stopped.
struct Others {
    ring: Ring,
    log: Logger,
    arrivals: Arrivals,
    /// Records of the other producer and of newcomers.
    sent: [u64; 2],
}

impl Others {
    fn push(&mut self, producer: u32) {
        let sent = &mut self.sent[(producer - OTHER) as usize];
        self.log.push(&Sequenced::new(producer, *sent, note_of(HALF_BLOCK))).unwrap();
        *sent += 1;
    }

    /// Goes so many times around the ring. A new consumer drains it: it looks for dead owners at once.
    fn go_around(&mut self, laps: u64) {
        let blocks = u64::from(self.ring.info().geometry().block_count());
        let ring = self.ring.clone();
        let mut consumer = soon(|| ring.consumer().ok()).expect("no other consumer drains");
        consumer.set_grace(Duration::ZERO);
        let to_send = self.sent[0] + laps * blocks;
        let deadline = Instant::now() + SOON;
        loop {
            while let Some(entry) = consumer.next(Duration::ZERO).unwrap() {
                self.arrivals.take(&entry);
            }
            consumer.ack().unwrap();
            assert!(Instant::now() < deadline, "the stopped one holds others up");
            if self.arrivals.of(OTHER) < self.sent[0] {
                continue;
            }
            if self.sent[0] == to_send {
                return;
            }
            // As many as find room beside the blocks of the one that stands still.
            (0..(to_send - self.sent[0]).min(4)).for_each(|_| self.push(OTHER));
        }
    }

    /// A thread opens a lane, which cannot be the stopped one's, and closes it.
    fn come_and_go(&mut self) {
        let (log, sequence) = (self.log.clone(), self.sent[1]);
        let newcomer = std::thread::spawn(move || {
            soon(|| log.open_lane().ok()).expect("a lane");
            log.push(&Sequenced::new(NEWCOMER, sequence, note_of(10))).unwrap();
        });
        newcomer.join().unwrap();
        self.sent[1] += 1;
    }
}

/// Stops a producer after each number of instructions of a push, or after a sample of them.
fn stop_at_each_instruction(scenario: &str, extent: Extent) {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("24KiB").block_bytes(1024).lanes(6));
    let all_blocks = ring.info().geometry().block_count();
    let log = ring.logger();
    let mut others = Others { ring: ring.clone(), log, arrivals: Arrivals::default(), sent: [0; 2] };
    others.push(OTHER);
    let arguments = [format!("scenario={scenario}"), format!("rounds={ROUNDS_MAX}")];
    let mut child = Stepped::start(PRODUCER, &["step", at.name(), &arguments[0], &arguments[1]]);
    let (path, changes) = child.follow_rounds(at.name(), || others.go_around(LAPS));
    others.go_around(1);
    let stops = extent.of(path.each_place(&changes));
    assert!(stops.len() + 5 < ROUNDS_MAX);
    let mut astray = 0;
    for done in &stops {
        println!("{scenario}: stopped after {done} instructions");
        child.begin_round();
        // What the child has closed comes back before.
        others.go_around(1);
        let reclaimed = stat(&ring).reclaim.blocks;
        astray += u32::from(!child.go_along(&path, *done));
        others.go_around(LAPS);
        others.come_and_go();
        assert_eq!(stat(&ring).reclaim.blocks, reclaimed, "what stands still is not dead");
    }
    child.begin_round();
    others.go_around(1);
    child.kill();
    let each_round = 1 + u64::from(scenario != "open");
    // One round at the start, three to find the way, the stops, and what comes before the last push.
    let sent = (4 + stops.len() as u64) * each_round + each_round - 1;
    let rest = drained(&ring).remove(&STOPPED).unwrap_or_default();
    assert_eq!(others.arrivals.of(STOPPED) + rest.len() as u64, sent);
    assert_eq!((others.arrivals.of(OTHER), others.arrivals.of(NEWCOMER)), (others.sent[0], others.sent[1]));
    // This process keeps the block of its lane.
    assert_eq!((stat(&ring).dropped, stat(&ring).damaged), (0, 0));
    let free = free_blocks_after(&ring, all_blocks - 1, || assert!(drained(&ring).is_empty()));
    assert_eq!(free, all_blocks - 1);
    println!(
        "{scenario}: {} instructions, {} of which change the ring; {} stops, {astray} of them on another way; \
         {} laps around the ring",
        path.len(),
        changes.len(),
        stops.len(),
        others.sent[0] / u64::from(all_blocks),
    );
}

#[test]
fn a_producer_stopped_during_a_push_is_left_alone() {
    for scenario in ["within", "open"] {
        stop_at_each_instruction(scenario, Extent::Sample(15));
    }
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn stopped_at_each_instruction_of_a_push_in_a_block() {
    stop_at_each_instruction("within", Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn stopped_at_each_instruction_of_a_block_change() {
    stop_at_each_instruction("change", Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn stopped_at_each_instruction_of_a_long_record() {
    stop_at_each_instruction("long", Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn stopped_at_each_instruction_of_opening_a_lane() {
    stop_at_each_instruction("open", Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn stopped_at_each_instruction_of_registering_a_definition() {
    stop_at_each_instruction("define", Extent::Every);
}
