//! Log calls inside log calls: the `Display` of an argument may log.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use ringlog::reader::Body;
use ringlog::{Level, Ring, info, warn};
use ringlog_testkit::Scratch;

thread_local! {
    static EVALUATED: Cell<u64> = const { Cell::new(0) };
    static NESTED: Cell<u64> = const { Cell::new(0) };
}

/// A text of so many bytes, which counts how often it is made.
struct Counted(usize);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        EVALUATED.set(EVALUATED.get() + 1);
        (0..self.0).try_for_each(|n| f.write_str(if n % 7 == 0 { "c" } else { "x" }))
    }
}

/// Logs, while it is formatted, a record whose argument does the same one level less.
struct Nest(u64);

impl fmt::Display for Nest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0 {
            NESTED.set(NESTED.get() + 1);
            info!("level {} {}", self.0, Nest(self.0 - 1));
        }
        f.write_str("n")
    }
}

/// Logs a record of so many bytes while it is formatted.
struct Large(usize);

impl fmt::Display for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        warn!("large {} {}", self.0, "y".repeat(self.0));
        warn!("formatted {}", Counted(self.0));
        f.write_str("n")
    }
}

/// The messages in the ring, and how many records were dropped by reason.
fn drained(ring: &Ring) -> (Vec<String>, Vec<(u64, &'static str)>) {
    let (mut consumer, mut messages, mut gaps) = (ring.consumer().unwrap(), Vec::new(), Vec::new());
    while !consumer.is_drained().unwrap() {
        while let Some(entry) = consumer.next(Duration::from_millis(1)).unwrap() {
            match entry.body {
                Body::Gap(gap) => gaps.push((gap.count, gap.reason.name())),
                _ => messages.push(entry.message()),
            }
        }
        consumer.ack().unwrap();
    }
    (messages, gaps)
}

#[test]
fn what_an_argument_logs_arrives_once_and_whole() {
    let at = Scratch::new();
    let ring = Ring::options().size("16MiB").lanes(4).create(&at.text("app")).unwrap();
    ringlog::set_default(ring.logger(), Level::TRACE.into()).unwrap();

    // Over block changes, in blocks of 8 KiB, and for records of several blocks.
    let lengths: Vec<usize> =
        (0..1500).map(|n| n * 37 % 900).chain([7_000, 9_000, 40_000, 300_000]).collect();
    // The empty ones write no text that could find the block too short.
    for length in &lengths {
        info!("{}{}{} {length}", Counted(*length), Counted(0), Counted(0), after = 1.5);
    }
    assert_eq!(EVALUATED.get(), 3 * lengths.len() as u64, "each argument is formatted once");
    let (messages, gaps) = drained(&ring);
    assert_eq!((messages.len(), gaps.len()), (lengths.len(), 0));
    for (message, length) in messages.iter().zip(&lengths) {
        assert_eq!(message.trim_start_matches(['c', 'x']), format!(" {length} after=1.5"));
        assert_eq!(message.find(' '), Some(*length));
    }

    for depth in [1, 2, 5, 8] {
        // In a fresh block and in a full one, by the record path and by the slow path.
        for _ in 0..300 {
            info!("outer {}", Nest(depth));
        }
        let (messages, gaps) = drained(&ring);
        assert_eq!((messages.len() as u64, gaps.len()), (300 * (depth + 1), 0));
        let inner = |level| messages.iter().filter(|message| **message == format!("level {level} n")).count();
        assert!((1..=depth).all(|level| inner(level) == 300));
    }

    // Beyond the stated depth: refused for this reason, and it ends.
    NESTED.set(0);
    info!("outer {}", Nest(u64::MAX));
    let (messages, gaps) = drained(&ring);
    let nested = NESTED.get();
    assert!((9..=11).contains(&nested), "{nested} levels");
    assert_eq!((messages.len() as u64, gaps), (nested, vec![(1, "nested")]));

    // The first record of a thread, whose lane has no block yet; later threads have the lane of the first one.
    for _ in 0..3 {
        std::thread::spawn(|| info!("outer {}", Nest(u64::MAX))).join().unwrap();
    }
    assert_eq!(drained(&ring).1, [(1, "nested"); 3]);

    for length in [100, 1_000, 10_000, 60_000, 70_000, 300_000, 2_000_000] {
        info!("outer {length} {}", Large(length));
        let (mut messages, gaps) = drained(&ring);
        messages.sort();
        assert_eq!(gaps, []);
        let [formatted, large, outer] = &messages[..] else { panic!("{} messages", messages.len()) };
        assert_eq!(formatted.len(), "formatted ".len() + length);
        assert_eq!(large, &format!("large {length} {}", "y".repeat(length)));
        assert_eq!(outer, &format!("outer {length} n"));
    }
    assert_eq!(ring.observe().unwrap().stat().unwrap().dropped, 4);
}
