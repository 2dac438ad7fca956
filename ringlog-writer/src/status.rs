//! What a writer says of itself and of its outputs, in a file beside each of its rings. `ringlog stat` and `ringlog ls`
//! show it.
//!
//! The file is JSON. It is replaced as a whole when something in it has changed, at most once a second, so a reader
//! never finds a part of it. The status of a writer that was killed stays as it was. A program that shows it to a
//! person should escape its texts: every user who may write into the directory of the ring can replace the file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, fchown};
use serde::{Deserialize, Serialize};

/// A larger file is no status.
const BYTES_MAX: u64 = 1 << 20;

/// The version of the format that this version writes.
const FORMAT: u32 = 1;

/// What a writer says of itself and of its outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WriterStatus {
    /// The version of the format. A reader takes what it knows of a later one.
    pub format: u32,
    /// The writer's process id, in its own namespace.
    pub pid: u32,
    /// When the writer began, in nanoseconds since 1970, as all times here.
    pub since_unix_ns: u64,
    /// When this was written.
    pub written_unix_ns: u64,
    /// When the writer ended; `None` while it runs, and if it was killed.
    pub ended_unix_ns: Option<u64>,
    /// The error with which it ended.
    pub error: Option<String>,
    /// The configuration file, if there is one.
    pub config: Option<ConfigStatus>,
    /// The paths of the rings that it drains.
    pub rings: Vec<String>,
    /// Its outputs, in the order of the handlers.
    pub outputs: Vec<OutputStatus>,
}

/// The configuration that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConfigStatus {
    /// The path of its file.
    pub path: String,
    /// When it was loaded.
    pub loaded_unix_ns: u64,
    /// Why a later one could not take effect, if there was one.
    pub refused: Option<Failure>,
}

/// An error, and since when there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// The last error.
    pub error: String,
    /// When the first of the errors that follow each other occurred.
    pub since_unix_ns: u64,
}

/// How an output is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutputState {
    /// It takes what comes.
    Ok,
    /// It has taken nothing for more than a second, without an error: a pipe that is not read, a disk that does not
    /// answer.
    Blocked,
    /// Writing fails, and is tried again.
    Failing,
    /// It does not keep up, and the others go on without it. One that is failing too is `Failing`.
    LeftOut,
    /// The reader of the pipe has gone.
    ReaderGone,
    /// The writer has ended before everything was written.
    GivenUp,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

impl OutputState {
    /// Whether records do not get into the output as they should.
    pub fn is_trouble(self) -> bool {
        self != OutputState::Ok
    }
}

/// One output of a writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutputStatus {
    /// The absolute path of its file, or the name of its stream.
    pub out: String,
    /// The handlers that write into it.
    pub handlers: Vec<String>,
    /// What it guarantees: `exactly once`, `at least once` or `best effort`.
    pub guarantee: String,
    /// How it is doing.
    pub state: OutputState,
    /// Whether the others go on without it, or went on without it to the end of the writer, in whatever state it is.
    #[serde(default)]
    pub is_left_out: bool,
    /// The last error, if it is failing or was given up.
    pub failure: Option<Failure>,
    /// Records that were taken from the rings for it and are not written yet.
    pub queued: u64,
    /// The time of the oldest of these; `None` if nothing is queued.
    pub oldest_unix_ns: Option<u64>,
    /// Records written since the writer began.
    pub records: u64,
    /// Bytes of their lines.
    pub bytes: u64,
    /// Records that it did not get since the writer began, because it did not keep up.
    pub left_out: u64,
    /// Records, gaps and other entries written after one with a later time stamp in the same file. Those of several
    /// handlers count once. Of a file with a checkpoint, all since that was made, also by an earlier writer: one that
    /// ends in order removes the checkpoint of a file that is neither rotated nor synced. Of another output, since the
    /// writer began.
    pub late: u64,
    /// How often writing, or closing the file, was tried again after a failure since the writer began.
    #[serde(default)]
    pub retries: u64,
}

