//! Makes the golden ring: `cargo run -p ringlog-tests --bin ringlog-make-golden`.
//!
//! To be run when a new format version begins, never to make a test pass: the file stands for every
//! ring of its version that is out there.

use std::path::Path;
use std::time::Duration;

use ringlog::admin::Clock;
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Logger, Overflow, Record, Ring};
use ringlog_testkit::Scratch;
use ringlog_tests::CreateRing;

/// Where the header has the boot id, its checksum, and what that covers. Written out here, because the
/// file must not change with the code.
const BOOT_ID: std::ops::Range<usize> = 80..96;
const CHECKSUM: std::ops::Range<usize> = 136..140;
const COVERED: std::ops::Range<usize> = 8..136;

#[derive(Record)]
#[record(level = "info", logger = "golden.orders")]
struct Fill<'a> {
    order: u64,
    price: f64,
    venue: [u8; 4],
    note: &'a str,
}

#[derive(Record)]
#[record(level = "error", logger = "golden.disk", text = "cannot write")]
struct Trouble {
    errno: i32,
    fatal: bool,
    unit: char,
    address: std::net::SocketAddr,
    waited: Duration,
}

fn write(log: &Logger) {
    log.push(&Fill { order: 7, price: 9.5, venue: *b"XETR", note: "first" }).unwrap();
    log.text(Level::WARN, "golden.text", "plain text, 91% of it ASCII: grüße").unwrap();
    log.text(Level::from_number(42), "golden.text", b"not UTF-8: \xff\x00\n").unwrap();
    let address = "[::1]:514".parse().unwrap();
    log.push(&Trouble { errno: -5, fatal: true, unit: 'µ', address, waited: Duration::from_millis(1500) })
        .unwrap();
    let site = Site::new(Definition {
        fields: vec![Field::new("small", Type::U8), Field::new("wide", Type::I128)].into(),
        text: "made at run time".into(),
        ..Definition::new(Level::DEBUG, "golden.site")
    });
    log.values(&site, &[Value::U64(200), Value::I128(-1)]).unwrap();
    let long: String = (0..400).map(|n| format!("{n} ")).collect();
    log.text(Level::INFO, "golden.long", long).unwrap();
    // The gap: too much for the ring, then something urgent behind it.
    let mut dropped = 0;
    let mut order = 1000;
    while dropped < 3 {
        let fill = Fill { order, price: 0.0, venue: *b"XLON", note: "" };
        dropped += u64::from(log.push(&fill).is_err());
        order += 1;
    }
    log.text(Level::CRITICAL, "golden.text", "after the gap").unwrap();
}

fn main() {
    let at = Scratch::new();
    let options = Ring::options().size("64KiB").block_bytes(1024).lanes(3).clock(Clock::Monotonic);
    let ring = at.create(options.overflow(Overflow::Drop));
    let log = ring.logger();
    let thread = std::thread::Builder::new().name("worker-ä".to_owned());
    thread.spawn(move || write(&log)).unwrap().join().unwrap();
    drop(ring);
    let mut bytes = std::fs::read(at.name()).unwrap();
    // Of a boot that never was, so that it is of another one wherever it is read.
    bytes[BOOT_ID].copy_from_slice(b"golden ring v1.0");
    let checksum = crc32fast::hash(&bytes[COVERED]);
    bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1.0.ring");
    std::fs::write(&path, &bytes).unwrap();
    println!("{}: {} bytes", path.display(), bytes.len());
}
