//! A panic in the `Display` of an argument, by the `log` facade. In a program of its own, because a
//! process has one global logger.
#![cfg(feature = "log")]

use std::fmt;
use std::panic::catch_unwind;
use std::time::Duration;

use ringlog::Ring;
use ringlog_testkit::Scratch;

/// Writes this number of bytes, then panics.
struct Panics(usize);

impl fmt::Display for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.0).try_for_each(|_| f.write_str("x"))?;
        panic!("as it should");
    }
}

/// Logs a record whose formatting panics, and catches the panic.
struct Survives;

impl fmt::Display for Survives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(catch_unwind(|| log::warn!("inner {}", Panics(3))).is_err());
        log::warn!("inner");
        f.write_str("survived")
    }
}

#[test]
fn a_panic_in_an_argument_leaves_a_usable_lane_and_no_record() {
    let dir = Scratch::new();
    let name = dir.text("app");
    let ring = Ring::options().size("1MiB").create_or_open(&name).unwrap();
    ringlog::init_ring(&ring, "debug".parse().unwrap());
    let mut expected = Vec::new();
    // The first before there is a lane; some reach beyond the block and take the slow path.
    for (n, length) in [0, 1, 50, 500, 7_000, 20_000, 0, 100].into_iter().enumerate() {
        assert!(catch_unwind(|| log::info!("never {}", Panics(length))).is_err());
        log::info!("after {n}");
        log::error!("outer {Survives}");
        expected.extend([format!("after {n}"), "inner".to_owned(), "outer survived".to_owned()]);
    }
    let mut consumer = ring.consumer().unwrap();
    let mut messages = Vec::new();
    while let Some(entry) = consumer.next(Duration::from_millis(100)).unwrap() {
        let message = entry.message();
        // The inner records go by the process lane, the others by the thread's own, which is usable again.
        assert_eq!(entry.origin.thread.is_empty(), message == "inner", "{entry}");
        messages.push(message);
    }
    expected.sort();
    messages.sort();
    assert_eq!(messages, expected);
    let stat = ring.observe().unwrap().stat().unwrap();
    assert_eq!((stat.dropped, stat.damaged), (0, 0));
}
