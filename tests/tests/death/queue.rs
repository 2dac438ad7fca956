//! Putters and getters of a queue that are killed or stopped at any moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use ringlog::Ring;
use ringlog::queue::{Full, PutError, Queue};
use ringlog_testkit::{Child, Counters, Random, SOON, Scratch, eventually};

use crate::PRODUCER;

const NOW: Duration = Duration::ZERO;

fn spawn(role: &str, at: &Scratch, arguments: &[String]) -> Child {
    let all = [role, at.name()].into_iter().chain(arguments.iter().map(String::as_str));
    let mut child = Child::spawn(PRODUCER, &all.collect::<Vec<_>>());
    child.wait_ready();
    child
}

/// How often each item came, by putter and number.
fn count_items(bytes: &[u8], got: &mut BTreeMap<(u64, u64), u32>) {
    for item in bytes.chunks_exact(16) {
        let word = |at: usize| u64::from_le_bytes(item[at..at + 8].try_into().unwrap());
        *got.entry((word(0), word(8))).or_default() += 1;
    }
}

#[test]
fn each_item_goes_to_one_getter_whatever_is_killed() {
    const ROUNDS: u64 = 60;
    let at = Scratch::new();
    let options = Ring::options().block_bytes(2048).lanes(16);
    let queue = Queue::options().ring(options.size("512KiB")).create(at.name()).unwrap();
    let counters = Counters::open(&at.file("counters"));
    let counted = format!("counters={}", at.file("counters").to_str().unwrap());
    let file = |n: u64| format!("file={}", at.file(format!("got-{n}")).to_str().unwrap());
    let mut random = Random::new(7);
    let mut getters: Vec<Child> = Vec::new();
    let mut killed_getters = 0;
    for round in 0..ROUNDS {
        while getters.len() < 3 {
            let threads = format!("threads={}", 1 + round % 2);
            let mut getter = spawn("get-endlessly", &at, &[file(round * 3 + getters.len() as u64), threads]);
            getter.go();
            getters.push(getter);
        }
        let long = format!("long_every={}", [0, 7, 1][round as usize % 3]);
        let mut putters: Vec<Child> = (0..2)
            .map(|n| {
                spawn(
                    "put-endlessly",
                    &at,
                    &[counted.clone(), format!("putter={}", round * 2 + n), long.clone()],
                )
            })
            .collect();
        putters.iter_mut().for_each(Child::go);
        std::thread::sleep(Duration::from_micros(random.below(9_000)));
        for _ in 0..1 + random.below(2) {
            let mut victim = getters.swap_remove(random.below(getters.len() as u64) as usize);
            victim.kill();
            killed_getters += 1;
            std::thread::sleep(Duration::from_micros(random.below(3_000)));
        }
        putters.iter_mut().for_each(Child::kill);
    }
    eventually("the getters take out the rest", || queue.is_empty().unwrap());
    getters.iter_mut().for_each(Child::kill);
    // Each thread of a killed getter had one item at most that it had not written down.
    let most_missing = 2 * (killed_getters + getters.len() as u64);
    let mut got = BTreeMap::new();
    for n in 0..ROUNDS * 3 + 3 {
        if let Ok(bytes) = std::fs::read(at.file(format!("got-{n}"))) {
            count_items(&bytes, &mut got);
        }
    }
    while let Some(item) = queue.get(NOW).unwrap() {
        count_items(&item[..16], &mut got);
    }
    let twice: Vec<_> = got.iter().filter(|(_, count)| **count != 1).take(20).collect();
    assert!(twice.is_empty(), "came more than once: {twice:?}");
    let put: u64 = (0..ROUNDS as u32 * 2).map(|putter| counters.get(putter)).sum();
    let missing = (0..ROUNDS * 2)
        .flat_map(|putter| (0..counters.get(putter as u32)).map(move |n| (putter, n)))
        .filter(|item| !got.contains_key(item))
        .count() as u64;
    println!("{put} items put, {} got, {killed_getters} getters killed, {missing} gone with them", got.len());
    assert!(missing <= most_missing, "{missing} items are missing, {killed_getters} getters were killed");
    assert!(put > ROUNDS, "{put}");
    assert_eq!(queue.len().unwrap(), 0);
    let stat = queue.ring().observe().unwrap().stat().unwrap();
    assert_eq!(stat.damaged, 0);
}

