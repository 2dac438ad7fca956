//! What the tests across processes share: rings of their own, records that prove themselves, and
//! children that log.

mod child;
mod counter;
mod namespace;
mod record;
mod scratch;
mod second_copy;

pub use child::{Child, SOON};
pub use counter::Counters;
pub use namespace::in_namespaces;
pub use record::{Alarm, Arrivals, Flood, Kind, Proof, Sequenced, note};
pub use scratch::{Scratch, free_blocks_after, lanes, stat, wait_for_lanes};
pub use second_copy::SecondCopy;

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
