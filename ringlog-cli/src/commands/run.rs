//! `ringlog run`

mod ring;
mod signals;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitCode, ExitStatus};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use ringlog::Overflow;
use ringlog::admin::{Shown, Size};
use ringlog_writer::FormatKind;

use crate::{exit_code, option_values, terminal};
use ring::PrivateRing;
use signals::{RunEvent, SignalEvents};

/// Exit codes of `run` itself, the same as those of shells and of `timeout`.
const OWN_FAILURE: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Run a command whose processes log into one file
///
/// Creates a ring, starts a writer for it, and runs the command with the variable RINGLOG set to the
/// ring. In the command and its children, `ringlog put .` and programs that call ringlog::init() log
/// into that ring. When the command has ended, all its records are written, the ring is removed, and
/// `run` exits with the command's code.
///
/// SIGTERM, SIGINT, SIGHUP and SIGQUIT are passed on to the command; what it logs then is still written. After
/// `kill -9` of `ringlog run` itself its ring stays: `ringlog ls` shows it as run-…, `ringlog writer NAME
/// --until-idle --out FILE` writes what is in it, and `ringlog rm NAME` removes it.
#[derive(Args)]
pub struct Run {
    /// File to append to, `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Format of the output: text for people, json with one object a line, or raw: only messages and the fields of
    /// typed records, without time, level and notices of lost records
    #[arg(short, long, default_value = "text", value_parser = formats())]
    format: FormatKind,
    /// Size of the ring
    #[arg(long, default_value = "16MiB", value_parser = option_values::size)]
    size: Size,
    /// Size of the ring's area for definitions, as for `ringlog create` [default: an eighth of the size, 64KiB to
    /// 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = option_values::size)]
    definitions: Option<Size>,
    /// What a log call does when the ring is full. drop: it drops the record and counts the loss. block:TIME: it waits
    /// for space, at most TIME, and only then drops and counts. block alone means block:5s
    #[arg(long, value_name = "drop|block[:TIME]", default_value = "block:5s", value_parser = option_values::overflow)]
    overflow: Overflow,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn formats() -> impl TypedValueParser<Value = FormatKind> {
    PossibleValuesParser::new(FormatKind::NAMES.iter().map(|(name, _)| *name)).try_map(|name| name.parse())
}

impl Run {
    pub fn run(self) -> exit_code::CommandResult {
        let failed = |error: anyhow::Error| {
            // Codes below 125 belong to the command.
            terminal::print_message(format_args!("{error:#}"));
            Ok(ExitCode::from(OWN_FAILURE))
        };
        // From here on signals end the command, not this process.
        let mut events = match SignalEvents::listen() {
            Ok(events) => events,
            Err(error) => return failed(error),
        };
        let mut ring = match PrivateRing::new(&self) {
            Ok(ring) => ring,
            Err(error) => return failed(error),
        };
        let mut command = ring.command(&self.command).spawn();
        let awaited = command.as_ref().map_or(Ok(()), |child| wait_for_end(child, &mut events, &mut ring));
        let drained = ring.drain(&self.out);
        let ended = match &mut command {
            Ok(child) => awaited.and_then(|()| Ok(exit_code(child.wait()?))),
            Err(error) => Ok(not_started(&self.command[0], error)),
        };
        match (ended, drained) {
            (Ok(code), Ok(())) => Ok(ExitCode::from(code)),
            (Err(error), _) | (_, Err(error)) => failed(error),
        }
    }
}

/// Waits until the command has ended, and passes signals on to it. Leaves it in the process table, so that the writer
/// sees there how it ended.
fn wait_for_end(command: &Child, events: &mut SignalEvents, ring: &mut PrivateRing) -> anyhow::Result<()> {
    let pid = Pid::from_raw(command.id().cast_signed());
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        for event in events.wait() {
            match event {
                // The child has not been waited for, so its process id cannot belong to another process.
                RunEvent::Signal(signal) => signals::forward(signal, command),
                RunEvent::ChildChanged => {
                    if waitid(Id::Pid(pid), look)? != WaitStatus::StillAlive {
                        return Ok(());
                    }
                    ring.check_writer();
                }
            }
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        // Exit statuses have eight bits, so neither cast truncates.
        (Some(code), _) => code as u8,
        (None, Some(signal)) => 128 + signal as u8,
        (None, None) => OWN_FAILURE,
    }
}

fn not_started(program: &OsString, error: &io::Error) -> u8 {
    let program = program.shown();
    if error.kind() == io::ErrorKind::NotFound {
        terminal::print_message(format_args!("cannot run {program}: there is no such command"));
        return NOT_FOUND;
    }
    terminal::print_message(format_args!("cannot run {program}: {error}"));
    NOT_EXECUTABLE
}
