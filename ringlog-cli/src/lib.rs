//! The command `ringlog`: inspects rings, logs records into them, and runs programs that log into them.
//!
//! Each subcommand is one file in `commands`, with its options and its `run`. Commands that only inspect a ring map it
//! read-only, so they cannot disturb the processes that use it.

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
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use commands::Command;

const AFTER_HELP: &str = "\
A ring is a file. Its NAME is one of:
  app             $RINGLOG_DIR/app, by default /dev/shm/ringlog-<uid>/app, or
                  /run/ringlog/app if that does not exist (docs/deployment.md)
  ./app or /x/app a path, on a disk too
  .               the ring that the variable RINGLOG names, by a name or an absolute
                  path; `ringlog run` sets it
A name without a slash has 1 to 200 bytes, no control characters, and does not
start with a dot.

Data goes to standard output, messages go to standard error.

Exit codes:
  0  success
  1  failure
  2  wrong usage, a configuration that cannot be read or used, or an output
     without ids (`verify`)
  3  incomplete: `put` shortened a line that was too long, `verify` or `demo`
     found a fault, or `stop` or a writer has left records unwritten
  4  no such ring
  5  timed out, or nothing to show (`tail`)
`run` exits with the code of its command, with 128+N if signal N killed it,
with 126 or 127 if it could not be started, and with 125 if `run` itself
failed: its ring, its writer, or records left unwritten.";

/// Shared-memory logging: many processes log, one writer process writes the files
///
/// New here? Begin with `ringlog demo`.
#[derive(Parser)]
#[command(name = "ringlog", version, after_help = AFTER_HELP, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Runs the command that the command line names.
pub fn main() -> ExitCode {
    // Before the arguments are parsed: a signal that comes meanwhile must not end a writer out of order.
    let is_writer = std::env::args_os().nth(1).is_some_and(|command| command == "writer");
    let signals = is_writer.then(ringlog_writer::cli::handle_signals);
    let arguments: Arguments = ringlog_writer::cli::parse(signals.as_ref());
    let guarded = ringlog::survive_truncation().context("cannot listen to SIGBUS");
    match guarded.and_then(|()| arguments.command.run(signals)) {
        Ok(code) => code,
        Err(error) => exit_code::report(&error),
    }
}
