//! What a process may do to itself: fork, take signals, end in unusual ways, lose its ring.

mod endings;
mod fork;
#[cfg(target_arch = "x86_64")]
mod forked;
mod handlers;
mod left;
mod names;
mod one_process;
mod privileged;
#[cfg(target_arch = "x86_64")]
mod signals;
mod truncated;
mod unfit;

/// The program that plays the other process.
const PRODUCER: &str = env!("CARGO_BIN_EXE_ringlog-test-producer");
