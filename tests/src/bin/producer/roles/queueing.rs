//! Processes that put items into a queue and take them out.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use nix::sys::wait::{WaitStatus, waitpid};
use ringlog::queue::{PutError, Queue};
use ringlog_testkit::{Counters, SOON, fork_child, soon};

use crate::{Arguments, next_word, ready, say_ready};

/// The item number `n` of a putter; every so many are longer than a block.
fn item(putter: u64, n: u64, long_every: u64) -> Vec<u8> {
    let mut item = [putter.to_le_bytes(), n.to_le_bytes()].concat();
    let length = if long_every > 0 && n.is_multiple_of(long_every) { 5_000 } else { 16 + n as usize % 50 };
    item.resize(length, n as u8);
    item
}

/// Puts items in for ever: it is going to be killed. Counts each `put` that has returned.
pub(crate) fn put_endlessly(name: &str, arguments: &Arguments) {
    let queue = Queue::open(name).unwrap();
    let counters = Counters::open(Path::new(arguments.text("counters").unwrap()));
    let (putter, long_every) = (arguments.number("putter", 0), arguments.number("long_every", 0));
    ready();
    for n in 0.. {
        while let Err(PutError::Full(_)) = queue.put(&item(putter, n, long_every), SOON) {}
        counters.set(putter as u32, n + 1);
    }
}

/// Takes items out for ever, and appends the two numbers of each to a file: it is going to be killed.
pub(crate) fn get_endlessly(name: &str, arguments: &Arguments) {
    let queue = Queue::open(name).unwrap();
    let mut file = File::options().append(true).create(true).open(arguments.text("file").unwrap()).unwrap();
    let threads = arguments.number("threads", 1);
    ready();
    let get = |file: &mut File| {
        while let Some(item) = queue.get(SOON).unwrap() {
            // A whole one: a mistake in the ring would show in its length or in its end.
            let n = u64::from_le_bytes(item[8..16].try_into().unwrap());
            let is_whole = item.len() == 16 || item.last() == Some(&(n as u8));
            assert!(is_whole && (item.len() == 5_000 || item.len() == 16 + n as usize % 50));
            file.write_all(&item[..16]).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let mut file = file.try_clone().unwrap();
            scope.spawn(move || get(&mut file));
        }
        get(&mut file);
    });
}

/// As `get_endlessly`, but claims each item, and acknowledges it when it is written down.
pub(crate) fn claim_endlessly(name: &str, arguments: &Arguments) {
    let queue = Queue::open(name).unwrap();
    let mut file = File::options().append(true).create(true).open(arguments.text("file").unwrap()).unwrap();
    ready();
    while let Some(claim) = queue.claim(SOON).unwrap() {
        file.write_all(&claim.item()[..16]).unwrap();
        claim.ack().unwrap();
    }
}

/// Takes out one item at each word that it gets, and prints its first number and how many are left; a line of its own
/// if there was none.
pub(crate) fn get_at_words(name: &str, arguments: &Arguments) {
    let queue = Queue::open(name).unwrap();
    let patience = Duration::from_millis(arguments.number("ms", 30_000));
    say_ready();
    while next_word() {
        match queue.get(patience).unwrap() {
            Some(item) => println!("{}", u64::from_le_bytes(item[..8].try_into().unwrap())),
            None => println!("none"),
        }
    }
}

/// A thread waits for an item in the parent, while a child is forked that waits for one too. Prints what they get.
pub(crate) fn fork_a_getter(name: &str, _: &Arguments) {
    let queue = Queue::open(name).unwrap();
    assert_eq!(queue.get(Duration::ZERO).unwrap(), None);
    ready();
    let get = |queue: &Queue| {
        let item = queue.get(SOON).unwrap().expect("an item for each");
        println!("{}", u64::from_le_bytes(item[..8].try_into().unwrap()));
    };
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| get(&queue));
        // It has the turn of this process, and the role.
        let is_waiting = || queue.ring().observe().unwrap().stat().unwrap().consumer.is_some();
        soon(|| is_waiting().then_some(())).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let child = fork_child(|| get(&queue));
        for n in 0..2_u64 {
            queue.put(&n.to_le_bytes(), SOON).unwrap();
        }
        waits.join().unwrap();
        let status = waitpid(child, None).unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
    });
}

/// Takes out `before` items, then one more between two markers, which it claims and acknowledges if `claims` is set.
#[cfg(target_arch = "x86_64")]
pub(crate) fn get_between_markers(name: &str, arguments: &Arguments) {
    let queue = Queue::open(name).unwrap();
    ready();
    for _ in 0..arguments.number("before", 1) {
        queue.get(Duration::ZERO).unwrap().expect("an item");
    }
    let claims = arguments.number("claims", 0) != 0;
    ringlog_testkit::marker();
    let is_there = if claims {
        queue.claim(Duration::ZERO).unwrap().map(|claim| claim.ack().unwrap()).is_some()
    } else {
        queue.get(Duration::ZERO).unwrap().is_some()
    };
    ringlog_testkit::marker();
    assert!(is_there);
}

/// Puts in one item of so many bytes between two markers, after one outside.
#[cfg(target_arch = "x86_64")]
pub(crate) fn put_between_markers(name: &str, arguments: &Arguments) {
    let queue = Queue::open(name).unwrap();
    let item = vec![7; arguments.number("bytes", 8) as usize];
    queue.put(&item, SOON).unwrap();
    ready();
    ringlog_testkit::marker();
    queue.put(&item, SOON).unwrap();
    ringlog_testkit::marker();
}
