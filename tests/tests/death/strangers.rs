//! A user who may only read a ring has no power over those who write it.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use ringlog::admin::change_levels;
use ringlog::reader::{Body, Observer};
use ringlog::{Error, Level, Ring};
use ringlog_testkit::{Child, Scratch, Stranger, as_stranger, soon};
use ringlog_tests::{lock_file, stat, wait_for_lanes};

use crate::PRODUCER;

/// A directory that others may look into.
fn public() -> Scratch {
    let at = Scratch::new();
    set_permissions(at.path(), Permissions::from_mode(0o755)).unwrap();
    at
}

#[test]
fn a_reader_has_no_power_over_writers() {
    let at = public();
    Ring::options().size("128KiB").block_bytes(1024).lanes(8).mode(0o644).create(at.name()).unwrap();
    let Some(stranger) = Stranger::locking(at.path()) else { return };
    assert_eq!(stranger.opened(), 1, "the ring, and nothing else");

    let ring = Ring::open(at.name()).unwrap();
    ring.logger().text(Level::INFO, "", "logged").unwrap();
    let mut consumer = ring.consumer().unwrap();
    assert_eq!(consumer.next(Duration::from_secs(5)).unwrap().unwrap().message(), "logged");
    consumer.ack().unwrap();
    change_levels(at.name(), |_| {}).unwrap();

    let mut child = Child::spawn(PRODUCER, &["stand", at.name()]);
    child.wait_ready();
    assert!(stat(&ring).lanes.iter().any(|lane| lane.alive && lane.pid == child.id()));
    // Also with locks taken while all of that went on.
    let later = Stranger::locking(at.path()).unwrap();
    let pid = child.id();
    child.kill();
    soon(|| {
        let entry = consumer.next(Duration::from_millis(20)).unwrap()?;
        matches!(entry.body, Body::UncleanExit(_)).then_some(())
    })
    .expect("the death is proved and reported");
    assert!(stat(&ring).lanes.iter().all(|lane| !lane.alive || lane.pid != pid));

    drop((consumer, ring));
    // Nobody uses the ring; only its records are in the way.
    assert!(matches!(ringlog::admin::remove(at.name(), false), Err(Error::NotPersisted { .. })));
    ringlog::admin::remove(at.name(), true).unwrap();
    drop((stranger, later));
}

#[test]
fn a_reader_reports_no_false_deaths() {
    let at = public();
    let ring =
        Ring::options().size("128KiB").block_bytes(1024).lanes(8).mode(0o644).create(at.name()).unwrap();
    ring.logger().text(Level::INFO, "", "logged").unwrap();
    let consumer = ring.consumer().unwrap();
    let looked = |observer: &Observer| {
        let stat = observer.stat().unwrap();
        (stat.owners_known, stat.consumer.is_some(), stat.lanes.iter().filter(|lane| lane.alive).count())
    };
    assert_eq!(looked(&Observer::open(at.name()).unwrap()), (true, true, 2));
    let as_said = as_stranger(|| looked(&Observer::open(at.name()).unwrap()) == (false, true, 2));
    assert_ne!(as_said, Some(false));
    drop((consumer, ring));
}

#[test]
fn a_lock_file_opens_for_writers_of_its_ring() {
    for (mode, expected) in [(0o600, 0o600), (0o644, 0o600), (0o640, 0o600), (0o664, 0o660), (0o666, 0o666)] {
        let at = public();
        let ring = Ring::options().size("64KiB").block_bytes(1024).mode(mode).create(at.name()).unwrap();
        let path = lock_file(at.name());
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, expected, "of a ring of mode {mode:o}");
        drop(ring);
        // Rights that the ring does not give are refused.
        set_permissions(&path, Permissions::from_mode(0o667)).unwrap();
        let error = Ring::open(at.name()).unwrap_err();
        assert!(matches!(error, Error::LockFile { .. }), "{error}");
    }
}

