//! The protocol between producers and consumer: what arrives, in which order, and what a full ring does.

#[cfg(target_arch = "x86_64")]
mod acknowledge;
mod arrival;
mod cursor;
mod definitions;
mod flush;
mod golden;
mod lanes;
mod level_changes;
mod levels;
mod looking;
mod overflow;
#[cfg(target_arch = "x86_64")]
mod queue;

/// The program that plays the other process.
const PRODUCER: &str = env!("CARGO_BIN_EXE_ringlog-test-producer");
