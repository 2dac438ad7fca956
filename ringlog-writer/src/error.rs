//! Why the writer could not begin, or had to end.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why the writer could not begin, or had to end. Nothing of what was not written is acknowledged: it
/// stays in the ring for the next writer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ring could not be opened or drained.
    #[error(transparent)]
    Ring(#[from] ringlog::Error),
    /// The options do not go together.
    #[error("{0}")]
    Options(String),
    /// The configuration is no good.
    #[error("{0}")]
    Config(String),
    /// The output could not be opened.
    #[error("cannot open {} for writing: {why}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        why: String,
    },
    /// The writer was told to end while its output took nothing more.
    #[error(
        "cannot write to {out}: {source}; {records} records are not written and stay in the ring for the next writer"
    )]
    Write {
        /// The output.
        out: String,
        /// What the system said.
        source: io::Error,
        /// Records formatted but not written.
        records: u64,
    },
    /// The writer was told to end while an output took nothing, without which others had gone on.
    #[error("cannot write to {out}; {records} records are left out of it, which others have")]
    LeftOut {
        /// The output.
        out: String,
        /// How many at most; those that are missing there are not in the ring any more.
        records: u64,
    },
    /// The writer was told to end while what it had written could not be synced. Nothing of it is written again.
    #[error(
        "cannot sync {out}: {source}; all is written, but the last records may not survive a loss of power"
    )]
    Sync {
        /// The output.
        out: String,
        /// What the system said.
        source: io::Error,
    },
    /// The handlers for SIGTERM, SIGINT, SIGHUP and SIGBUS could not be installed.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    /// A thread for an output could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// No program that could be the writer was found.
    #[error(
        "found neither ringlog-writer nor ringlog beside this program or in PATH; build it with `cargo build`, or \
         set RINGLOG_WRITER to its path"
    )]
    NoProgram,
    /// The writer's process could not be started, or could not be waited for.
    #[error("cannot {action} the writer {}: {source}", program.display())]
    Process {
        /// What was attempted.
        action: &'static str,
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The writer's process started, but could not begin. The text is its own.
    #[error("{message}")]
    Refused {
        /// What it said.
        message: String,
        /// The exit code it ended with.
        code: u8,
    },
    /// The writer's process ended without success, or is not there any more.
    #[error("the writer {} ended with {status}", program.display())]
    Ended {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// The program that was started never said that it holds the ring.
    #[error(
        "{} did not say within {waited_s} s that it holds the ring; is it a ringlog-writer of this version?",
        program.display()
    )]
    NotReady {
        /// The program.
        program: PathBuf,
        /// How long it was waited for.
        waited_s: u64,
    },
}

/// As `Display`: `unwrap` and a `main` that returns the error show it, and its reader wants to know what to do.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// The exit code for it: 4 if there is no such ring, 2 for options that do not go together, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Ring(ringlog::Error::NoSuchRing { .. }) => 4,
            Error::Options(_) | Error::Config(_) => 2,
            Error::Refused { code, .. } => *code,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_with_an_error_says_what_to_do() {
        assert!(format!("{:?}", Error::NoProgram).contains("RINGLOG_WRITER"), "{:?}", Error::NoProgram);
    }
}
