//! Exit codes of the commands, and the code of each error.

use std::io;
use std::process::ExitCode;

use crate::terminal;

/// The command succeeded.
pub const SUCCESS: u8 = 0;
/// The command failed.
pub const FAILED: u8 = 1;
/// The arguments or a configuration cannot be used, or the output to verify has no ids.
pub const USAGE: u8 = 2;
/// Records were shortened or did not arrive, or `verify` found a fault.
pub const INCOMPLETE: u8 = 3;
/// There is no such ring.
pub const NO_SUCH_RING: u8 = 4;
/// The time was up, or there was nothing to show.
pub const TIMED_OUT_OR_EMPTY: u8 = 5;

/// The exit code of a command that ran, or the error that ended it.
pub type CommandResult = anyhow::Result<ExitCode>;

/// Prints an error and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    terminal::print_message(message(error));
    ExitCode::from(code(error))
}

/// The error and its causes. A message that ends with its cause does not name it twice.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.ends_with(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Whether the error says that the reader of our output has closed its end, as `| head` does. That is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<ringlog_writer::Error>() {
        return error.exit_code();
    }
    match error.downcast_ref::<ringlog::Error>() {
        Some(ringlog::Error::NoSuchRing { .. } | ringlog::Error::SharedRing { .. }) => NO_SUCH_RING,
        Some(ringlog::Error::Geometry(_)) => USAGE,
        Some(ringlog::Error::FlushTimeout { .. }) => TIMED_OUT_OR_EMPTY,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn an_error_with_context_keeps_its_code() {
        let (name, dir) = ("ap".into(), "/x".into());
        let missing = ringlog::Error::NoSuchRing { name, dir, elsewhere: String::new(), similar: None };
        assert_eq!(code(&anyhow::Error::new(missing).context("while looking")), NO_SUCH_RING);
        let late = ringlog::Error::FlushTimeout { waited_ms: 5, why: "no consumer drains the ring" };
        assert_eq!(code(&late.into()), TIMED_OUT_OR_EMPTY);
        assert_eq!(code(&anyhow::anyhow!("something else")), FAILED);
    }

    #[test]
    fn a_cause_is_named_once() {
        let denied = || std::io::Error::from_raw_os_error(13);
        let ends_with_it =
            anyhow::Error::new(ringlog_writer::Error::Thread(denied())).context("while starting");
        let text = message(&ends_with_it);
        assert_eq!(text.matches("Permission denied").count(), 1, "{text}");
        let does_not = anyhow::Error::new(denied()).context("while looking");
        assert_eq!(message(&does_not), "while looking: Permission denied (os error 13)");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed: io::Result<()> = Err(io::ErrorKind::BrokenPipe.into());
        assert!(is_closed_pipe(&closed.context("printing").unwrap_err()));
        let full: io::Result<()> = Err(io::ErrorKind::StorageFull.into());
        assert!(!is_closed_pipe(&full.context("printing").unwrap_err()));
    }
}
