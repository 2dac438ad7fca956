//! The writer and its outputs: each record exactly once, whatever is killed or refused.

#[cfg(target_arch = "x86_64")]
mod configured_exactly_once;
#[cfg(target_arch = "x86_64")]
mod every_output;
#[cfg(target_arch = "x86_64")]
mod exactly_once;
mod full_disk;
#[cfg(target_arch = "x86_64")]
mod hanging_disk;
#[cfg(target_arch = "x86_64")]
mod idle;
#[cfg(target_arch = "x86_64")]
mod meddling;
mod restart;
#[cfg(target_arch = "x86_64")]
mod rotated_exactly_once;
#[cfg(target_arch = "x86_64")]
mod trouble;
#[cfg(target_arch = "x86_64")]
mod unsynced;
#[cfg(target_arch = "x86_64")]
mod writer_under_load;

/// The program that plays the other process.
const PRODUCER: &str = env!("CARGO_BIN_EXE_ringlog-test-producer");
