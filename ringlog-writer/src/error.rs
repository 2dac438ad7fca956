//! The errors of the writer.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use ringlog::admin::Shown;

use crate::counted::{counted, is_or_are};

/// Why the writer could not start, or had to end. Records that were not written are not acknowledged either: they stay
/// in the ring for the next writer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ring could not be opened or drained.
    #[error(transparent)]
    Ring(#[from] ringlog::Error),
    /// The options contradict each other.
    #[error("{0}")]
    Options(String),
    /// The configuration has errors.
    #[error("{0}")]
    Config(String),
    /// A file, a pipe or a stream could not be opened.
    #[error("cannot open {} for writing: {why}", path.shown())]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason, and what to do.
        why: String,
    },
    /// A file could not be opened or made because the file system has no room for it: no space, no inode, or a quota. A
    /// writer waits for room instead.
    #[error("cannot open {} for writing: {source}", path.shown())]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The writer was asked to stop while a write failed.
    #[error("cannot write to {out}: {source}; {} in the ring for the next writer", unwritten(*records))]
    Write {
        /// The file or stream.
        out: String,
        /// The system's error.
        source: io::Error,
        /// Records formatted but not written.
        records: u64,
    },
    /// As [`Write`](Self::Write), from a ring that was removed: no other writer can come to it.
    #[error("cannot write to {out}: {source}; {} lost with it", unwritten_of_removed(*records))]
    WriteOfRemoved {
        /// The file or stream.
        out: String,
        /// The system's error.
        source: io::Error,
        /// Records formatted but not written.
        records: u64,
    },
    /// The writer was asked to stop while one handler could not write and the others had gone on without it.
    #[error(
        "cannot write to {out}; up to {} that other handlers have written {} missing there",
        counted(*records, "record"), is_or_are(*records)
    )]
    LeftOut {
        /// The file or stream.
        out: String,
        /// The largest number of missing records; these are not in the ring any more.
        records: u64,
    },
    /// The writer was asked to end at once.
    #[error("ended at once, as a second signal asked; {} in the ring for the next writer", unwritten(*records))]
    EndedAtOnce {
        /// The records that are left, those among them that were logged after the first request.
        records: u64,
    },
    /// The writer was asked to stop while a sync failed. What is written is not written again.
    #[error(
        "cannot sync {out}: {source}; {} written, but may not survive a loss of power", last(*records)
    )]
    Sync {
        /// The file.
        out: String,
        /// The system's error.
        source: io::Error,
        /// The number of records that are written and not synced; 0 if that is not known.
        records: u64,
    },
    /// The handlers for SIGTERM, SIGINT, SIGHUP, SIGBUS and SIGXFSZ could not be installed.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
    /// The thread of a handler could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// No program that could be the writer was found.
    #[error(
        "found neither ringlog-writer nor ringlog beside this program or in PATH; build it with `cargo build`, or \
         set RINGLOG_WRITER to its path"
    )]
    NoProgram,
    /// The process has more rights than its caller, who chooses what the search for a writer would find.
    #[error(
        "a program with more rights than its caller (setuid, setgid, file capabilities) does not search for a writer; \
         name one to `spawn_program`"
    )]
    NoTrustedProgram,
    /// The writer's process could not be started, or could not be waited for.
    #[error("cannot {action} the writer {}: {source}", program.shown())]
    Process {
        /// What was attempted.
        action: &'static str,
        /// The program.
        program: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The writer's process started, but reported an error before it held the ring.
    #[error("{message}")]
    Refused {
        /// The error that it reported.
        message: String,
        /// Its exit code.
        code: u8,
    },
    /// The writer's process ended without success.
    #[error("the writer {} ended with {status}", program.shown())]
    Ended {
        /// The program.
        program: PathBuf,
        /// Its exit status.
        status: ExitStatus,
    },
    /// The program that was started did not report that it holds the ring.
    #[error(
        "{} did not report within {waited_s} s that it holds the ring; is it a ringlog-writer of this version?",
        program.shown()
    )]
    NotReady {
        /// The program.
        program: PathBuf,
        /// How long it was waited for, in seconds.
        waited_s: u64,
    },
}

/// As `Display`: `unwrap`, and a `main` that returns the error, print it, and the reader needs to know what to do.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Keeps the kind of an error for want of room, by which a full disk is recognised.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match &error {
            Error::NoRoom { source, .. } => source.kind(),
            _ => ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

impl Error {
    /// The error of opening a file. `why`: the reason in words.
    pub(crate) fn of_open(path: &Path, error: &io::Error, why: String) -> Error {
        let path = path.to_owned();
        match is_for_want_of_room(error) {
            true => Error::NoRoom { path, source: io::Error::new(error.kind(), why) },
            false => Error::Open { path, why },
        }
    }

