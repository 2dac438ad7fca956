//! A flush says what it knows.

use std::time::Duration;

use ringlog::{Error, Level, Ring};
use ringlog_testkit::{SOON, Scratch};
use ringlog_tests::CreateRing;

/// The message of a flush in vain, the milliseconds it names taken out and checked.
fn refusal(result: Result<(), Error>, at_least_ms: u64) -> String {
    let message = result.unwrap_err().to_string();
    let (before, rest) = message.split_once(" ms").unwrap();
    let (before, waited) = before.rsplit_once(' ').unwrap();
    let waited: u64 = waited.parse().unwrap();
    assert!((at_least_ms..at_least_ms + 5_000).contains(&waited), "{message}");
    format!("{before} N ms{rest}")
}

#[test]
fn flush_waits_until_persisted() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB"));
    let log = ring.logger();
    for round in 0..20 {
        // Records of an ended thread, of another living one, and of this one.
        let other = log.clone();
        std::thread::spawn(move || other.text(Level::INFO, "", "ended").unwrap()).join().unwrap();
        for _ in 0..round * 100 {
            log.text(Level::INFO, "", "mine").unwrap();
        }
        let expected = 1 + round * 100;
        let persisted = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut consumer = ring.consumer().unwrap();
                for n in 1..=expected {
                    consumer.next(SOON).unwrap().expect("a record");
                    if n % 50 == 0 || n == expected {
                        // Between taking out and acknowledging nothing may be called persisted.
                        std::thread::sleep(Duration::from_micros(300));
                        persisted.store(n, std::sync::atomic::Ordering::SeqCst);
                        consumer.ack().unwrap();
                    }
                }
            });
            log.flush(SOON).unwrap();
            assert_eq!(persisted.load(std::sync::atomic::Ordering::SeqCst), expected);
        });
    }
}

#[test]
fn flush_fails_without_a_consumer() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB"));
    let log = ring.logger();
    log.flush(Duration::ZERO).unwrap();
    log.text(Level::INFO, "", "waits").unwrap();
    let message = refusal(log.flush(Duration::from_millis(30)), 30);
    assert_eq!(message, "not persisted within N ms: no consumer drains the ring");
    let mut consumer = ring.consumer().unwrap();
    let message = refusal(log.flush(Duration::from_millis(30)), 30);
    assert_eq!(message, "not persisted within N ms: the consumer is behind");
    consumer.next(SOON).unwrap().unwrap();
    consumer.ack().unwrap();
    log.flush(Duration::ZERO).unwrap();
}

#[test]
fn flush_waits_for_an_ended_thread_whose_lane_another_has_taken() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB"));
    let log = ring.logger();
    let first = log.clone();
    std::thread::spawn(move || first.text(Level::INFO, "", "ended").unwrap()).join().unwrap();
    // Takes the same lane, and logs nothing.
    log.open_lane().unwrap();
    assert!(log.flush(Duration::from_millis(30)).is_err());
    let mut consumer = ring.consumer().unwrap();
    assert_eq!(consumer.next(SOON).unwrap().unwrap().message(), "ended");
    consumer.ack().unwrap();
    log.flush(Duration::ZERO).unwrap();
}
