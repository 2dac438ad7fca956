//! A ring whose file is truncated while processes use it.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use ringlog::reader::{Consumer, Observer};
use ringlog::{Error, Level, Overflow, Ring};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{Arrivals, CreateRing};

use crate::PRODUCER;

const BYTES: u64 = 256 << 10;
/// Enough to reach far into the second half of the ring.
const RECORDS: usize = 2500;

fn ring(at: &Scratch) -> Ring {
    ringlog::survive_truncation().unwrap();
    at.create(Ring::options().size(BYTES).block_bytes(2048).overflow(Overflow::Block(SOON)))
}

fn set_size(at: &Scratch, bytes: u64) {
    File::options().write(true).open(at.name()).unwrap().set_len(bytes).unwrap();
}

/// Drains until that is an error, at which everything so far has been whole and in order.
fn drain_to_error(consumer: &mut Consumer, arrivals: &mut Arrivals) -> Error {
    let until = Instant::now() + SOON;
    while Instant::now() < until {
        match consumer.next(Duration::from_millis(5)) {
            Ok(Some(entry)) => drop(arrivals.take(&entry)),
            Ok(None) => {}
            Err(error) => return error,
        }
        if arrivals.total().is_multiple_of(50)
            && let Err(error) = consumer.ack()
        {
            return error;
        }
    }
    panic!("the consumer never noticed");
}

fn message(at: &Scratch, ring: &Ring, found: u64) -> String {
    let bytes = ring.info().geometry().file_bytes();
    format!(
        "{} was lost while in use: it was truncated to {found} of its {bytes} bytes; records in it that were not \
         persisted are lost; remove the file and make the ring anew",
        at.name()
    )
}

#[test]
fn producer_and_consumer_survive_a_truncated_ring() {
    let mut rounds = 0;
    for size in [0, 1, 4096, 12_288, BYTES / 2, BYTES - 40_000] {
        for delay_us in [0, 900, 20_000] {
            let at = Scratch::new();
            let ring = ring(&at);
            let mut consumer = ring.consumer().unwrap();
            let mut child = Child::spawn(PRODUCER, &["until-gone", at.name(), "block_ms=30000"]);
            child.wait_ready();
            child.go();
            let mut arrivals = Arrivals::default();
            while arrivals.total() < 500 {
                arrivals.take(&consumer.next(SOON).unwrap().expect("more records"));
                consumer.ack().unwrap();
            }
            let (path, delay) = (at.name().to_owned(), Duration::from_micros(delay_us));
            let truncating = std::thread::spawn(move || {
                std::thread::sleep(delay);
                File::options().write(true).open(path).unwrap().set_len(size).unwrap();
            });
            let error = drain_to_error(&mut consumer, &mut arrivals);
            truncating.join().unwrap();
            assert_eq!(error.to_string(), message(&at, &ring, size));
            assert_eq!(consumer.ack().unwrap_err().to_string(), error.to_string());
            let published: u64 = child.line().parse().unwrap();
            assert!(arrivals.of(0) <= published && published > 0);
            assert_eq!(child.line(), error.to_string());

            // As good as new: the file removed, the ring made again.
            drop((consumer, ring));
            ringlog::admin::remove(at.name(), true)
                .or_else(|_| std::fs::remove_file(at.name()).map(|()| "".into()))
                .unwrap();
            let ring = self::ring(&at);
            child.go();
            assert_eq!(child.finish(), [100]);
            let (mut consumer, mut arrivals) = (ring.consumer().unwrap(), Arrivals::default());
            while arrivals.of(1) < 100 {
                arrivals.take(&consumer.next(SOON).unwrap().expect("more records"));
            }
            rounds += 1;
        }
    }
    println!("{rounds} truncations under a producer and a consumer at work");
}

#[test]
fn a_producer_of_a_removed_ring_gets_the_error_again() {
    let at = Scratch::new();
    let _ring = at.create(Ring::options().size(BYTES));
    let mut child = Child::spawn(PRODUCER, &["until-gone", at.name()]);
    child.wait_ready();
    ringlog::admin::remove(at.name(), true).unwrap();
    child.go();
    child.line();
    assert_eq!(child.line(), format!("no ring \"ring\" in {}", at.path().display()));
}