    /// Whether the file system has no room for a file. Waiting may help.
    pub(crate) fn is_for_want_of_room(&self) -> bool {
        matches!(self, Error::NoRoom { .. })
    }

    /// With so many more records that are not written.
    pub(crate) fn with_more(self, more: u64) -> Error {
        match self {
            Error::Write { out, source, records } => Error::Write { out, source, records: records + more },
            // What is behind it is not written.
            Error::Sync { out, source, .. } if more > 0 => Error::Write { out, source, records: more },
            error => error,
        }
    }

    /// What the error means where a ring `is_nameless`: what it holds is left for no other writer.
    pub(crate) fn of_removed(self, is_nameless: bool) -> Error {
        match self {
            Error::Write { out, source, records } if is_nameless => {
                Error::WriteOfRemoved { out, source, records }
            }
            error => error,
        }
    }

    /// The exit code for the error: 4 if there is no such ring, 3 if records are not written or not synced, 2
    /// for wrong options or a wrong configuration, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Ring(ringlog::Error::NoSuchRing { .. }) => 4,
            Error::Options(_) | Error::Config(_) => 2,
            Error::Write { .. }
            | Error::WriteOfRemoved { .. }
            | Error::LeftOut { .. }
            | Error::Sync { .. }
            | Error::EndedAtOnce { .. } => 3,
            Error::Refused { code, .. } => *code,
            _ => 1,
        }
    }
}

/// Whether the disk is full, so that deleting a file helps.
pub(crate) fn is_for_want_of_room(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn last(records: u64) -> String {
    match records {
        0 => "the last records are".to_owned(),
        _ => format!("the last {} {}", counted(records, "record"), is_or_are(records)),
    }
}

fn unwritten(records: u64) -> String {
    let stay = if records == 1 { "stays" } else { "stay" };
    format!("{} {} not written and {stay}", counted(records, "record"), is_or_are(records))
}

fn unwritten_of_removed(records: u64) -> String {
    match records {
        1 => "1 record is not written, and if it came from a removed ring it is".to_owned(),
        _ => {
            format!("{records} records are not written, and those of them that came from a removed ring are")
        }
    }
}

/// The reason why a file could not be opened for writing, and what to do.
pub(crate) fn why_not_opened(path: &Path, error: &io::Error) -> String {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    match error.kind() {
        ErrorKind::NotFound if !dir.exists() => {
            format!("there is no directory {0}; make it with `mkdir -p {0}`", dir.shown())
        }
        ErrorKind::NotADirectory => format!("{} is not a directory; choose another path", dir.shown()),
        ErrorKind::IsADirectory => "it is a directory; name a file in it".to_owned(),
        ErrorKind::PermissionDenied if path.exists() => {
            format!("no permission (you are uid {}); choose another file or change its mode", uid())
        }
        ErrorKind::PermissionDenied => {
            format!(
                "no permission to make files in {} (you are uid {}); choose another directory or change its mode",
                dir.shown(),
                uid()
            )
        }
        ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted read-only; choose another directory".to_owned()
        }
        _ => error.to_string(),
    }
}

fn uid() -> nix::unistd::Uid {
    nix::unistd::geteuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_records_agree_with_their_verbs() {
        let text = |records, is_removed| {
            let source = io::Error::other("no");
            Error::Write { out: "out".into(), source, records }.of_removed(is_removed).to_string()
        };
        let rest = "in the ring for the next writer";
        assert_eq!(
            text(1, false),
            format!("cannot write to out: no; 1 record is not written and stays {rest}")
        );
        assert_eq!(
            text(2, false),
            format!("cannot write to out: no; 2 records are not written and stay {rest}")
        );
        let removed = "came from a removed ring";
        assert!(
            text(1, true)
                .ends_with(&format!("1 record is not written, and if it {removed} it is lost with it"))
        );
        let many = format!("2 records are not written, and those of them that {removed} are lost with it");
        assert!(text(2, true).ends_with(&many), "{}", text(2, true));
        let left_out = |records| Error::LeftOut { out: "out".into(), records }.to_string();
        assert!(left_out(1).ends_with("up to 1 record that other handlers have written is missing there"));
        assert!(left_out(2).ends_with("up to 2 records that other handlers have written are missing there"));
    }

    #[test]
    fn debug_output_is_the_message_that_says_what_to_do() {
        assert!(format!("{:?}", Error::NoProgram).contains("RINGLOG_WRITER"), "{:?}", Error::NoProgram);
    }
}
