//! Little memory, few descriptors, no allocation, no system call.

mod allocations;
mod definitions;
mod resources;
mod system_calls;

/// The program that plays the other process.
const PRODUCER: &str = env!("CARGO_BIN_EXE_ringlog-test-producer");

/// Counts the allocations of each thread, for all tests of this program.
#[global_allocator]
static ALLOCATOR: ringlog_testkit::CountingAllocator = ringlog_testkit::CountingAllocator;
