//! Processes that stay alive to be found alive, and a witness that reports what it sees of others.

#![allow(unsafe_code)]

use std::fs::File;
use std::time::Instant;

use ringlog::{Logger, Ring};
use ringlog_testkit::SOON;

use super::push;
use crate::{Arguments, next_word, say_ready};

/// Closes every descriptor that this process has but for the standard ones, as daemons do, and opens
/// others: they get the numbers.
fn close_everything() -> Vec<File> {
    // SAFETY: that the owners of descriptors cope with it is what the tests are about.
    assert_eq!(unsafe { libc::close_range(3, u32::MAX, 0) }, 0);
    (0..4).map(|_| File::open("/dev/null").unwrap()).collect()
}

/// Pushes `count` records and says that it is ready, again for each word that it is given. With `close`
/// it closes every descriptor after the first round; with `main_ends` its main thread ends first.
pub(crate) fn stand(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let (producer, count) = (arguments.number("producer", 0) as u32, arguments.number("count", 10));
    let closes = arguments.number("close", 0) != 0;
    let rounds = move |log: &Logger| {
        let mut others = Vec::new();
        for round in 0.. {
            (round * count..(round + 1) * count).for_each(|n| push(log, producer, n, 0).unwrap());
            if round == 0 && closes {
                others = close_everything();
            }
            if round == 1 {
                // Another thread opens a lane, which needs a descriptor.
                std::thread::scope(|scope| {
                    scope.spawn(|| push(log, producer + 1, 0, 0).unwrap());
                });
            }
            say_ready();
            if !next_word() {
                break;
            }
        }
        drop(others);
    };
    if arguments.number("main_ends", 0) == 0 {
        return rounds(&log);
    }
    std::thread::spawn(move || {
        rounds(&log);
        std::process::exit(0);
    });
    // SAFETY: ends this thread alone. Nothing of its stack is used by the other.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// Drains. For each word it is given it looks for the dead twice, then prints: lanes alive, lanes dead,
/// free blocks, records drained, blocks taken back from the dead.
pub(crate) fn witness(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let mut consumer = ring.consumer().unwrap();
    let others = if arguments.number("close", 0) != 0 { close_everything() } else { Vec::new() };
    let mut records = 0;
    say_ready();
    while next_word() {
        let mut looks = 0;
        let mut looked = 0;
        let deadline = Instant::now() + SOON;
        while looks < 3 && Instant::now() < deadline {
            let entry = consumer.next(std::time::Duration::from_millis(20)).unwrap();
            records += u64::from(entry.is_some_and(|entry| entry.record().is_some()));
            consumer.ack().unwrap();
            let latest = ringlog_tests::stat(&ring).reclaim.looked_unix_ns;
            looks += u32::from(std::mem::replace(&mut looked, latest) != latest);
        }
        let stat = ringlog_tests::stat(&ring);
        let count = |alive| stat.lanes.iter().filter(|lane| lane.open && lane.alive == alive).count();
        assert_eq!(consumer.open_lanes().unwrap(), count(true));
        let (free, reclaimed) = (stat.free_blocks, stat.reclaim.blocks);
        println!("{} {} {free} {records} {reclaimed}", count(true), count(false));
    }
    drop(others);
}
