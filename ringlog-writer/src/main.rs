//! The daemon `ringlog-writer`: takes records out of a ring and writes them to a file.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::process::ExitCode;

use clap::Parser;
use ringlog_writer::cli;

#[derive(Parser)]
#[command(name = "ringlog-writer", version)]
struct Arguments {
    #[command(flatten)]
    writer: cli::WriterArgs,
}

fn main() -> ExitCode {
    let signals = cli::handle_signals();
    let arguments: Arguments = cli::parse(Some(&signals));
    cli::main(arguments.writer, signals)
}
