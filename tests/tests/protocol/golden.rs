//! The golden rings: what versions 1.0 and 1.1 have written, every 1.x still reads.
//!
//! Made with `cargo run -p ringlog-tests --bin ringlog-make-golden`, and never made anew once its
//! version has been released: a new minor version adds a ring of its own beside this one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringlog::admin::Clock;
use ringlog::queue::Queue;
use ringlog::reader::{Body, Entry, GapReason, Observer};
use ringlog::{Overflow, Ring};
use ringlog_testkit::Scratch;

const MAKER: &str = "tests/src/bin/make_golden.rs";

/// Level, logger, file and message of the first records. After them come the long one, then orders
/// 1000 to 1527, when the ring was full; three records were dropped, and one more is behind the gap.
const FIRST: [(&str, &str, &str, &[u8]); 5] = [
    ("INFO", "golden.orders", MAKER, b"order=7 price=9.5 venue=XETR note=first"),
    ("WARN", "golden.text", "", "plain text, 91% of it ASCII: grüße".as_bytes()),
    ("ERROR+2", "golden.text", "", b"not UTF-8: \xff\x00\n"),
    (
        "ERROR",
        "golden.disk",
        MAKER,
        "cannot write errno=-5 fatal=true unit=µ address=[::1]:514 waited=1.5s".as_bytes(),
    ),
    ("DEBUG", "golden.site", "", b"made at run time small=200 wide=-1"),
];
const ORDERS: std::ops::RangeInclusive<u64> = 1000..=1539;
const COUNT: u64 = 547;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1.0.ring")
}

/// Compares record number `n` with what was written then.
fn check(n: u64, entry: &Entry<'_>) {
    let record = entry.record().expect("a record");
    let origin = entry.origin;
    assert_eq!((record.sequence, record.cut), (n, false));
    assert_eq!((origin.lane, origin.incarnation), (1, 1));
    assert_eq!((&*origin.thread, &*origin.process), ("worker-ä", "ringlog-make-golden"));
    let long: String = (0..400).map(|n| format!("{n} ")).collect();
    let order;
    let (level, logger, file, message) = match n {
        0..=4 => FIRST[n as usize],
        5 => ("INFO", "golden.long", "", long.as_bytes()),
        546 => ("CRITICAL", "golden.text", "", &b"after the gap"[..]),
        _ => {
            order = format!("order={} price=0 venue=XLON note=", ORDERS.start() + n - 6);
            ("INFO", "golden.orders", MAKER, order.as_bytes())
        }
    };
    assert_eq!((&*record.level.to_string(), record.logger, record.file), (level, logger, file));
    let line = match logger {
        "golden.orders" => 21,
        "golden.disk" => 30,
        _ => 0,
    };
    let module = if line == 0 { "" } else { "ringlog_make_golden" };
    assert_eq!((record.line, record.module, record.function), (line, module, ""));
    // A typed record's text is its definition's, and what follows are its fields.
    match record.fields().next() {
        None => assert_eq!(record.text().unwrap(), message),
        Some(_) => assert_eq!(entry.message().as_bytes(), message),
    }
}

#[test]
fn the_layout_of_version_1_0_stays_readable() {
    let mut observer = Observer::open(golden().to_str().unwrap()).unwrap();
    let info = *observer.info();
    assert!(!info.is_of_this_boot(), "it says that it is of a boot that never was");
    assert_eq!((info.boot_id, info.clock), (*b"golden ring v1.0", Clock::Monotonic));
    let geometry = info.geometry();
    let sizes =
        (geometry.file_bytes(), geometry.block_bytes(), geometry.block_count(), geometry.lane_count());
    assert_eq!((sizes, geometry.reserved_blocks()), ((129_024, 1024, 54, 3), 6));
    let entries = observer.poll().unwrap();
    assert_eq!((entries.len() as u64, observer.missed()), (COUNT, 0));
    let mut last = 0;
    for (n, entry) in (0..).zip(&entries) {
        check(n, &entry.entry());
        assert!(entry.entry().unix_ns >= last);
        last = entry.entry().unix_ns;
    }
    assert!(last.abs_diff(info.created_unix_ns) < 60_000_000_000);
    let stat = observer.stat().unwrap();
    assert_eq!((stat.published, stat.persisted, stat.dropped), (COUNT, 0, 3));
    assert_eq!((stat.free_blocks, stat.definitions.count, stat.overflow), (5, 3, Overflow::Drop));
    assert_eq!(stat.lanes.len(), 2);
}

