//! Observing a ring whose records are persisted and whose producers are dead.

use std::time::Duration;

use ringlog::reader::Observer;
use ringlog::{Level, Ring};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{CreateRing, Proof, stat};

use crate::PRODUCER;

#[test]
fn a_record_without_its_definition_is_not_shown() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("64KiB").block_bytes(1024).lanes(4));
    let all_blocks = stat(&ring).free_blocks;
    let mut child = Child::spawn(PRODUCER, &["sequence", at.name(), "count=50"]);
    child.wait_ready();
    child.go();
    assert_eq!(child.finish(), [50, 0]);
    let shown = || {
        let entries = Observer::open(at.name()).unwrap().poll().unwrap();
        entries.iter().filter_map(|entry| Proof::of(&entry.entry())).count()
    };
    assert_eq!(shown(), 50);
    let mut consumer = ring.consumer().unwrap();
    let deadline = std::time::Instant::now() + SOON;
    while stat(&ring).free_blocks < all_blocks && std::time::Instant::now() < deadline {
        while consumer.next(Duration::from_millis(20)).unwrap().is_some() {}
        consumer.ack().unwrap();
    }
    assert_eq!(stat(&ring).free_blocks, all_blocks, "the definitions of the dead process have gone too");
    assert_eq!(shown(), 0, "their bytes are still there, but not what they mean");
    ring.logger().text(Level::INFO, "", "plain text needs no definition").unwrap();
    consumer.next(SOON).unwrap().unwrap();
    consumer.ack().unwrap();
    assert_eq!(Observer::open(at.name()).unwrap().poll().unwrap().len(), 1);
}
