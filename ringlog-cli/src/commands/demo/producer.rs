//! One of the demo's producers: a process of its own.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use ringlog::{Record, Ring};

use crate::exit_code;

/// A record with a checksum over its other fields.
#[derive(Record)]
#[record(level = "info", logger = "demo")]
struct Fill {
    producer: u32,
    sequence: u64,
    price: u64,
    checksum: u64,
}

/// The checksum of a record's fields. A mixture of two records has another one.
pub fn checksum(producer: u32, sequence: u64, price: u64) -> u64 {
    // The finisher of SplitMix64, by Sebastiano Vigna: every bit of the input moves half of the output's.
    let mix = |mut word: u64| {
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    };
    mix(mix(mix(u64::from(producer) + 1) ^ sequence) ^ price)
}

/// The price in record `sequence`: it only has to look like one.
fn price(sequence: u64) -> u64 {
    10_000 + sequence.wrapping_mul(7_919) % 997
}

/// Logs the demo's records; started by the demo itself.
#[derive(Args)]
pub struct Producer {
    ring: String,
    #[arg(long)]
    producer: u32,
    #[arg(long)]
    records: u64,
}

impl Producer {
    pub fn run(self) -> exit_code::CommandResult {
        let log = Ring::open(&self.ring)?.logger();
        log.open_lane()?;
        let producer = self.producer;
        for sequence in 0..self.records {
            let price = price(sequence);
            let fill = Fill { producer, sequence, price, checksum: checksum(producer, sequence, price) };
            log.push(&fill).with_context(|| format!("producer {producer} at record {sequence}"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
