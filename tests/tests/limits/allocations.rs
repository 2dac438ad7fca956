//! The push path allocates nothing.

use ringlog::{Level, Ring};
use ringlog_testkit::{CountingAllocator, Scratch};
use ringlog_tests::{BINARY, CreateRing, FORMATTED, Given, Kind, Sequenced, note, stat};

#[test]
fn the_push_path_allocates_nothing() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").block_bytes(8192));
    let log = ring.logger();
    let push = |sequences: std::ops::Range<u64>| {
        for sequence in sequences {
            log.push(&Sequenced::new(1, sequence, note(sequence, 0))).unwrap();
        }
    };
    assert!(
        CountingAllocator::count(|| drop(std::hint::black_box(vec![1_u8; 100]))) > 0,
        "the counting works"
    );
    push(0..1);
    let blocks = || stat(&ring).free_blocks;
    let before = blocks();
    assert_eq!(CountingAllocator::count(|| push(1..51)), 0, "within a block");
    assert_eq!(blocks(), before);
    assert_eq!(CountingAllocator::count(|| push(51..1000)), 0, "over block changes");
    assert!(before - blocks() >= 4, "{} block changes", before - blocks());
    log.text(Level::INFO, "plain", "warm").unwrap();
    assert_eq!(
        CountingAllocator::count(|| (0..50).for_each(|_| log.text(Level::WARN, "plain", "text").unwrap())),
        0
    );
    // Refusing, counting and telling the gap afterwards do not either.
    let full = || (1000..4000).filter(|n| log.push(&Sequenced::new(1, *n, note(*n, 0))).is_err()).count();
    let mut refused = 0;
    assert_eq!(CountingAllocator::count(|| refused = full()), 0, "in a full ring");
    assert!(refused > 100, "{refused}");
}

#[test]
fn log_statements_allocate_nothing() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").block_bytes(8192));
    ringlog::set_default(ring.logger(), Level::TRACE.into()).unwrap();
    let given = Given::new(ring.logger());
    let run = |(source, statement): (&str, fn(&Given)), times: u64| {
        let (blocks, published) = (stat(&ring).free_blocks, stat(&ring).published);
        assert_eq!(CountingAllocator::count(|| (0..times).for_each(|_| statement(&given))), 0, "{source}");
        assert_eq!(stat(&ring).published - published, times, "{source}");
        blocks - stat(&ring).free_blocks
    };
    let all = || BINARY.iter().chain(FORMATTED).copied();
    // Opens the lane and registers each of them.
    all().for_each(|(_, statement)| statement(&given));
    all().for_each(|statement| {
        run(statement, 2);
    });
    // Over block changes too, to which records without a known length come in a way of their own.
    for kind in [BINARY, FORMATTED] {
        let blocks: u32 = kind.iter().map(|statement| run(*statement, 200)).sum();
        assert!(blocks >= 10, "{blocks} block changes");
    }
    assert_eq!(stat(&ring).dropped, 0);
}
