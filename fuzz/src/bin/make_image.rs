//! Makes the small ring whose bytes the targets change, `images/small.ring`:
//! `RUSTFLAGS='--cfg fuzzing' cargo run --manifest-path fuzz/Cargo.toml --no-default-features --bin make_image`.
//!
//! It is kept in the repository, because an input of the corpus says which words of it become what.

use std::path::Path;
use std::time::Duration;

use ringlog::admin::Clock;
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Logger, Overflow, Record, Ring};
use ringlog_testkit::Scratch;

/// Where things lie in this ring, by FORMAT.md.
const LANES_AT: usize = 4096;
const LANE_BYTES: usize = 384;
const LANES: usize = 3;
const BLOCK_BYTES: usize = 1024;
const BLOCKS_AT: usize = 8192;
const SLOT_BYTES: usize = 64;
/// The definition area, at the end: 4 segments of 13 slots, behind their states and an index of 32 words.
const AREA_BYTES: usize = 4096;
const SEGMENTS_AT: usize = 512 + 32 * 8;
const SEGMENTS: usize = 4;
const SEGMENT_BYTES: usize = 13 * SLOT_BYTES;
/// Stands for the boot of records and definitions.
const BOOT_TAG: u64 = 1;
/// Any moment will do.
const UNIX_NS: u64 = 1_795_256_130_000_000_000;

#[derive(Record)]
#[record(level = "info", logger = "fuzz.fills")]
struct Fill<'a> {
    order: u64,
    price: f64,
    venue: [u8; 4],
    side: char,
    note: &'a str,
}

/// Every kind of field.
fn everything(log: &Logger) {
    let fields: [(&'static str, Type, Value<'_>); 14] = [
        ("ok", Type::Bool, Value::Bool(true)),
        ("small", Type::U8, Value::U64(7)),
        ("wide", Type::I128, Value::I128(-1)),
        ("single", Type::F32, Value::F32(0.5)),
        ("text", Type::Str, Value::Text(b"a \"b\"\n")),
        ("bytes", Type::Bytes, Value::Bytes(b"\xff\x00")),
        ("ip", Type::Ip, Value::Ip([127, 0, 0, 1].into())),
        ("peer", Type::Socket, Value::Socket(([0, 0, 0, 0, 0, 0, 0, 1], 514).into())),
        ("took", Type::Duration, Value::Duration(Duration::from_millis(1500))),
        ("at", Type::Timestamp, Value::Timestamp(UNIX_NS as i64)),
        ("id", Type::Uuid, Value::Uuid([0xab; 16])),
        ("severity", Type::Level, Value::Level(Level::WARN)),
        ("sign", Type::Char, Value::Char('µ')),
        ("fixed", Type::FixedBytes(3), Value::Bytes(b"abc")),
    ];
    let site = Site::new(Definition {
        text: "everything".into(),
        file: "src/db.rs".into(),
        line: 42,
        fields: fields.iter().map(|(name, ty, _)| Field::new(name, *ty)).collect(),
        ..Definition::new(Level::WARN, "fuzz.all")
    });
    log.values(&site, &fields.map(|(_, _, value)| value)).unwrap();
}

/// Two threads, a record of several blocks, drops, and a lane left open.
fn write(ring: &Ring) {
    let log = ring.logger();
    let fill =
        |log: &Logger, order| log.push(&Fill { order, price: 9.5, venue: *b"XETR", side: 'B', note: "n" });
    fill(&log, 1).unwrap();
    everything(&log);
    let other = log.clone();
    let thread = std::thread::Builder::new().name("worker-ä".to_owned());
    let work = move || (0..9).for_each(|order| fill(&other, order).unwrap());
    thread.spawn(work).unwrap().join().unwrap();
    log.text(Level::INFO, "fuzz.long", "x".repeat(900)).unwrap();
    // More than the ring takes: refused and counted, so that the next record comes behind a gap.
    let note = &"y".repeat(1 << 16);
    log.push(&Fill { order: 2, price: 0.0, venue: *b"XLON", side: 'S', note }).unwrap_err();
    (3..9).for_each(|order| fill(&log, order).unwrap());
    log.text(Level::ERROR, "fuzz.text", b"not UTF-8: \xff\x00\n").unwrap();
}

fn put(bytes: &mut [u8], at: usize, word: u64) {
    bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Makes it the same whenever and wherever it is made: times, process ids and the like.
fn normalise(bytes: &mut [u8]) {
    put(bytes, 56, 1 << 32);
    bytes[64..80].copy_from_slice(b"small fuzz ring\0");
    bytes[80..96].fill(0);
    for (at, value) in [(96, 0), (104, UNIX_NS), (112, 0), (120, 4711)] {
        put(bytes, at, value);
    }
    for lane in 0..LANES {
        let at = LANES_AT + lane * LANE_BYTES;
        put(bytes, at + 8, 4711 << 32 | (4711 + lane as u64));
        put(bytes, at + 24, UNIX_NS);
    }
    let area = bytes.len() - AREA_BYTES;
    for block in (BLOCKS_AT..area).step_by(BLOCK_BYTES) {
        let slots = word(bytes, block) as u32 as usize;
        for (at, value) in [(5, 4711 << 32 | 4711), (8, 0), (9, UNIX_NS), (10, 1 << 32), (14, BOOT_TAG)] {
            put(bytes, block + at * 8, value);
        }
        let mut slot = 3;
        while slot < slots {
            let at = block + slot * SLOT_BYTES;
            put(bytes, at + 8, (at * 1000) as u64);
            let length = (word(bytes, at) >> 32 & 0xff_ffff) as usize;
            slot += (length + 16).div_ceil(SLOT_BYTES);
        }
    }
    for segment in 0..SEGMENTS {
        let mut at = area + SEGMENTS_AT + segment * SEGMENT_BYTES;
        let end = at + (word(bytes, area + segment * 8) as u32 as usize) * SLOT_BYTES;
        while at < end {
            let id = word(bytes, at + 8) >> 32;
            put(bytes, at + 8, id << 32 | BOOT_TAG);
            at += (word(bytes, at) as u32 as usize + 16).div_ceil(SLOT_BYTES) * SLOT_BYTES;
        }
    }
    ringlog::fuzzing::mend_checksum(bytes);
}

fn main() {
    let dir = Scratch::new();
    let name = dir.file("ring");
    let options = Ring::options().size("24KiB").block_bytes(BLOCK_BYTES as u32).lanes(LANES as u32);
    let options = options.definitions(AREA_BYTES as u64);
    let ring =
        options.clock(Clock::Monotonic).overflow(Overflow::Drop).create(name.to_str().unwrap()).unwrap();
    write(&ring);
    let mut bytes = std::fs::read(&name).unwrap();
    normalise(&mut bytes);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/small.ring");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let blocks = (bytes.len() - AREA_BYTES - BLOCKS_AT) / BLOCK_BYTES;
    println!("{}: {} bytes, {blocks} blocks", path.display(), bytes.len());
}
