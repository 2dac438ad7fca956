//! A putter may be killed at any instruction of putting an item in, and a getter of taking one out.

use std::time::Duration;

use ringlog::Ring;
use ringlog::queue::Queue;
use ringlog_testkit::{Extent, Scratch, Stepped};

use crate::PRODUCER;

const NOW: Duration = Duration::ZERO;
/// Items in the queue, in several blocks of two lanes, long ones among them.
const ITEMS: u64 = 40;

fn item(n: u64) -> Vec<u8> {
    let mut item = n.to_le_bytes().to_vec();
    item.resize(if n % 8 == 5 { 3_000 } else { 100 }, 0);
    item
}

fn number(item: &[u8]) -> u64 {
    u64::from_le_bytes(item[..8].try_into().unwrap())
}

#[test]
fn a_getter_killed_while_it_takes_an_item_loses_none() {
    kill_at_each_instruction(&[3, 4, 5, 12], Extent::Sample(8));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_instruction_of_taking_an_item() {
    kill_at_each_instruction(&(0..ITEMS - 1).collect::<Vec<_>>(), Extent::Every);
}

/// Kills a getter that has taken out so many items at each instruction of taking one more. What it leaves behind is one
/// of the states of the ring, of which `extent` are tried.
fn kill_at_each_instruction(taken: &[u64], extent: Extent) {
    for before in taken.iter().copied() {
        let at = Scratch::new();
        let options = Ring::options().size("128KiB").block_bytes(1024).lanes(6);
        let queue = Queue::options().ring(options).create(at.name()).unwrap();
        let put = |n: u64| queue.put(&item(n), NOW).unwrap();
        std::thread::scope(|scope| {
            (0..ITEMS / 2).for_each(put);
            scope.spawn(|| (ITEMS / 2..ITEMS).for_each(put));
        });
        let states = states_of(&at, &["get-between-markers", at.name(), &format!("before={before}")]);
        println!("after {before} items: {} states", states.len());
        assert!(states.len() > 5);
        for (number_of_state, state) in extent.of(states).iter().enumerate() {
            check(before, state, number_of_state);
        }
    }
}

#[test]
fn a_getter_killed_with_a_claim_loses_none() {
    // A short item, and one that takes several blocks.
    for before in [3, 5] {
        let at = Scratch::new();
        let options = Ring::options().size("128KiB").block_bytes(1024).lanes(6);
        let queue = Queue::options().ring(options).create(at.name()).unwrap();
        (0..ITEMS).for_each(|n| queue.put(&item(n), NOW).unwrap());
        let arguments = ["get-between-markers", at.name(), &format!("before={before}"), "claims=1"];
        let states = states_of(&at, &arguments);
        println!("after {before} items: {} states", states.len());
        let mut is_done = false;
        for (number_of_state, state) in states.iter().enumerate() {
            let copy = Scratch::new();
            std::fs::write(copy.name(), state).unwrap();
            let queue = Queue::open(copy.name()).unwrap();
            let count = queue.len().unwrap() + queue.unacked().unwrap();
            let mut got = Vec::new();
            while let Some(found) = queue.get(NOW).unwrap() {
                assert!(found == item(number(&found)), "state {number_of_state}: item {}", number(&found));
                got.push(number(&found));
            }
            let what = format!("state {number_of_state} after {before} items: {got:?}");
            assert_eq!(
                (got.len() as u64, queue.len().unwrap(), queue.unacked().unwrap()),
                (count, 0, 0),
                "{what}"
            );
            got.sort_unstable();
            let has = got.iter().filter(|n| **n == before).count();
            assert!(if is_done { has == 0 } else { has <= 2 }, "{what}");
            is_done |= has == 0;
            got.retain(|n| *n != before);
            assert_eq!(got, (before + 1..ITEMS).collect::<Vec<_>>(), "{what}");
            let stat = queue.ring().observe().unwrap().stat().unwrap();
            let all = queue.ring().info().geometry().block_count();
            assert_eq!((stat.claims, stat.damaged, stat.free_blocks), (0, 0, all), "{what}");
        }
        assert!(is_done);
    }
}

/// In this state of the ring the item is there or it is not, and all others are.
fn check(before: u64, state: &[u8], at: usize) {
    let copy = Scratch::new();
    std::fs::write(copy.name(), state).unwrap();
    let queue = Queue::open(copy.name()).unwrap();
    let count = queue.len().unwrap();
    let mut got = Vec::new();
    while let Some(item) = queue.get(NOW).unwrap() {
        got.push(number(&item));
        assert_eq!(
            queue.len().unwrap(),
            count - got.len() as u64,
            "state {at} after {before} items: {got:?}"
        );
    }
    let first = got.first().copied().unwrap_or(ITEMS);
    assert!(first == before || first == before + 1, "state {at} after {before} items: {got:?}");
    assert_eq!(got, (first..ITEMS).collect::<Vec<_>>(), "state {at} after {before} items");
    assert_eq!(queue.ring().observe().unwrap().stat().unwrap().damaged, 0);
}

/// The ring's bytes after each instruction of a piece of work, where they differ from those after the last one.
fn states_of(at: &Scratch, arguments: &[&str]) -> Vec<Vec<u8>> {
    let mut child = Stepped::start(PRODUCER, arguments);
    let mut states = Vec::new();
    child.follow(|_| {
        let now = std::fs::read(at.name()).unwrap();
        if states.last() != Some(&now) {
            states.push(now);
        }
    });
    states
}

#[test]
fn a_putter_killed_while_it_puts_leaves_an_item_or_none() {
    // Within the open block, in the next one, and in several.
    for bytes in ["bytes=40", "bytes=500", "bytes=3000"] {
        let at = Scratch::new();
        let options = Ring::options().size("64KiB").block_bytes(1024).lanes(6);
        drop(Queue::options().ring(options).create(at.name()).unwrap());
        let states = states_of(&at, &["put-between-markers", at.name(), bytes]);
        println!("{bytes}: {} states", states.len());
        let mut counts = Vec::new();
        for (number, state) in states.iter().enumerate() {
            let copy = Scratch::new();
            std::fs::write(copy.name(), state).unwrap();
            let queue = Queue::open(copy.name()).unwrap();
            let count = queue.len().unwrap();
            let got = std::iter::from_fn(|| queue.get(NOW).unwrap()).count() as u64;
            assert_eq!((count, queue.len().unwrap()), (got, 0), "state {number} of {bytes}");
            counts.push(count);
        }
        assert!(counts.is_sorted() && counts.first() == Some(&1) && counts.last() == Some(&2), "{counts:?}");
    }
}
