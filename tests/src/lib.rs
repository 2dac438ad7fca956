//! What the tests across processes share: rings of their own, records that prove themselves, and
//! children that log.

use std::sync::atomic::{AtomicUsize, Ordering};

mod child;
mod counter;
mod fork;
mod namespace;
mod record;
mod scratch;
mod second_copy;
mod statements;
#[cfg(target_arch = "x86_64")]
mod stepper;
#[cfg(target_arch = "x86_64")]
mod system_calls;
mod writing;

pub use child::{Child, SOON, wait_for_end};
pub use counter::Counters;
pub use fork::fork_child;
pub use namespace::in_namespaces;
pub use record::{Alarm, Arrivals, Flood, Kind, Proof, Sequenced, checksum, note, note_of};
pub use scratch::{Scratch, drained, free_blocks_after, lanes, received, soon, stat, wait_for_lanes};
pub use second_copy::SecondCopy;
pub use statements::{BINARY, FORMATTED, Given, Statements};
#[cfg(target_arch = "x86_64")]
pub use stepper::{Path, Stepped, marker};
#[cfg(target_arch = "x86_64")]
pub use system_calls::{Call, Ended, Fate, Kill, run_deciding};
pub use writing::{Lines, Writing, program};

/// How many of a test's cases run at a time.
const CASES_AT_A_TIME: usize = 3;

/// The gates that the helper process asks: logger and level.
pub const GATES: [(&str, ringlog::Level); 5] = [
    ("db", ringlog::Level::DEBUG),
    ("db.pool", ringlog::Level::DEBUG),
    ("db::query", ringlog::Level::TRACE),
    ("dbx", ringlog::Level::DEBUG),
    ("http", ringlog::Level::INFO),
];

/// Runs all cases, several at a time: those that start processes mostly wait for them.
pub fn run_cases<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CASES_AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(case);
                }
            });
        }
    });
}

/// A small random generator whose seed makes a failing run repeatable.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        // Xorshift: good enough to scatter the moments at which processes are killed.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