#[test]
fn without_the_guard_a_producer_is_killed_by_sigbus() {
    let at = Scratch::new();
    let _ring = ring(&at);
    let mut child = Child::spawn(PRODUCER, &["until-gone", at.name(), "guard=0"]);
    child.wait_ready();
    set_size(&at, 0);
    child.go();
    assert_eq!(child.wait().signal(), Some(libc::SIGBUS));
}

#[test]
fn an_observer_of_a_truncated_ring_says_so() {
    // The last cut is behind all that was ever written: only the length of the file shows that.
    for size in [0, 4096, BYTES / 2, BYTES - 10_000] {
        let at = Scratch::new();
        let ring = ring(&at);
        let log = ring.logger();
        (0..RECORDS).for_each(|n| log.text(Level::INFO, "", format!("{n}")).unwrap());
        let mut early = Observer::open(at.name()).unwrap();
        assert_eq!(early.poll().unwrap().len(), RECORDS);
        let (mut polling, asking) = (ring.observe().unwrap(), ring.observe().unwrap());
        set_size(&at, size);
        let expected = message(&at, &ring, size);
        assert_eq!(asking.stat().unwrap_err().to_string(), expected);
        assert_eq!(polling.poll().unwrap_err().to_string(), expected);
        let flushed = log.flush(Duration::from_millis(1)).unwrap_err();
        assert!(matches!(flushed, Error::Truncated { .. } | Error::FlushTimeout { .. }), "{flushed}");
        drop(ring);
    }
}

#[test]
fn a_flush_never_calls_persisted_what_was_truncated() {
    // What lies behind a cut in the same page reads zero without a fault: some cuts show only in the length of the
    // file.
    let (mut noticed, mut waited) = (0, 0);
    for size in (0..32_000).step_by(777) {
        let at = Scratch::new();
        let ring = ring(&at);
        let log = ring.logger();
        log.text(Level::INFO, "", "here today").unwrap();
        set_size(&at, size);
        match log.flush(Duration::from_millis(1)).unwrap_err() {
            Error::FlushTimeout { .. } => waited += 1,
            error => {
                assert_eq!(error.to_string(), message(&at, &ring, size));
                noticed += 1;
            }
        }
    }
    let at = Scratch::new();
    let ring = ring(&at);
    let log = ring.logger();
    log.text(Level::INFO, "", "here today").unwrap();
    set_size(&at, 0);
    std::fs::remove_file(at.name()).unwrap();
    let bytes = ring.info().geometry().file_bytes();
    let lost = log.flush(SOON).unwrap_err().to_string();
    assert!(
        lost.contains(&format!("it was truncated from {bytes} bytes, then removed or replaced")),
        "{lost}"
    );
    println!("{noticed} cuts noticed by a flush, {waited} behind what it looks at");
    assert!(noticed > 0 && waited > 0);
}

#[test]
fn a_ring_whose_file_grows_goes_on() {
    let at = Scratch::new();
    let ring = ring(&at);
    let mut consumer = ring.consumer().unwrap();
    let log = ring.logger();
    set_size(&at, 4 * BYTES);
    for n in 0..5_000 {
        log.text(Level::INFO, "", format!("{n}")).unwrap();
        let entry = consumer.next(SOON).unwrap().expect("a record");
        assert_eq!(entry.message(), n.to_string());
        consumer.ack().unwrap();
    }
    assert_eq!(Observer::open(at.name()).unwrap().stat().unwrap().published, 5_000);
}

#[test]
fn a_foreign_sigbus_goes_to_the_previous_handler() {
    let (killed, handled) = ((Some(libc::SIGBUS), None), (None, Some(42)));
    for (before, sent, expected) in [
        ("default", 0, killed),
        ("default", 1, killed),
        ("ignore", 0, killed),
        ("ignore", 1, (None, Some(0))),
        ("handler", 0, handled),
        ("handler", 1, handled),
        ("detailed", 0, handled),
        ("detailed", 1, (None, Some(1))),
    ] {
        let at = Scratch::new();
        let _ring = ring(&at);
        let (before, sent) = (format!("before={before}"), format!("sent={sent}"));
        let mut child = Child::spawn(PRODUCER, &["foreign-sigbus", at.name(), &before, &sent]);
        child.wait_ready();
        child.go();
        let status = child.wait();
        assert_eq!((status.signal(), status.code()), expected, "{before} {sent}");
    }
}
