//! Little memory, few descriptors, no room: errors say what is lacking, and other processes are not affected.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringlog::reader::{Body, GapReason};
use ringlog::{Overflow, Ring};
use ringlog_testkit::{Child, Counters, SOON, Scratch};
use ringlog_tests::{Arrivals, CreateRing, stat};

use crate::PRODUCER;

fn started(role: &str, name: &str, arguments: &[&str]) -> Child {
    let mut child = Child::spawn(PRODUCER, &[&[role, name], arguments].concat());
    child.wait_ready();
    child.go();
    child
}

#[test]
fn a_full_tmpfs_refuses_a_ring_and_damages_no_other() {
    let at = Scratch::new();
    let dir = at.path().to_str().unwrap();
    let mut child = Child::spawn(PRODUCER, &["full-tmpfs", dir]);
    let first = child.line();
    if first.starts_with("not permitted") {
        eprintln!("SKIPPED: a private tmpfs cannot be mounted here: {first}");
        return;
    }
    let bytes = Ring::options().size("2MiB").geometry().unwrap().file_bytes();
    let refused = format!(
        "no space for {dir}/ring of {bytes} bytes: its file system has 1048576 free; free some, or choose a \
         smaller size or another RINGLOG_DIR"
    );
    assert_eq!(first, refused);
    assert_eq!(child.line(), "0 files left");
    assert_eq!(child.line(), "8000 pushed");
    // A page of a hole that cannot be filled is as good as gone.
    assert_eq!(child.line(), "the ring is gone; records go on once it is made again");
    let lost = child.line();
    assert!(lost.contains("/copy was lost while in use: pages of it are gone, though it has its "), "{lost}");
    assert!(child.wait().success());
}

#[test]
fn a_producer_needs_no_locked_memory() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB"));
    let mut child = started("limited", at.name(), &["what=memlock", "soft=0"]);
    assert_eq!([child.line(), child.line()], ["made another", "100"]);
    assert!(child.wait().success());
    assert_eq!(stat(&ring).published, 100);
}

#[test]
fn a_file_size_limit_fails_a_creation_and_no_push() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB"));
    let mut child = started("limited", at.name(), &["what=fsize", "soft=1000"]);
    let expected = format!(
        "cannot make {}-2 of {} bytes: files of this process are limited to 1000 bytes; raise the limit with \
         `ulimit -f` or choose a smaller size",
        at.name(),
        Ring::options().size("1MiB").geometry().unwrap().file_bytes()
    );
    assert_eq!([child.line(), child.line()], [expected, "100".to_owned()]);
    assert!(child.wait().success(), "and not killed by SIGXFSZ");
    assert_eq!(
        std::fs::read_dir(at.path()).unwrap().count(),
        2,
        "nothing but the first ring and its lock file"
    );
    assert_eq!(stat(&ring).published, 100);
}

#[test]
fn a_ring_too_large_for_the_address_space_is_refused() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("16MiB"));
    let mut child = started("limited", at.name(), &["what=as", "soft=8000000"]);
    assert_eq!(child.line(), "made another");
    let expected = format!(
        "cannot map {}: no room for its {} bytes in this process's memory, which `ulimit -v` limits",
        at.name(),
        ring.info().geometry().file_bytes()
    );
    assert_eq!(child.line(), expected);
    assert!(child.wait().success());
}

#[test]
fn records_refused_for_lack_of_descriptors_are_counted() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("4MiB"));
    let mut child = started("without-descriptors", at.name(), &["forks=30"]);
    let refused: u64 = child.line().parse().unwrap();
    let said = child.line();
    assert_eq!(said, format!("cannot open a lane of {}: Too many open files (os error 24)", at.name()));
    let paused: u64 = child.line().parse().unwrap();
    assert!(child.wait().success());
    println!("{refused} refused by the parent; {paused} of 30 children did not look again at once");
    assert!(paused > 0, "each record of a child tries to open the ring");
    let after = stat(&ring);
    // In a child: the first, the second if it was too early, and those until it was late enough.
    assert!(after.dropped_without_lane >= refused + 30 + paused, "{after:?}");
    assert_eq!((after.refused.system, after.refused.system_error), (after.dropped, libc::EMFILE));
    let mut consumer = ring.consumer().unwrap();
    let mut gaps = 0;
    while gaps < after.dropped {
        let entry = consumer.next(SOON).unwrap().expect("all drops are reported");
        if let Body::Gap(gap) = entry.body {
            assert_eq!(gap.reason, GapReason::System(libc::EMFILE));
            gaps += gap.count;
        }
    }
    assert_eq!(gaps, after.dropped);
    assert_eq!(after.published, 30 + (30 - paused));
}

#[test]
fn a_push_in_a_block_works_where_only_exit_is_allowed() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("4MiB").block_bytes(8192));
    let mut child = started("push-where-only-exit-is-allowed", at.name(), &["count=50"]);
    assert_eq!(child.wait().code(), Some(0), "all were pushed");
    assert_eq!(stat(&ring).published, 51);
    // Changing the block makes no call either, as long as no consumer sleeps.
    let mut child = started("push-where-only-exit-is-allowed", at.name(), &["count=6000"]);
    assert_eq!(child.wait().code(), Some(0));
    assert_eq!(stat(&ring).published, 51 + 6001);
}

#[test]
fn a_kill_at_the_wakeup_call_loses_nothing_published() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").overflow(Overflow::Block(SOON)));
    let file = at.file("counters");
    let counters = Counters::open(&file);
    let ended = AtomicBool::new(false);
    let arrived = std::thread::scope(|scope| {
        let draining = scope.spawn(|| {
            let mut consumer = ring.consumer().unwrap();
            let mut arrivals = Arrivals::default();
            loop {
                let last = ended.load(Ordering::Acquire);
                while let Some(entry) = consumer.next(Duration::from_millis(20)).unwrap() {
                    if !matches!(entry.body, Body::UncleanExit(_)) {
                        arrivals.take(&entry);
                    }
                }
                consumer.ack().unwrap();
                if last && consumer.is_drained().unwrap() {
                    return arrivals.of(0);
                }
            }
        });
        let counters = format!("counters={}", file.to_str().unwrap());
        let arguments = ["count=1000000", "every=200", &counters];
        let mut child = started("push-where-only-exit-is-allowed", at.name(), &arguments);
        let status = child.wait();
        ended.store(true, Ordering::Release);
        assert_eq!(status.signal(), Some(libc::SIGSYS), "the consumer slept, and the filter kills");
        draining.join().unwrap()
    });
    println!("{arrived} records arrived of a process killed by its filter");
    assert_eq!(arrived, counters.get(0));
}