#[test]
fn what_is_no_lock_file_is_refused() {
    let at = public();
    drop(Ring::options().size("64KiB").block_bytes(1024).create(at.name()).unwrap());
    let path = lock_file(at.name());
    std::fs::remove_file(&path).unwrap();
    let elsewhere = at.file("elsewhere");
    std::fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(Ring::open(at.name()).unwrap_err().to_string().contains("it is not a regular file"));
    std::fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(Ring::open(at.name()).unwrap_err().to_string().contains("it is not a regular file"));
}

#[test]
fn a_ring_with_another_name_keeps_its_locks() {
    let at = Scratch::new();
    let ring = Ring::options().size("128KiB").block_bytes(1024).lanes(8).create(at.name()).unwrap();
    ring.logger().text(Level::INFO, "", "logged").unwrap();
    let moved = at.text("moved");
    std::fs::rename(at.name(), &moved).unwrap();
    let lanes = Observer::open(&moved).unwrap().stat().unwrap().lanes;
    assert_eq!(lanes.iter().filter(|lane| lane.alive).count(), 2);
    let held = ring.consumer().unwrap();
    assert!(matches!(Ring::open(&moved).unwrap().consumer(), Err(Error::ConsumerExists { .. })));
    drop(held);
    // A copy is another ring, which nobody uses.
    let copy = at.text("copy");
    std::fs::copy(&moved, &copy).unwrap();
    assert!(Observer::open(&copy).unwrap().stat().unwrap().lanes.iter().all(|lane| !lane.alive));
    let mut consumer = Ring::open(&copy).unwrap().consumer().unwrap();
    assert_eq!(consumer.next(Duration::from_secs(5)).unwrap().unwrap().message(), "logged");
}

#[test]
fn a_lost_lock_file_is_not_made_anew() {
    let at = Scratch::new();
    let ring = Ring::options().size("128KiB").block_bytes(1024).lanes(8).create(at.name()).unwrap();
    ring.logger().text(Level::INFO, "", "logged").unwrap();
    std::fs::remove_file(lock_file(at.name())).unwrap();
    let error = Ring::open(at.name()).unwrap_err();
    assert!(matches!(error, Error::LockFileMissing { .. }), "{error}");
    assert!(matches!(change_levels(at.name(), |_| {}), Err(Error::LockFileMissing { .. })));
    assert!(matches!(ringlog::admin::remove(at.name(), false), Err(Error::LockFileMissing { .. })));
    let stat = Observer::open(at.name()).unwrap().stat().unwrap();
    assert!(stat.lock_file_missing, "{stat:#?}");
    assert!(!stat.owners_known && stat.lanes.iter().all(|lane| lane.alive), "no false deaths: {stat:#?}");
    ringlog::admin::remove(at.name(), true).unwrap();
    assert_eq!(std::fs::read_dir(at.path()).unwrap().count(), 0);
    drop(ring);
}

#[test]
fn lock_files_without_a_ring_are_removed() {
    let at = Scratch::new();
    let make = |name: &str| Ring::options().size("64KiB").block_bytes(1024).create(&at.text(name)).unwrap();
    let (used, unused) = (make("used"), make("unused"));
    let locks = ["used", "unused"].map(|name| lock_file(at.text(name)));
    drop(unused);
    for name in ["used", "unused"] {
        std::fs::remove_file(at.file(name)).unwrap();
    }
    let _another = make("another");
    assert_eq!(locks.each_ref().map(|path| path.exists()), [true, false], "one is held by a process");
    drop(used);
    let _third = make("third");
    assert!(!locks[0].exists());
    assert!(lock_file(at.text("another")).exists());
}

#[test]
fn a_killed_owner_is_seen_dead_by_its_lock_file() {
    let at = Scratch::new();
    let ring = Ring::options().size("128KiB").block_bytes(1024).lanes(8).create(at.name()).unwrap();
    let mut child = Child::spawn(PRODUCER, &["stand", at.name()]);
    child.wait_ready();
    wait_for_lanes(&ring, (2, 0));
    // Nothing of a lock depends on what the file holds, or how long it is.
    let path = lock_file(at.name());
    assert_eq!(path.metadata().unwrap().len(), 0);
    std::fs::write(&path, [7; 10_000]).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    wait_for_lanes(&ring, (2, 0));
    child.kill();
    wait_for_lanes(&ring, (0, 2));
}
