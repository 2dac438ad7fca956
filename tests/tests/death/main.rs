//! Owners that die or stand still: what they published arrives, what they held comes back, and their death is reported.

mod accounting;
mod causes;
mod deaths;
#[cfg(target_arch = "x86_64")]
mod emptying;
#[cfg(target_arch = "x86_64")]
mod killed;
mod kills;
mod proof_of_death;
mod queue;
mod reclaim;
#[cfg(target_arch = "x86_64")]
mod stopped;
mod strangers;

/// The program that plays the other process.
const PRODUCER: &str = env!("CARGO_BIN_EXE_ringlog-test-producer");