#[test]
fn a_ring_of_version_1_0_can_still_be_drained() {
    let at = Scratch::new();
    std::fs::copy(golden(), at.name()).unwrap();
    let ring = Ring::open(at.name()).unwrap();
    // It is of an earlier boot, so a new ring has taken its place.
    let [old] = &ring.of_earlier_boots()[..] else { panic!("{:?}", ring.of_earlier_boots()) };
    let old = Ring::open(old.to_str().unwrap()).unwrap();
    let mut consumer = old.consumer().unwrap();
    let mut n = 0;
    while let Some(entry) = consumer.next(Duration::from_millis(100)).unwrap() {
        if let Body::Gap(gap) = entry.body {
            assert_eq!((n, gap.count, gap.reason), (COUNT - 1, 3, GapReason::Dropped));
            continue;
        }
        check(n, &entry);
        n += 1;
    }
    consumer.ack().unwrap();
    assert_eq!(n, COUNT);
}

#[test]
fn another_major_version_is_refused_with_a_message() {
    let at = Scratch::new();
    let mut bytes = std::fs::read(golden()).unwrap();
    assert_eq!(bytes[..12], *b"RINGLOG\x1a\x01\x00\x00\x00", "magic, major and minor version");
    bytes[8] = 2;
    std::fs::write(at.name(), bytes).unwrap();
    let expected =
        format!("{} is a ring of format 2.0; this program knows format 1: upgrade this program", at.name());
    assert_eq!(Ring::open(at.name()).unwrap_err().to_string(), expected);
    assert_eq!(Observer::open(at.name()).unwrap_err().to_string(), expected);
}

#[test]
fn the_layout_of_version_1_1_stays_readable() {
    let bytes = std::fs::read(golden().with_file_name("v1.1.ring")).unwrap();
    assert_eq!(bytes[..12], *b"RINGLOG\x1a\x01\x00\x01\x00", "magic, major and minor version");
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    // The role is free and had a holder, the queue takes nine items and had so many permits left, and there are claims.
    assert_eq!([3072, 3200, 3208, 3216].map(word), [0, 9, 5, 1]);
    assert_ne!(word(3080), 0);
    let at = Scratch::new();
    std::fs::write(at.name(), &bytes).unwrap();
    let mut observer = Observer::open(at.name()).unwrap();
    let items: Vec<String> = observer.poll().unwrap().iter().map(|item| item.entry().message()).collect();
    // An observer also sees what is acknowledged and still there.
    assert_eq!(items[2..], ["item=first", "item=second"]);
    let stat = observer.stat().unwrap();
    assert_eq!((stat.published, stat.persisted, stat.claims, stat.damaged), (4, 2, 2, 0));
    // As in a ring of this boot.
    let mut bytes = bytes;
    bytes[80..96].fill(0);
    let checksum = crc32fast::hash(&bytes[8..136]);
    bytes[136..140].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(at.name(), &bytes).unwrap();
    let queue = Queue::open(at.name()).unwrap();
    assert_eq!((queue.len().unwrap(), queue.unacked().unwrap(), queue.bound()), (2, 2, Some(9)));
    let mut got: Vec<_> = std::iter::from_fn(|| queue.get(Duration::ZERO).unwrap()).collect();
    assert_eq!(got.split_off(2), [b"first".to_vec(), b"second".to_vec()], "claims first");
    got.sort_by_key(Vec::len);
    assert_eq!(got, [b"claimed".to_vec(), vec![7; 2_000]]);
}
