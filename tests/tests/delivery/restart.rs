//! The consumer ends or is killed, and another one goes on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringlog::{Level, Overflow, Ring};
use ringlog_testkit::{Child, Random, SOON, Scratch};
use ringlog_tests::{CreateRing, free_blocks_after, stat};

use crate::PRODUCER;

#[test]
fn a_restarted_consumer_gets_what_was_not_acknowledged() {
    const COUNT: u64 = 200_000;
    const CONSUMERS: usize = 150;
    let at = Scratch::new();
    let options = Ring::options().size("256KiB").block_bytes(2048).lanes(12);
    let ring = at.create(options.overflow(Overflow::Block(SOON)));
    let mut random = Random::new(11);
    let count = format!("count={COUNT}");
    let mut producers: Vec<Child> = (0..2)
        .map(|n| {
            let first = format!("producer={}", n * 10);
            Child::spawn(PRODUCER, &["sequence", at.name(), &first, &count, "threads=2", "long_every=1000"])
        })
        .collect();
    producers.iter_mut().for_each(|child| {
        child.wait_ready();
        child.go();
    });
    let file = |n: usize| at.file(format!("out-{n}"));
    for n in 0..CONSUMERS {
        let out = format!("out={}", file(n).to_str().unwrap());
        // Small batches: then many are killed in the middle of an acknowledgement.
        let batch = if n + 1 < CONSUMERS { ["batch=1", "batch=5", "batch=50"][n % 3] } else { "batch=50" };
        let mut consumer = Child::spawn(PRODUCER, &["consume", at.name(), &out, batch]);
        consumer.wait_ready();
        consumer.go();
        let until = Instant::now() + Duration::from_micros(random.below(8_000));
        // The last one is left in peace until all is there.
        let last_has_work =
            |producers: &mut [Child]| n + 1 == CONSUMERS && !producers.iter_mut().all(Child::has_ended);
        while Instant::now() < until || last_has_work(&mut producers) {
            assert!(!consumer.has_ended(), "consumer {n} has failed");
            std::thread::sleep(Duration::from_micros(200));
        }
        if n + 1 == CONSUMERS {
            std::thread::sleep(Duration::from_secs(1));
        }
        consumer.kill();
    }
    producers.iter_mut().for_each(|child| assert_eq!(child.finish(), [2 * COUNT, 0]));
    let mut next = BTreeMap::new();
    let mut repeated = 0;
    for n in 0..CONSUMERS {
        // What this consumer, and those before it, had acknowledged for certain when it began.
        let acknowledged = acknowledged_before(&(0..n).map(file).collect::<Vec<_>>());
        for line in whole_lines(&file(n)).lines() {
            let Some((producer, sequence)) = pair(line) else { continue };
            let expected = next.entry(producer).or_insert(0);
            assert!(
                sequence <= *expected,
                "producer {producer}: {sequence} after {expected} is missing some"
            );
            if sequence < *expected {
                repeated += 1;
                let certain = acknowledged.get(&producer).copied().unwrap_or(0);
                assert!(sequence >= certain, "producer {producer}: {sequence} was acknowledged before");
            }
            *expected = sequence + 1;
        }
    }
    assert_eq!(next.into_values().collect::<Vec<_>>(), [COUNT; 4]);
    println!("{repeated} records came again");
    assert_eq!(stat(&ring).damaged, 0);
}

/// What a consumer noted, without the line that it was killed in: its number is cut.
fn whole_lines(file: &std::path::Path) -> String {
    let mut notes = std::fs::read_to_string(file).unwrap_or_default();
    notes.truncate(notes.rfind('\n').map_or(0, |end| end + 1));
    notes
}

fn pair(line: &str) -> Option<(u32, u64)> {
    let (producer, sequence) = line.split_once(' ')?;
    Some((producer.parse().unwrap(), sequence.parse().unwrap()))
}

/// What each producer's next sequence was when the last acknowledgement in these files was noted.
fn acknowledged_before(files: &[std::path::PathBuf]) -> BTreeMap<u32, u64> {
    let (mut certain, mut seen) = (BTreeMap::new(), BTreeMap::new());
    for file in files {
        seen.clone_from(&certain);
        for line in whole_lines(file).lines() {
            match pair(line) {
                Some((producer, sequence)) => _ = seen.insert(producer, sequence + 1),
                None => certain.clone_from(&seen),
            }
        }
    }
    certain
}

#[test]
fn a_long_record_acknowledged_last_gives_all_its_blocks_back() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").block_bytes(1024).lanes(4));
    let all = stat(&ring).free_blocks;
    let log = ring.logger();
    log.text(Level::INFO, "", vec![b'x'; 20_000]).unwrap();
    let mut consumer = ring.consumer().unwrap();
    consumer.next(SOON).unwrap().unwrap();
    consumer.ack().unwrap();
    // Ends here: it never got to look at what comes after the long record.
    drop(consumer);
    let mut consumer = ring.consumer().unwrap();
    log.text(Level::INFO, "", "short").unwrap();
    assert_eq!(consumer.next(SOON).unwrap().unwrap().message(), "short");
    consumer.ack().unwrap();
    // The open one stays the lane's.
    let free = free_blocks_after(&ring, all - 1, || {
        assert!(consumer.next(Duration::from_millis(50)).unwrap().is_none());
        consumer.ack().unwrap();
    });
    assert_eq!(free, all - 1);
}

#[test]
fn a_long_record_that_was_read_but_not_given_out_comes_again() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").block_bytes(1024).lanes(4));
    let log = ring.logger();
    let long = "x".repeat(20_000);
    // This thread's lane first, so that the two records come from two lanes.
    log.open_lane().unwrap();
    let other = log.clone();
    std::thread::spawn(move || other.text(Level::INFO, "", "short").unwrap()).join().unwrap();
    log.text(Level::INFO, "", &long).unwrap();
    let mut consumer = ring.consumer().unwrap();
    assert_eq!(consumer.next(SOON).unwrap().unwrap().message(), "short");
    consumer.ack().unwrap();
    drop(consumer);
    let mut consumer = ring.consumer().unwrap();
    let entry = consumer.next(SOON).unwrap().expect("the long one");
    assert_eq!(entry.message(), long);
}
