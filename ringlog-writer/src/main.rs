//! The daemon `ringlog-writer`: takes records out of a ring and writes them to a file.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "ringlog-writer", version)]
struct Arguments {
    #[command(flatten)]
    writer: ringlog_writer::cli::WriterArgs,
}

fn main() -> ExitCode {
    ringlog_writer::cli::main(ringlog_writer::cli::parse::<Arguments>().writer)
}
