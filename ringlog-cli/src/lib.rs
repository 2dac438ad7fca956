//! `ringlog`: looks into rings, puts records into them, and runs programs that log into them.
//!
//! A subcommand is one file in `commands`, with its options and its `run`. Looking never disturbs: what
//! only looks maps the ring read-only.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod commands;
mod exit_code;
#[cfg(fuzzing)]
pub mod fuzzing;
mod humanize;
pub mod import;
mod line_reader;
mod option_values;
mod terminal;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use commands::Command;

const AFTER_HELP: &str = "\
NAME means $RINGLOG_DIR/NAME, by default /dev/shm/ringlog-<uid>/NAME;
`.` means $RINGLOG, an absolute path that `ringlog run` sets;
anything with a slash is a path. A ring on a disk works the same.

Data goes to standard output, messages go to standard error.

Exit codes:
  0  ok
  1  failed
  2  usage
  3  incomplete: records were cut or did not arrive, or `verify` found some missing
  4  no such ring
  5  timed out, or nothing there
`run` exits as its command did, with 128+N if signal N killed it, and with 125, 126 or 127 if the
command could not be run to its end.";

/// Shared-memory logging: many processes write, one persists
///
/// New here? Begin with `ringlog demo`.
#[derive(Parser)]
#[command(name = "ringlog", version, after_help = AFTER_HELP, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let guarded = ringlog::survive_truncation().context("cannot listen to SIGBUS");
    match guarded.and_then(|()| arguments.command.run()) {
        Ok(code) => code,
        Err(error) => exit_code::report(&error),
    }
}
