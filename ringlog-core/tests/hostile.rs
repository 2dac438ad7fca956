//! Forged and overwritten rings, in ways that a fuzzer does not find.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

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
        let blocks = geometry.file_bytes() - geometry.definition_bytes() - count * BLOCK_BYTES;
        Bytes { _dir: dir, ring, file, states, blocks, count }
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

/// The definition area of a ring of 64 KiB: where its slots begin, and how many there are.
const SLOTS_AT: u64 = 512 + 512 * 8;
const SLOTS: u64 = 14 * 68;

#[test]
fn a_forged_definition_area_decodes_no_record_wrongly() {
    let bytes = Bytes::new("64KiB");
    let area = bytes.blocks + bytes.count * BLOCK_BYTES;
    log(&bytes.ring, |log| {
        let site = Site::new(Definition {
            text: "x".repeat(100).into(),
            fields: vec![Field::new("a", Type::U64)].into(),
            ..Definition::new(Level::INFO, "real")
        });
        log.values(&site, &[Value::U64(7)]).unwrap();
    });
    let entries =
        || Observer::open(bytes.ring.path().to_str().unwrap()).unwrap().into_iter().collect::<Vec<_>>();
    let message = || entries()[0].entry().message();
    let right = format!("{} a=7", "x".repeat(100));
    assert_eq!(message(), right);
    let absent = "(its definition is not in the ring)";
    // Each bit of the definition, its header among it, and of its segment's state.
    for word in 0..20 {
        for bit in 0..64 {
            let at = area + SLOTS_AT + word * 8;
            let was = bytes.get(at);
            bytes.put(at, &[was ^ 1 << bit]);
            assert_eq!(message(), absent, "bit {bit} of word {word}");
            bytes.put(at, &[was]);
        }
    }
    for (state, shown) in [(0, absent), (1, absent), (u64::MAX >> 32, &*right), ((1 << 32) | 60, absent)] {
        let was = bytes.get(area);
        bytes.put(area, &[state]);
        assert_eq!(message(), shown, "state {state:x}");
        bytes.put(area, &[was]);
    }
    // The index is of no importance to readers.
    bytes.put(area + 512, &[u64::MAX; 512]);
    assert_eq!(message(), right);
    // Each id that a record may name.
    let records = bytes.find(RECORDS_SEALED);
    let header = bytes.slot(records, 3, 0);
    let was = bytes.get(header);
    for id in (1..4 * SLOTS).chain([u64::from(u32::MAX), u64::from(u32::MAX) - SLOTS]) {
        bytes.put(header, &[(was & !u64::from(u32::MAX)) | id]);
        assert_eq!(message(), if id == was & u64::from(u32::MAX) { &right } else { absent }, "id {id}");
    }
    // Of another boot: on a disk an older state of the area may have come back.
    bytes.put(header, &[was]);
    let boot = bytes.slot(records, 0, 14);
    bytes.put(boot, &[bytes.get(boot) ^ 1]);
    assert_eq!(message(), absent);
    let mut consumer = bytes.ring.consumer().unwrap();
    assert_eq!(consumer.next(SOON).unwrap().unwrap().message(), absent);
}

#[test]
fn producers_share_no_forged_definition() {
    let bytes = Bytes::new("64KiB");
    let area = bytes.blocks + bytes.count * BLOCK_BYTES;
    let push = |number: usize, name: &'static str| {
        let log = bytes.ring.logger();
        let text = format!("text {number}");
        std::thread::spawn(move || {
            let site = Site::new(Definition { text: text.into(), ..Definition::new(Level::INFO, name) });
            log.values(&site, &[]).unwrap();
        })
        .join()
        .unwrap();
    };
    let mut consumer = bytes.ring.consumer().unwrap();
    let mut shown = move || {
        let shown = consumer.next(SOON).unwrap().unwrap().to_string();
        consumer.ack().unwrap();
        shown
    };
    let generation = |segment| bytes.get(area + segment * 8) >> 32;
    let mut random = 1_u64;
    for number in 0..300 {
        push(number, "real");
        assert!(shown().ends_with(&format!("text {number}")), "{number}");
        // The index leads everywhere, each definition claims another id, and segments are in all states.
        for _ in 0..20 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let to = random >> 33;
            let (at, word) = match to % 4 {
                // Not an earlier generation, whose ids have been used.
                0 => (
                    area + to % 14 * 8,
                    ((generation(to % 14) + ((random >> 20) & 1)) << 32) | (random & 0x8000_00ff),
                ),
                1 => (area + SLOTS_AT + to % SLOTS * 64 + to / 7 % 2 * 8, random),
                _ => (area + 512 + to % 512 * 8, (random << 32) | (to % (4 * SLOTS))),
            };
            bytes.put(at, &[word]);
        }
    }
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
