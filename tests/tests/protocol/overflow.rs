//! A full ring: which records are refused, which wait, and what that costs.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use ringlog::reader::{Body, Consumer, Entry};
use ringlog::{Level, Logger, Overflow, PushError, Ring};
use ringlog_testkit::{SOON, Scratch};
use ringlog_tests::{CreateRing, Kind, Sequenced, note};

/// A ring in which nothing more fits, not even what is urgent.
fn full(at: &Scratch) -> (Ring, Logger) {
    let ring = at.create(Ring::options().size("64KiB").block_bytes(1024).lanes(4));
    let log = ring.logger();
    while log.text(Level::WARN, "", "urgent").is_ok() {}
    (ring, log)
}

#[test]
fn a_refused_long_record_leaves_its_room_to_short_ones() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("64KiB").block_bytes(1024).lanes(2));
    let log = ring.logger();
    let limit = ring.info().geometry().record_limit();
    let long = vec![b'x'; limit - 100];
    let mut long_ones = 0;
    while log.text(Level::INFO, "", &long).is_ok() {
        long_ones += 1;
    }
    assert_eq!(log.text(Level::INFO, "", &long), Err(PushError::Full));
    assert!(long_ones >= 2);
    // Less than a long record's room is free, but much more than a short one's.
    let short = (0..50).filter(|_| log.text(Level::INFO, "", "short").is_ok()).count();
    assert_eq!(short, 50);
}

#[test]
fn the_first_record_of_a_site_waits_for_room_too() {
    let at = Scratch::new();
    let (ring, log) = full(&at);
    let patient = log.with_overflow(Overflow::Block(SOON));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| patient.push(&Sequenced::new(0, 0, note(5, 0))));
        std::thread::sleep(Duration::from_millis(50));
        let mut consumer = ring.consumer().unwrap();
        while consumer.next(Duration::from_millis(100)).unwrap().is_some() {
            consumer.ack().unwrap();
        }
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_producer_that_waits_for_room_sleeps() {
    let cpu = || {
        getrusage(UsageWho::RUSAGE_THREAD)
            .map(|u| u.user_time().num_microseconds() + u.system_time().num_microseconds())
            .unwrap()
    };
    let at = Scratch::new();
    let (ring, log) = full(&at);
    let patience = Duration::from_millis(300);
    let patient = log.clone().with_overflow(Overflow::Block(patience));
    // Some room, but less than what waits needs.
    let mut consumer = ring.consumer().unwrap();
    for _ in 0..60 {
        consumer.next(SOON).unwrap().unwrap();
    }
    consumer.ack().unwrap();
    let long = vec![b'x'; ring.info().geometry().record_limit() - 100];
    let (before, began) = (cpu(), Instant::now());
    assert_eq!(patient.text(Level::WARN, "", &long), Err(PushError::Full));
    assert!(began.elapsed() >= patience);
    let spent = cpu() - before;
    assert!(spent < 60_000, "{spent} µs of processor time in {patience:?}");
}

#[test]
fn a_flood_that_is_drained_too_slowly_leaves_room_for_warnings() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").block_bytes(4096));
    let log = ring.logger();
    let mut consumer = ring.consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    let (mut refused, mut warnings) = (0, 0);
    for _ in 0..3_000 {
        // Ten times as much as is drained. Every block that comes free is taken at once by the flood.
        for n in 0..600 {
            if n % 100 == 99 {
                log.text(Level::WARN, "", "warning").unwrap();
                warnings += 1;
            } else {
                refused += u64::from(log.text(Level::DEBUG, "", "flood").is_err());
            }
        }
        for _ in 0..60 {
            consumer.next(Duration::ZERO).unwrap();
        }
        consumer.ack().unwrap();
    }
    assert_eq!(warnings, 3_000 * 6);
    assert!(refused > 1_000_000, "{refused}");
}

/// Drains, and says of each gap whose it is and how many records are missing.
fn gaps(consumer: &mut Consumer) -> BTreeMap<String, (u32, u32, u64)> {
    let mut gaps = BTreeMap::new();
    let deadline = Instant::now() + SOON;
    while !consumer.is_drained().unwrap() && Instant::now() < deadline {
        while let Some(entry) = consumer.next(Duration::from_millis(50)).unwrap() {
            if let Entry { origin, body: Body::Gap(gap), .. } = entry {
                assert!(origin.is_known(), "{gap} is reported for a thread without a lane");
                let reported = gaps.insert(origin.thread.clone(), (origin.pid, origin.tid, gap.count));
                assert_eq!(reported, None, "a gap of {origin:?} was reported twice");
            }
        }
        consumer.ack().unwrap();
    }
    gaps
}

#[test]
fn a_gap_names_a_thread_none_of_whose_records_fitted() {
    let at = Scratch::new();
    let (ring, log) = full(&at);
    let refused = |name: &str, count: u64| {
        let log = log.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            log.open_lane().unwrap();
            (0..count).for_each(|_| assert_eq!(log.text(Level::INFO, "", "refused"), Err(PushError::Full)));
            (std::process::id(), nix::unistd::gettid().as_raw() as u32, count)
        });
        thread.unwrap().join().unwrap()
    };
    let first = refused("first", 7);
    assert_eq!(gaps(&mut ring.consumer().unwrap()).get("first"), Some(&first));
    // The lane gets another owner; a consumer that has seen neither of them names the right one.
    while log.text(Level::WARN, "", "urgent").is_ok() {}
    let second = refused("second", 3);
    let reported = gaps(&mut ring.consumer().unwrap());
    assert_eq!((reported.get("first"), reported.get("second")), (None, Some(&second)));
    // Of two owners at once the earlier one's name is not known any more, but his lane is.
    while log.text(Level::WARN, "", "urgent").is_ok() {}
    refused("third", 5);
    let fourth = refused("fourth", 2);
    let reported = gaps(&mut ring.consumer().unwrap());
    assert_eq!((reported.get(""), reported.get("fourth")), (Some(&(0, 0, 5)), Some(&fourth)));
}

#[test]
fn an_idle_thread_in_the_reserve_keeps_no_other_from_logging() {
    const STANDING: usize = 6;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("64KiB").block_bytes(1024).lanes(STANDING as u32 + 2));
    let log = ring.logger();
    while log.text(Level::INFO, "", "flood").is_ok() {}
    let (opened, done) = (Barrier::new(STANDING + 1), Barrier::new(STANDING + 1));
    std::thread::scope(|scope| {
        for _ in 0..STANDING {
            scope.spawn(|| {
                log.text(Level::WARN, "", "takes a reserved block").unwrap();
                opened.wait();
                done.wait();
            });
        }
        opened.wait();
        let mut consumer = ring.consumer().unwrap();
        let mut drain = || {
            while consumer.next(Duration::from_millis(20)).unwrap().is_some() {}
            consumer.ack().unwrap();
        };
        drain();
        // The ring is as good as empty. Twice round it, with a warning now and then.
        let refused = (0..100).map(|round| {
            drain();
            let level = if round % 10 == 0 { Level::WARN } else { Level::INFO };
            (0..10).filter(|_| log.text(level, "", "quiet times").is_err()).count()
        });
        let refused: usize = refused.sum();
        done.wait();
        assert_eq!(refused, 0, "of 1000 records");
    });
}
