//! Everything that threads of one process do to a ring at the same time. `cargo x races` runs it under
//! ThreadSanitizer; as a plain test it shows that nothing is lost meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringlog::reader::Observer;
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Logger, Overflow, Ring};
use ringlog_testkit::{SOON, Scratch};
use ringlog_tests::{Arrivals, CreateRing, Kind, Sequenced, note};

/// Threads that log at the same time, how often each is followed by another one, and records of each.
const THREADS: u32 = 3;
const ROUNDS: u32 = 12;
const COUNT: u64 = 400;

fn main() {
    // Made before there are threads: the standard library orders that, where no sanitizer sees it.
    note(0, 0);
    threads_that_log_are_drained_while_lanes_change_hands();
    threads_register_the_same_sites_at_once();
    println!("races: {} lanes changed hands", THREADS * ROUNDS);
}

fn ring(at: &Scratch) -> Ring {
    at.create(Ring::options().size("128KiB").block_bytes(1024).lanes(6).overflow(Overflow::Block(SOON)))
}

/// Producers follow each other on the same lanes while a consumer drains a ring of a few laps' size.
fn threads_that_log_are_drained_while_lanes_change_hands() {
    let at = Scratch::new();
    let ring = ring(&at);
    let ended = Arc::new(AtomicBool::new(false));
    let consumer = {
        let (ring, ended) = (ring.clone(), ended.clone());
        std::thread::spawn(move || drain(&ring, &ended))
    };
    for round in 0..ROUNDS {
        let producers = (0..THREADS).map(|thread| {
            let log = ring.logger();
            std::thread::spawn(move || log_all(&log, round * THREADS + thread))
        });
        // All are started before the first is waited for.
        let producers: Vec<_> = producers.collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
    }
    ended.store(true, Ordering::Release);
    let arrivals = consumer.join().unwrap();
    assert_eq!(arrivals.total(), u64::from(THREADS * ROUNDS) * COUNT);
}

fn log_all(log: &Logger, producer: u32) {
    for sequence in 0..COUNT {
        log.push(&Sequenced::new(producer, sequence, note(sequence, 37))).unwrap();
    }
    log.flush(SOON).unwrap();
}

fn drain(ring: &Ring, ended: &AtomicBool) -> Arrivals {
    let mut consumer = ring.consumer().unwrap();
    let mut arrivals = Arrivals::default();
    loop {
        let last = ended.load(Ordering::Acquire);
        while let Some(entry) = consumer.next(Duration::from_millis(1)).unwrap() {
            arrivals.take(&entry);
            if arrivals.total().is_multiple_of(20) {
                consumer.ack().unwrap();
            }
        }
        consumer.ack().unwrap();
        if last && consumer.is_drained().unwrap() {
            return arrivals;
        }
    }
}

/// Sites that several threads log from for the first time at the same moment.
fn threads_register_the_same_sites_at_once() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").block_bytes(1024).lanes(6));
    let sites: Arc<Vec<Site>> = Arc::new((0..40).map(|_| site()).collect());
    let loggers = (0..THREADS).map(|thread| {
        let (log, sites) = (ring.logger(), sites.clone());
        std::thread::spawn(move || {
            for (number, site) in (0..).zip(sites.iter()) {
                log.values(site, &[Value::U64(thread.into()), Value::U64(number)]).unwrap();
            }
        })
    });
    let loggers: Vec<_> = loggers.collect();
    loggers.into_iter().for_each(|logger| logger.join().unwrap());
    let seen = Observer::open(at.name()).unwrap().poll().unwrap();
    assert_eq!(seen.len(), THREADS as usize * sites.len());
    assert!(seen.iter().all(|entry| entry.entry().message().starts_with("thread=")));
}

fn site() -> Site {
    let fields = vec![Field::new("thread", Type::U32), Field::new("number", Type::U32)];
    Site::new(Definition { fields: fields.into(), ..Definition::new(Level::INFO, "races") })
}
