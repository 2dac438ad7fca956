//! What the tests across processes share: rings of their own, records that prove themselves, and
//! children that log.

mod child;
mod counter;
mod fork;
mod record;
mod scratch;
#[cfg(target_arch = "x86_64")]
mod stepper;

pub use child::{Child, SOON, wait_for_end};
pub use counter::Counters;
pub use fork::fork_child;
pub use record::{Alarm, Arrivals, Flood, Kind, Proof, Sequenced, checksum, note, note_of};
pub use scratch::{Scratch, drained, free_blocks_after, received, soon, stat};
#[cfg(target_arch = "x86_64")]
pub use stepper::{Path, Stepped, marker};

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