impl WriterStatus {
    pub(crate) fn new(since_unix_ns: u64) -> WriterStatus {
        WriterStatus {
            format: FORMAT,
            pid: std::process::id(),
            since_unix_ns,
            written_unix_ns: 0,
            ended_unix_ns: None,
            error: None,
            config: None,
            rings: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Reads the status of a ring's writer. `path` is what
    /// [`Observer::status_path`](ringlog::reader::Observer::status_path) returns. `None` if no writer has written one.
    ///
    /// # Errors
    /// The system's error; [`ErrorKind::InvalidData`] if the file is no status.
    pub fn read(path: &Path) -> io::Result<Option<WriterStatus>> {
        let flags = (OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let no_status = |why: String| io::Error::new(ErrorKind::InvalidData, why);
        let meta = file.metadata()?;
        if !meta.is_file() || meta.len() > BYTES_MAX {
            return Err(no_status("it is no file of a writer's status".to_owned()));
        }
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| no_status(error.to_string()))
    }

    /// Replaces the status at `path`, which lies beside the file of the ring. Those may read it who may read the ring.
    pub(crate) fn write(&self, path: &Path, ring: &Path) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        bytes.push(b'\n');
        let new = path.with_extension("status-new");
        let mut file = create(&new)?;
        let written = give(&file, ring).and_then(|()| file.write_all(&bytes));
        written.and_then(|()| std::fs::rename(&new, path)).inspect_err(|_| drop(std::fs::remove_file(&new)))
    }
}

/// Creates the file, also if a writer that was killed has left one.
fn create(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            create()
        }
        created => created,
    }
}

/// Lets those read the file who may read the ring.
fn give(file: &File, ring: &Path) -> io::Result<()> {
    let (own, ring) = (file.metadata()?, ring.metadata()?);
    let mut readers = ring.mode() & 0o444;
    if own.gid() != ring.gid() && fchown(file, None, Some(Gid::from_raw(ring.gid()))).is_err() {
        // A group of another id must not read it in its place.
        readers &= !0o040;
    }
    file.set_permissions(Permissions::from_mode(0o600 | readers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> WriterStatus {
        let output = OutputStatus {
            out: "app.log".to_owned(),
            handlers: vec!["file".to_owned()],
            guarantee: "exactly once".to_owned(),
            state: OutputState::Failing,
            is_left_out: true,
            failure: Some(Failure { error: "No space left on device".to_owned(), since_unix_ns: 7 }),
            queued: 3,
            oldest_unix_ns: Some(5),
            records: 4,
            bytes: 400,
            left_out: 1,
            late: 2,
            retries: 6,
        };
        WriterStatus { outputs: vec![output], ..WriterStatus::new(1) }
    }

    #[test]
    fn a_status_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let (ring, path) = (dir.path().join("app"), dir.path().join(".app.status"));
        assert_eq!(WriterStatus::read(&path).unwrap(), None);
        std::fs::write(&ring, "").unwrap();
        std::fs::set_permissions(&ring, Permissions::from_mode(0o640)).unwrap();
        // What a killed writer has left does not keep the next from writing.
        std::fs::write(path.with_extension("status-new"), "{").unwrap();
        for since in [1, 2] {
            let status = WriterStatus { since_unix_ns: since, ..status() };
            status.write(&path, &ring).unwrap();
            assert_eq!(WriterStatus::read(&path).unwrap(), Some(status));
        }
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_status_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status");
        for bytes in [&b""[..], b"{}", b"[1]", b"\xff", &vec![b' '; 2 << 20]] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(WriterStatus::read(&path).unwrap_err().kind(), ErrorKind::InvalidData);
        }
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(WriterStatus::read(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(WriterStatus::read(&path).is_err());
    }

    #[test]
    fn a_later_format_is_read_as_far_as_it_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status");
        let mut later = serde_json::to_value(status()).unwrap();
        later["more"] = true.into();
        later["outputs"][0]["state"] = "melting".into();
        std::fs::write(&path, later.to_string()).unwrap();
        let read = WriterStatus::read(&path).unwrap().unwrap();
        assert_eq!(read.outputs[0].state, OutputState::Unknown);
        assert!(read.outputs[0].state.is_trouble());
    }
}
