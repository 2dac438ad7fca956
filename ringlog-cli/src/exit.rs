//! Exit codes, and which error means which.

use std::io;
use std::process::ExitCode;

use crate::output;

/// Something failed.
pub const FAILED: u8 = 1;
/// What was asked for makes no sense.
pub const USAGE: u8 = 2;
/// Records were cut or did not arrive, or are not in an output as they should be.
pub const INCOMPLETE: u8 = 3;
/// No such ring.
pub const NO_SUCH_RING: u8 = 4;
/// Timed out, or nothing there.
pub const TIMED_OUT_OR_EMPTY: u8 = 5;

/// What a command ends with, unless with an error.
pub type Result = anyhow::Result<ExitCode>;

/// Says what went wrong, and gives the exit code for it.
pub fn explain(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    output::say(format_args!("{error:#}"));
    ExitCode::from(code(error))
}

/// Whoever read our output has seen enough: `| head` is no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<ringlog_writer::Error>() {
        return error.exit_code();
    }
    match error.downcast_ref::<ringlog::Error>() {
        Some(ringlog::Error::NoSuchRing { .. }) => NO_SUCH_RING,
        Some(ringlog::Error::FlushTimeout { .. }) => TIMED_OUT_OR_EMPTY,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn an_error_keeps_its_code_whatever_is_said_around_it() {
        let missing = ringlog::Error::NoSuchRing { name: "ap".into(), dir: "/x".into(), similar: None };
        assert_eq!(code(&anyhow::Error::new(missing).context("while looking")), NO_SUCH_RING);
        let late = ringlog::Error::FlushTimeout { waited_ms: 5, why: "nobody drains the ring" };
        assert_eq!(code(&late.into()), TIMED_OUT_OR_EMPTY);
        assert_eq!(code(&anyhow::anyhow!("something else")), FAILED);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed: io::Result<()> = Err(io::ErrorKind::BrokenPipe.into());
        assert!(is_closed_pipe(&closed.context("printing").unwrap_err()));
        let full: io::Result<()> = Err(io::ErrorKind::StorageFull.into());
        assert!(!is_closed_pipe(&full.context("printing").unwrap_err()));
    }
}
