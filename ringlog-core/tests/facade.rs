//! The `log` facade over a ring. One test, because a process has one global logger.
#![cfg(feature = "log")]

use std::fmt;
use std::time::Duration;

use ringlog::{Initialized, Level, Ring};
use ringlog_testkit::Scratch;

/// Logs while it is being formatted.
struct Chatty;

impl fmt::Display for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        log::warn!("inside {}", 1);
        f.write_str("chatty")
    }
}

#[test]
fn records_of_libraries_arrive_with_place_and_thread() {
    let dir = Scratch::new();
    let name = dir.text("app");
    let ring = Ring::options().size("1MiB").create_or_open(&name).unwrap();
    let done = ringlog::init_ring(&ring, "debug,noisy=error".parse().unwrap());
    assert_eq!(done, Initialized::Ring(ring.path().to_owned()));

    let number = 41;
    log::info!("plain");
    log::debug!("formatted {} {:>4}", number + 1, "x");
    log::trace!("too low");
    log::info!(target: "noisy::part", "not wanted");
    log::error!(target: "db", "with {Chatty}");
    for len in [0, 1, 100, 5_000, 20_000, 120_000] {
        log::info!("{}", "ä".repeat(len));
    }

    let mut consumer = ring.consumer().unwrap();
    let mut messages = Vec::new();
    while let Some(entry) = consumer.next(Duration::from_millis(100)).unwrap() {
        let record = entry.record().expect("no gap");
        let text = String::from_utf8(record.text().unwrap().to_vec()).unwrap();
        if text == "plain" {
            assert!(record.file.ends_with("facade.rs") && record.line > 0 && record.module == "facade");
            assert_eq!((record.level, entry.origin.pid), (Level::INFO, std::process::id()));
            // The kernel keeps 15 bytes.
            assert_eq!(entry.origin.thread, "records_of_libr");
        }
        messages.push(text);
    }
    let inside = messages.iter().position(|message| message == "inside 1").expect("logged inside a Display");
    messages.remove(inside);
    assert_eq!(messages[..3], ["plain", "formatted 42    x", "with chatty"]);
    let lengths: Vec<usize> = messages[3..].iter().map(|m| m.chars().filter(|c| *c == 'ä').count()).collect();
    assert_eq!(lengths, [0, 1, 100, 5_000, 20_000, 120_000]);
}
