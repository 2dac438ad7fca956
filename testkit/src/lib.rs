//! Tools for tests: directories of their own, child processes, tracing, and random numbers that repeat.
//!
//! Nothing here knows ringlog, so that the tests of every package can use it, those of the core too.

mod allocations;
mod child;
mod counter;
mod extent;
mod fork;
mod namespace;
mod random;
mod scratch;
#[cfg(target_arch = "x86_64")]
mod stepper;
mod stranger;
#[cfg(target_arch = "x86_64")]
mod system_calls;
mod waiting;

pub use allocations::CountingAllocator;
pub use child::{Child, ENDLESS, wait_for_end};
pub use counter::Counters;
pub use extent::{Extent, run_cases};
pub use fork::fork_child;
pub use namespace::in_namespaces;
pub use random::Random;
pub use scratch::Scratch;
#[cfg(target_arch = "x86_64")]
pub use stepper::{Path, Stepped, marker};
pub use stranger::{Stranger, as_stranger};
#[cfg(target_arch = "x86_64")]
pub use system_calls::{Call, Ended, Fate, Kill, run_deciding, run_deciding_below};
pub use waiting::{SOON, eventually, soon};
