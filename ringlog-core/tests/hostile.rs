//! Forged and overwritten rings, in ways that a fuzzer does not find.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use ringlog::admin::Clock;
use ringlog::reader::{Body, GapReason, Observer};
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;

/// A deadline that even a busy machine keeps.
const SOON: Duration = Duration::from_secs(30);
const BLOCK_BYTES: u64 = 1024;
/// FORMAT.md's numbers, written out: kinds and phases of a state word, the kind of a record's header.
const RECORDS_SEALED: u64 = 0x02;
const DEFINITIONS_SEALED: u64 = 0x12;
const DEFINITION: u64 = 1 << 56;

/// A ring's file, and its offsets.
struct Bytes {
    _dir: Scratch,
    ring: Ring,
    file: File,
    states: u64,
    blocks: u64,
    count: u64,
}

impl Bytes {
    fn new(size: &str) -> Bytes {
        let dir = Scratch::new();
        let path = dir.file("ring");
        let options =
            Ring::options().size(size).block_bytes(BLOCK_BYTES as u32).lanes(3).clock(Clock::Monotonic);
        let ring = options.create(path.to_str().unwrap()).unwrap();
        let geometry = *ring.info().geometry();
        let count = u64::from(geometry.block_count());
        let states = 4096 + 384 * u64::from(geometry.lane_count());
        let file = File::options().read(true).write(true).open(&path).unwrap();
        Bytes { _dir: dir, ring, file, states, blocks: geometry.file_bytes() - count * BLOCK_BYTES, count }
    }

    fn put(&self, at: u64, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.file.write_all_at(&bytes, at).unwrap();
    }

    fn get(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn state(&self, block: u64) -> u64 {
        self.states + block * 8
    }

    /// Word `word` of slot `slot` of a block.
    fn slot(&self, block: u64, slot: u64, word: u64) -> u64 {
        self.blocks + block * BLOCK_BYTES + slot * 64 + word * 8
    }

    fn find(&self, kind: u64) -> u64 {
        (0..self.count).find(|block| self.get(self.state(*block)) & 0xff == kind).unwrap()
    }
}

/// Logs from a thread that ends, so that its blocks are sealed.
fn log(ring: &Ring, act: impl FnOnce(ringlog::Logger) + Send + 'static) {
    let log = ring.logger();
    std::thread::spawn(move || act(log)).join().unwrap();
}

#[test]
fn a_definition_begins_where_a_record_begins() {
    let bytes = Bytes::new("64KiB");
    log(&bytes.ring, |log| {
        let site = Site::new(Definition {
            text: "x".repeat(500).into(),
            fields: vec![Field::new("a", Type::U64)].into(),
            ..Definition::new(Level::INFO, "real")
        });
        log.values(&site, &[Value::U64(7)]).unwrap();
    });
    let shown = || {
        let entries: Vec<_> =
            Observer::open(bytes.ring.path().to_str().unwrap()).unwrap().into_iter().collect();
        entries[0].entry().message()
    };
    assert!(shown().ends_with("x a=7"));
    // The text of the real definition holds bytes that read as another one: a level, a length of 4 for its logger,
    // and nothing else.
    let definitions = (0..bytes.count).find(|block| bytes.get(bytes.state(*block)) & 0xf0 == 0x10).unwrap();
    bytes.put(bytes.slot(definitions, 4, 0), &[DEFINITION | 32 << 32, 0, 20, 4 | 0x656b_6166 << 32, 0, 0]);
    let records = bytes.find(RECORDS_SEALED);
    let header = bytes.slot(records, 3, 0);
    bytes.put(header, &[bytes.get(header) + 1]);
    assert_eq!(shown(), "(its definition is not in the ring)");
    let mut consumer = bytes.ring.consumer().unwrap();
    assert_eq!(consumer.next(SOON).unwrap().unwrap().message(), "(its definition is not in the ring)");
}

#[test]
fn many_orphaned_definitions_are_freed_in_one_pass() {
    let bytes = Bytes::new("64MiB");
    for block in 0..bytes.count {
        // Half of them are definitions of one process, the others are records that name another process.
        let (kind, process) = if block % 2 == 0 { (DEFINITIONS_SEALED, 7) } else { (RECORDS_SEALED, 8) };
        bytes.put(bytes.state(block), &[1 << 8 | kind]);
        bytes.put(bytes.slot(block, 0, 0), &[3, 1 << 32 | 1, block, 0, 1 << 32 | process]);
    }
    let mut consumer = bytes.ring.consumer().unwrap();
    let began = Instant::now();
    while consumer.next(Duration::ZERO).unwrap().is_some() {}
    let free = bytes.ring.observe().unwrap().stat().unwrap().free_blocks;
    println!("{free} of {} blocks freed in {:?}", bytes.count, began.elapsed());
    assert!(u64::from(free) >= bytes.count / 2, "{free} of {} blocks", bytes.count);
    // One pass takes less than a second; a pass for each block would take more than a minute.
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn a_block_reused_before_it_was_read_is_reported_as_damaged() {
    let bytes = Bytes::new("64KiB");
    log(&bytes.ring, |log| log.text(Level::INFO, "", "x".repeat(600)).unwrap());
    log(&bytes.ring, |log| log.text(Level::INFO, "", "y".repeat(600)).unwrap());
    let block = bytes.find(RECORDS_SEALED);
    let state = bytes.get(bytes.state(block));
    // Not the first block of its lane, so it is not read before the next scan.
    bytes.put(bytes.slot(block, 0, 2), &[5]);
    let mut consumer = bytes.ring.consumer().unwrap();
    consumer.next(Duration::ZERO).unwrap();
    let mut damaged = 0;
    for generation in 1..=100 {
        bytes.put(bytes.state(block), &[state + (generation << 32)]);
        while let Some(entry) = consumer.next(Duration::ZERO).unwrap() {
            damaged += u32::from(matches!(entry.body, Body::Gap(gap) if gap.reason == GapReason::Damaged));
        }
    }
    assert!(damaged > 0, "no gap was reported");
}

#[test]
fn the_consumers_counters_may_have_any_value() {
    let bytes = Bytes::new("64KiB");
    log(&bytes.ring, |log| log.text(Level::INFO, "", "text").unwrap());
    // The counters of records persisted, emitted late and damaged, and of blocks reclaimed; and an invalid header of
    // a block.
    bytes.put(536, &[u64::MAX; 4]);
    bytes.put(bytes.slot(bytes.find(RECORDS_SEALED), 0, 1), &[u64::MAX]);
    let mut consumer = bytes.ring.consumer().unwrap();
    while consumer.next(Duration::ZERO).unwrap().is_some() {}
    consumer.ack().unwrap();
    assert_eq!(bytes.ring.observe().unwrap().stat().unwrap().damaged, 0, "one more than there can be");
}

#[test]
fn a_name_in_a_message_cannot_move_the_cursor() {
    let bytes = Bytes::new("64KiB");
    let _consumer = bytes.ring.consumer().unwrap();
    // The consumer's name: ESC [ 2 J, and the same as one character.
    bytes.put(576, &[u64::from_le_bytes(*b"\x1b[2J\xc2\x9b22"), 0, 0, 0]);
    let error = bytes.ring.consumer().unwrap_err().to_string();
    assert!(error.contains(r"\u{1b}[2J\u{9b}22 (pid "), "{error}");
    let holder = bytes.ring.observe().unwrap().stat().unwrap().consumer.unwrap().holder;
    assert!(holder.starts_with(r"\u{1b}[2J\u{9b}22 (pid "), "{holder}");
}
