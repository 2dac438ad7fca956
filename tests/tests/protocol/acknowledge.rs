//! A consumer may be killed at any instruction of an acknowledgement.

use std::collections::BTreeMap;
use std::time::Duration;

use ringlog::Ring;
use ringlog::reader::Cursor;
use ringlog_testkit::{Extent, Scratch, Stepped};
use ringlog_tests::{CreateRing, Kind, Sequenced, note, received};

use crate::PRODUCER;

/// Records of each of the two lanes.
const EACH: u64 = 60;

/// The ring's bytes after each instruction of an acknowledgement of `count` entries, after one of
/// `before`, where they differ from those after the last one; and the number of instructions.
fn states_of_acknowledging(at: &Scratch, before: u64, count: u64) -> (Vec<Vec<u8>>, usize) {
    let (before, count) = (format!("before={before}"), format!("count={count}"));
    let mut child = Stepped::start(PRODUCER, &["acknowledge", at.name(), &before, &count]);
    let mut states = Vec::new();
    let path = child.follow(|_| {
        let now = std::fs::read(at.name()).unwrap();
        if states.last() != Some(&now) {
            states.push(now);
        }
    });
    (states, path.len())
}

/// The cursor of a consumer that has given out this many entries of a copy of the ring.
fn cursor_after(at: &Scratch, count: u64) -> Cursor {
    let copy = Scratch::new();
    std::fs::copy(at.name(), copy.name()).unwrap();
    let mut consumer = Ring::open(copy.name()).unwrap().consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    for _ in 0..count {
        consumer.next(Duration::from_secs(5)).unwrap().unwrap();
    }
    consumer.cursor()
}

/// What a new consumer gets out of this ring: each producer's sequences.
fn received_anew(ring: &Ring, cursor: &Cursor) -> BTreeMap<u32, Vec<u64>> {
    let mut consumer = ring.consumer().unwrap();
    consumer.resume(cursor).unwrap();
    consumer.set_grace(Duration::ZERO);
    received(&mut consumer, Duration::from_millis(10))
}

#[test]
fn a_consumer_killed_while_it_acknowledges_loses_nothing() {
    kill_at_each_instruction(&[(5, 1), (EACH + 5, EACH - 5)], Extent::Sample(5));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_instruction_of_an_acknowledgement() {
    kill_at_each_instruction(&[(5, 1), (5, EACH - 6), (5, EACH), (EACH + 5, EACH - 5)], Extent::Every);
}

/// Kills a consumer that has acknowledged so many entries at each instruction of acknowledging so many more. What
/// it leaves behind is one of the states of the ring, of which `extent` are tried.
fn kill_at_each_instruction(acknowledgements: &[(u64, u64)], extent: Extent) {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("128KiB").block_bytes(1024).lanes(4));
    let log = ring.logger();
    log.open_lane().unwrap();
    // Two lanes, several blocks each, long records among them.
    let push = |producer: u32| {
        (0..EACH).for_each(|n| log.push(&Sequenced::new(producer, n, note(n, 30))).unwrap());
    };
    push(0);
    std::thread::scope(|scope| {
        scope.spawn(|| push(1));
    });
    for (before, count) in acknowledgements.iter().copied() {
        let (from, from_start) = (Scratch::new(), Scratch::new());
        std::fs::copy(at.name(), from.name()).unwrap();
        std::fs::copy(at.name(), from_start.name()).unwrap();
        let (states, instructions) = states_of_acknowledging(&from, before, count);
        println!("{before} and {count} entries: {instructions} instructions, {} states", states.len());
        assert!(states.len() > 3);
        let states = extent.of(states);
        let cursor = cursor_after(&from_start, before + count);
        for (number, state) in states.iter().enumerate() {
            let copy = Scratch::new();
            std::fs::write(copy.name(), state).unwrap();
            let copied = Ring::open(copy.name()).unwrap();
            // Twice: what the first leaves unacknowledged the second has to get again. The third knows from a
            // cursor how far it was, and gets nothing again. The fourth knows that from the ring.
            let mut has_cursor = false;
            for cursor in [&Cursor::default(), &Cursor::default(), &cursor, &Cursor::default()] {
                let received = received_anew(&copied, cursor);
                for producer in 0..2 {
                    let got = received.get(&producer).cloned().unwrap_or_default();
                    // Given out, in the order of time, are the first ones.
                    let given = (before + count).saturating_sub(u64::from(producer) * EACH).min(EACH);
                    let first = got.first().copied().unwrap_or(EACH);
                    has_cursor |= *cursor != Cursor::default();
                    if has_cursor {
                        assert_eq!(first, given, "state {number}: producer {producer} comes again");
                    }
                    let certain = before.saturating_sub(u64::from(producer) * EACH).min(EACH);
                    assert!(
                        (certain..=given).contains(&first),
                        "state {number}: producer {producer} begins with {first}"
                    );
                    assert_eq!(got, (first..EACH).collect::<Vec<_>>(), "state {number}: producer {producer}");
                }
            }
        }
        let last = Scratch::new();
        std::fs::write(last.name(), states.last().unwrap()).unwrap();
        let left: usize =
            received_anew(&Ring::open(last.name()).unwrap(), &Cursor::default()).values().map(Vec::len).sum();
        assert_eq!(left as u64, 2 * EACH - before - count, "all of it is acknowledged in the end");
    }
}
