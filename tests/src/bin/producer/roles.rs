//! What the helper process can be.

mod defining;
mod ending;
mod forking;
mod handlers;
mod leaving;
mod levels;
mod limited;
mod queueing;
mod restricted;
mod standing;
#[cfg(target_arch = "x86_64")]
mod stepped;
mod truncated;

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringlog::{Logger, PushError, Ring};
use ringlog_testkit::Counters;
use ringlog_tests::{Alarm, Flood, Kind, Proof, Sequenced, note};

use crate::{Arguments, ready};

pub(crate) use defining::define;
pub(crate) use ending::{children, end};
pub(crate) use forking::{fork, fork_while_logging, fork_while_opening, orphans};
pub(crate) use handlers::interrupt_new_threads;
pub(crate) use leaving::{ending, late, reborn, without_destructors};
pub(crate) use levels::{ask_gates, ask_without_system_call, change_levels, fork_and_ask};
pub(crate) use limited::{full_tmpfs, limited, without_descriptors};
pub(crate) use queueing::{claim_endlessly, fork_a_getter, get_at_words, get_endlessly, put_endlessly};
#[cfg(target_arch = "x86_64")]
pub(crate) use queueing::{get_between_markers, put_between_markers};
pub(crate) use restricted::{
    log_without_system_call, push_between_markers, push_where_only_exit_is_allowed, push_without_system_call,
};
pub(crate) use standing::{stand, witness};
#[cfg(target_arch = "x86_64")]
pub(crate) use stepped::{acknowledge, empty, pass_closed_gates, step};
pub(crate) use truncated::{foreign_sigbus, until_gone};

/// Pushes record `sequence` of `producer`.
pub(crate) fn push(log: &Logger, producer: u32, sequence: u64, long_every: u64) -> Result<(), PushError> {
    log.push(&Sequenced::new(producer, sequence, note(sequence, long_every)))
}

/// `count` records from each of `threads` threads, which are producers `producer`, `producer + 1`, ….
/// Prints how many were published and how many refused. Sequences count what was sent.
pub(crate) fn sequence(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let (first, threads) = (arguments.number("producer", 0) as u32, arguments.number("threads", 1) as u32);
    let (count, long_every) = (arguments.number("count", 1000), arguments.number("long_every", 0));
    ready();
    let (published, dropped) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for producer in first..first + threads {
            let (log, published, dropped) = (&log, &published, &dropped);
            scope.spawn(move || {
                let refused =
                    (0..count).filter(|n| push(log, producer, *n, long_every).is_err()).count() as u64;
                published.fetch_add(count - refused, Ordering::Relaxed);
                dropped.fetch_add(refused, Ordering::Relaxed);
            });
        }
    });
    println!("{} {}", published.into_inner(), dropped.into_inner());
}

/// As `sequence`, for ever: it is going to be killed. Each published record is counted in the file
/// `counters` at once.
pub(crate) fn endless(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let counters = Counters::open(Path::new(arguments.text("counters").unwrap()));
    let (first, threads) = (arguments.number("producer", 0) as u32, arguments.number("threads", 1) as u32);
    let long_every = arguments.number("long_every", 0);
    ready();
    std::thread::scope(|scope| {
        for producer in first..first + threads {
            let (log, counters) = (&log, &counters);
            scope.spawn(move || {
                for sequence in 0.. {
                    push(log, producer, sequence, long_every).unwrap();
                    counters.set(producer - first, sequence + 1);
                }
            });
        }
    });
}

/// DEBUG records with a WARN for every hundredth. Prints published and refused DEBUG, then the same
/// for WARN. Each level counts its own sequence of what was published.
pub(crate) fn flood(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let (producer, count) = (arguments.number("producer", 0) as u32, arguments.number("count", 1000));
    ready();
    let mut published = [0_u64; 2];
    let mut refused = [0_u64; 2];
    for n in 0..count {
        let urgent = usize::from(n % 100 == 99);
        let sequence = published[urgent];
        let text = note(sequence, 0);
        let pushed = if urgent == 1 {
            log.push(&Alarm::new(producer + 1, sequence, text))
        } else {
            log.push(&Flood::new(producer, sequence, text))
        };
        match pushed {
            Ok(()) => published[urgent] += 1,
            Err(PushError::Full) => refused[urgent] += 1,
            Err(other) => panic!("{other}"),
        }
    }
    println!("{} {} {} {}", published[0], refused[0], published[1], refused[1]);
}

/// `threads` threads that all have their lanes at the same time, before the first logs and until the
/// last has.
pub(crate) fn many_lanes(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let (first, threads) = (arguments.number("producer", 0) as u32, arguments.number("threads", 1) as u32);
    let count = arguments.number("count", 100);
    let barrier = Barrier::new(threads as usize + 1);
    std::thread::scope(|scope| {
        for producer in first..first + threads {
            let (log, barrier) = (&log, &barrier);
            scope.spawn(move || {
                log.open_lane().unwrap();
                barrier.wait();
                barrier.wait();
                (0..count).for_each(|sequence| push(log, producer, sequence, 0).unwrap());
                barrier.wait();
            });
        }
        barrier.wait();
        ready();
        barrier.wait();
        barrier.wait();
    });
}

/// `count` records in bursts with pauses, as a program logs that also does something else.
pub(crate) fn paced(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let (producer, count) = (arguments.number("producer", 0) as u32, arguments.number("count", 1000));
    ready();
    for sequence in 0..count {
        push(&log, producer, sequence, 0).unwrap();
        if sequence % 64 == 63 {
            std::thread::sleep(Duration::from_micros(200 + u64::from(producer) * 70));
        }
    }
}

/// Drains for ever: it is going to be killed. Writes `producer sequence` to the file `out` with one
/// write for each batch, then acknowledges, then writes down that it has.
pub(crate) fn consume(name: &str, arguments: &Arguments) {
    use std::io::Write;
    let ring = Ring::open(name).unwrap();
    let mut consumer = ring.consumer().unwrap();
    let mut out =
        std::fs::File::options().append(true).create(true).open(arguments.text("out").unwrap()).unwrap();
    ready();
    let batch_size = arguments.number("batch", 100);
    let mut batch = String::new();
    loop {
        batch.clear();
        for _ in 0..batch_size {
            let Some(entry) = consumer.next(Duration::from_millis(2)).unwrap() else { break };
            let Proof { producer, sequence } = Proof::of(&entry).unwrap_or_else(|| panic!("{entry}"));
            batch.push_str(&format!("{producer} {sequence}\n"));
        }
        if batch.is_empty() {
            continue;
        }
        out.write_all(batch.as_bytes()).unwrap();
        consumer.ack().unwrap();
        out.write_all(b"acknowledged\n").unwrap();
    }
}
