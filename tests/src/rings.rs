//! Rings of tests: how they are made, and what is in them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringlog::reader::{Body, Consumer, Observer};
use ringlog::{Options, Ring};
use ringlog_testkit::{SOON, Scratch, soon};

use crate::Proof;

/// Makes a ring in a scratch directory.
pub trait CreateRing {
    /// The ring of the directory, with these options.
    fn create(&self, options: Options) -> Ring;
}

impl CreateRing for Scratch {
    fn create(&self, options: Options) -> Ring {
        options.create(self.name()).unwrap()
    }
}

/// Free blocks of `ring` as soon as there are at least `count`, or what there are after two seconds.
/// The consumer looks for dead owners only now and then, so it is called in between.
pub fn free_blocks_after(ring: &Ring, count: u32, mut drain: impl FnMut()) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        drain();
        let free = stat(ring).free_blocks;
        if free >= count || Instant::now() > deadline {
            return free;
        }
    }
}

/// What a consumer finds: the sequences of each producer, in the order in which they come. All have to be
/// whole, and none may be missing.
pub fn received(consumer: &mut Consumer, patience: Duration) -> BTreeMap<u32, Vec<u64>> {
    let mut received = BTreeMap::<u32, Vec<u64>>::new();
    while let Some(entry) = consumer.next(patience).unwrap() {
        // A death is reported, but no record is missing for it.
        if matches!(entry.body, Body::UncleanExit(_)) {
            continue;
        }
        let proof = Proof::of(&entry).unwrap_or_else(|| panic!("nothing may be missing here: {entry}"));
        received.entry(proof.producer).or_default().push(proof.sequence);
    }
    received
}

/// What a new consumer gets out of the ring when it drains and acknowledges all that is there.
pub fn drained(ring: &Ring) -> BTreeMap<u32, Vec<u64>> {
    let mut consumer = soon(|| ring.consumer().ok()).expect("no other consumer drains");
    consumer.set_grace(Duration::ZERO);
    let deadline = Instant::now() + SOON;
    let mut all = BTreeMap::<u32, Vec<u64>>::new();
    while !consumer.is_drained().unwrap() {
        assert!(Instant::now() < deadline, "something in the ring cannot be taken out");
        for (producer, sequences) in received(&mut consumer, Duration::ZERO) {
            all.entry(producer).or_default().extend(sequences);
        }
        consumer.ack().unwrap();
    }
    all
}

/// The lock file of the ring at `path`, found by the ring's inode as FORMAT.md has it.
pub fn lock_file(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    let end = format!("-{:x}.lock", path.metadata().unwrap().ino());
    let mut files = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let is_its = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with(".ringlog-") && name.ends_with(&end)
    };
    files.find(is_its).expect("each ring has a lock file")
}

/// The ring's numbers now.
pub fn stat(ring: &Ring) -> ringlog::reader::RingStat {
    Observer::open(ring.path().to_str().unwrap()).unwrap().stat().unwrap()
}

/// How many lanes are open by living owners, and how many by dead ones.
pub fn lanes(ring: &Ring) -> (usize, usize) {
    let lanes = stat(ring).lanes;
    let count = |alive| lanes.iter().filter(|lane| lane.open && lane.alive == alive).count();
    (count(true), count(false))
}

/// Waits until that many lanes are alive and that many dead. The kernel releases a process's locks with its memory. A
/// reader of the process's files in `/proc` keeps that memory a little longer than the process lives.
#[track_caller]
pub fn wait_for_lanes(ring: &Ring, expected: (usize, usize)) {
    let deadline = Instant::now() + SOON;
    while lanes(ring) != expected && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(lanes(ring), expected, "alive and dead");
}
