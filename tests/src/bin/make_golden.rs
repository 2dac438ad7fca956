//! Makes the golden ring of the present version: `cargo run -p ringlog-tests --bin ringlog-make-golden`.
//!
//! To be run when a new format version begins, never to make a test pass: the file stands for every
//! ring of its version that is out there.

use std::path::Path;
use std::time::Duration;

use ringlog::Ring;
use ringlog::admin::Clock;
use ringlog::queue::Queue;
use ringlog_testkit::Scratch;

/// Where the header has the boot id, its checksum, and what that covers. Written out here, because the
/// file must not change with the code.
const BOOT_ID: std::ops::Range<usize> = 80..96;
const CHECKSUM: std::ops::Range<usize> = 136..140;
const COVERED: std::ops::Range<usize> = 8..136;

/// A queue with two claims, one of them of several blocks, and two items.
fn main() {
    let at = Scratch::new();
    let options = Ring::options().size("64KiB").block_bytes(1024).lanes(3).clock(Clock::Monotonic);
    let queue = Queue::options().ring(options).bound(9).create(at.name()).unwrap();
    for item in [&b"claimed"[..], &[7; 2_000], b"first", b"second"] {
        queue.put(item, Duration::ZERO).unwrap();
    }
    let claims = [(); 2].map(|()| queue.claim(Duration::ZERO).unwrap().unwrap());
    // As the process leaves it that is killed now.
    let mut bytes = std::fs::read(at.name()).unwrap();
    claims.into_iter().for_each(|claim| claim.ack().unwrap());
    // Of a boot that never was, so that it is of another one wherever it is read.
    bytes[BOOT_ID].copy_from_slice(b"golden ring v1.1");
    let checksum = crc32fast::hash(&bytes[COVERED]);
    bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1.1.ring");
    std::fs::write(&path, &bytes).unwrap();
    println!("{}: {} bytes", path.display(), bytes.len());
}