#[test]
fn a_claimed_item_outlives_its_getter() {
    const ROUNDS: u64 = 30;
    let at = Scratch::new();
    let options = Ring::options().block_bytes(2048).lanes(16);
    let queue = Queue::options().ring(options.size("512KiB")).create(at.name()).unwrap();
    let counters = Counters::open(&at.file("counters"));
    let counted = format!("counters={}", at.file("counters").to_str().unwrap());
    let mut random = Random::new(13);
    for round in 0..ROUNDS {
        let arguments = [counted.clone(), format!("putter={round}"), "long_every=9".to_owned()];
        let mut putter = spawn("put-endlessly", &at, &arguments);
        let getters = (0..2).map(|n| {
            let file = at.file(format!("got-{}", 2 * round + n));
            spawn("claim-endlessly", &at, &[format!("file={}", file.display())])
        });
        let mut getters: Vec<Child> = getters.collect();
        putter.go();
        getters.iter_mut().for_each(Child::go);
        std::thread::sleep(Duration::from_micros(random.below(6_000)));
        getters.iter_mut().for_each(Child::kill);
        putter.kill();
    }
    let mut got = BTreeMap::new();
    for n in 0..2 * ROUNDS {
        count_items(&std::fs::read(at.file(format!("got-{n}"))).unwrap(), &mut got);
    }
    println!("{} claims are left", queue.unacked().unwrap());
    while let Some(item) = queue.get(NOW).unwrap() {
        count_items(&item[..16], &mut got);
    }
    assert_eq!((queue.len().unwrap(), queue.unacked().unwrap()), (0, 0));
    for putter in 0..ROUNDS {
        for n in 0..counters.get(putter as u32) {
            assert!(got.contains_key(&(putter, n)), "item {n} of putter {putter} is lost");
        }
    }
    let twice = got.values().map(|count| u64::from(count - 1)).sum::<u64>();
    println!("{} items, {twice} came again", got.len());
    assert!(twice <= 4 * ROUNDS, "{twice} came again");
}

#[test]
fn the_role_of_a_killed_getter_passes_on() {
    let at = Scratch::new();
    let queue = Queue::options().size("1MiB").create(at.name()).unwrap();
    for n in 0..10_u64 {
        let mut getter = spawn("get-at-words", &at, &[]);
        getter.go();
        // It sleeps with the role: with none to take, another call finds that out at once.
        let names =
            |pid| queue.ring().observe().unwrap().stat().unwrap().consumer.is_some_and(|c| c.pid == pid);
        eventually("the getter has the role", || names(getter.id()));
        getter.kill();
        queue.put(&n.to_le_bytes(), NOW).unwrap();
        assert_eq!(queue.get(SOON).unwrap(), Some(n.to_le_bytes().to_vec()));
    }
}

#[test]
fn the_role_of_a_stopped_getter_is_not_taken_from_it() {
    let at = Scratch::new();
    let queue = Queue::options().size("1MiB").create(at.name()).unwrap();
    let mut getter = spawn("get-at-words", &at, &[]);
    getter.go();
    let names = |pid| queue.ring().observe().unwrap().stat().unwrap().consumer.is_some_and(|c| c.pid == pid);
    eventually("the getter has the role", || names(getter.id()));
    getter.signal(Signal::SIGSTOP);
    queue.put(&7_u64.to_le_bytes(), NOW).unwrap();
    assert_eq!(queue.get(Duration::from_millis(300)).unwrap(), None, "no time-out takes it");
    assert_eq!(queue.len().unwrap(), 1);
    getter.signal(Signal::SIGCONT);
    assert_eq!(getter.line(), "7");
    assert_eq!((queue.len().unwrap(), queue.get(NOW).unwrap()), (0, None));
}

#[test]
fn a_forked_child_is_a_getter_of_its_own() {
    let at = Scratch::new();
    let queue = Queue::options().size("1MiB").create(at.name()).unwrap();
    let mut parent = spawn("fork-a-getter", &at, &[]);
    parent.go();
    let mut got = parent.finish();
    got.sort_unstable();
    assert_eq!(got, [0, 1]);
    assert_eq!(queue.len().unwrap(), 0);
}

#[test]
fn killed_putters_take_no_room_of_a_bounded_queue_along() {
    const BOUND: u64 = 4;
    let at = Scratch::new();
    let queue = Queue::options().size("1MiB").bound(BOUND).create(at.name()).unwrap();
    let counters = at.file("counters");
    let mut random = Random::new(11);
    for round in 0..40 {
        let putters = (0..2).map(|n| {
            let arguments = [format!("counters={}", Path::new(&counters).display()), format!("putter={n}")];
            spawn("put-endlessly", &at, &arguments)
        });
        let mut putters: Vec<Child> = putters.collect();
        putters.iter_mut().for_each(Child::go);
        for _ in 0..random.below(300) {
            assert!(queue.len().unwrap() <= BOUND, "in round {round}");
            queue.get(NOW).unwrap();
        }
        putters.iter_mut().for_each(Child::kill);
        assert!(queue.len().unwrap() <= BOUND, "in round {round}");
    }
    queue.clear().unwrap();
    for n in 0..BOUND {
        queue.put(b"again", NOW).unwrap_or_else(|error| panic!("item {n}: {error}"));
    }
    let error = queue.put(b"one more", NOW).unwrap_err();
    assert!(matches!(error, PutError::Full(Full::Bound(BOUND))), "{error}");
}
