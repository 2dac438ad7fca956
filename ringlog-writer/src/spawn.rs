//! Starting the writer as a child process, and knowing that it has begun.
//!
//! The child's standard input is a socket to whoever started it. Over it the child says, once, that it
//! holds the ring or why not; after that the socket only tells each whether the other is still there.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::options::Options;
use crate::error::Error;

/// A ring of many gigabytes takes some seconds to be mapped and faulted in.
const READY_WITHIN: Duration = Duration::from_secs(30);
const ACCEPTED: u8 = b'+';
const REFUSED: u8 = b'-';

/// A writer that runs as a child of this process.
///
/// Dropping it does not stop the writer, and neither does the end of this process: it then ends by itself
/// once every lane is closed and all is written, so what other processes still log is not lost.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    program: PathBuf,
    /// Its other end is the child's standard input; the child sees when this one is closed.
    socket: UnixStream,
}

/// Starts the writer as a child process, and returns once it holds the ring: what is logged from then on
/// is persisted, and every mistake in the options has been found.
///
/// The program is what `RINGLOG_WRITER` names, else `ringlog-writer` or `ringlog` beside this program,
/// else either of them in `PATH`. It gets a process group of its own, so that a Ctrl-C in the terminal
/// ends this program but does not cut off its last lines.
///
/// # Errors
/// [`Error::Refused`] with the writer's own words if it cannot begin; [`Error::NoProgram`],
/// [`Error::Process`], [`Error::Ended`] or [`Error::NotReady`] if there is no writer to speak to.
pub fn spawn(options: &Options) -> Result<Child, Error> {
    let program = find_program()?;
    let is_ringlog = program.file_stem() == Some(OsStr::new("ringlog"));
    spawn_program(&program, if is_ringlog { &["writer"] } else { &[] }, options)
}

/// The same with a program of the caller's choice; `arguments` come before those of the writer.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_program(program: &Path, arguments: &[&str], options: &Options) -> Result<Child, Error> {
    let failed = |action| move |source| Error::Process { action, program: program.to_owned(), source };
    let (ours, theirs) = UnixStream::pair().map_err(failed("make a socket for"))?;
    let mut command = Command::new(program);
    command.args(arguments).arg("--handshake").args(options.to_args());
    command.stdin(OwnedFd::from(theirs)).process_group(0);
    let process = command.spawn().map_err(failed("start"))?;
    // With the command goes our copy of the child's end, so that its death is seen here.
    drop(command);
    let mut child = Child { process, program: program.to_owned(), socket: ours };
    child.await_ready()?;
    Ok(child)
}

impl Child {
    /// The writer's process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks the writer to drain and end, and waits until it has.
    ///
    /// # Errors
    /// [`Error::Ended`] if it did not end well; [`Error::Process`] if it cannot be signalled.
    pub fn stop(mut self) -> Result<(), Error> {
        // If it has ended already, its id may by now be somebody else's.
        if self.process.try_wait().map_err(|e| self.failed("wait for", e))?.is_none() {
            let pid = Pid::from_raw(self.process.id().cast_signed());
            kill(pid, Signal::SIGTERM).map_err(|e| self.failed("signal", e.into()))?;
        }
        self.wait()
    }

    /// Waits until the writer ends: because it is [until idle](Options::until_idle), or because somebody
    /// else has stopped it.
    ///
    /// # Errors
    /// [`Error::Ended`] if it did not end well.
    pub fn wait(mut self) -> Result<(), Error> {
        let status = self.status()?;
        if status.success() { Ok(()) } else { Err(self.ended(status)) }
    }

    /// How the writer has ended; `None` while it runs.
    ///
    /// # Errors
    /// [`Error::Process`] if the system will not tell.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.process.try_wait().map_err(|e| self.failed("wait for", e))
    }

    fn status(&mut self) -> Result<ExitStatus, Error> {
        self.process.wait().map_err(|e| self.failed("wait for", e))
    }

    fn await_ready(&mut self) -> Result<(), Error> {
        match self.first_words() {
            Ok(words) if words.first() == Some(&ACCEPTED) => Ok(()),
            Ok(words) => {
                let status = self.status()?;
                match words.split_first_chunk::<2>() {
                    Some(([REFUSED, code], text)) => Err(Error::Refused {
                        message: String::from_utf8_lossy(text).into_owned(),
                        code: *code,
                    }),
                    _ => Err(self.ended(status)),
                }
            }
            Err(error) => {
                // Whatever it is, it does not speak with us; it is not left running. If it has just ended
                // by itself there is nothing to kill.
                let _ = self.process.kill();
                self.status()?;
                Err(match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        Error::NotReady { program: self.program.clone(), waited_s: READY_WITHIN.as_secs() }
                    }
                    _ => self.failed("listen to", error),
                })
            }
        }
    }

    /// One byte if the writer holds the ring, all it has to say if it does not.
    fn first_words(&mut self) -> io::Result<Vec<u8>> {
        self.socket.set_read_timeout(Some(READY_WITHIN))?;
        let mut words = Vec::new();
        (&self.socket).take(1).read_to_end(&mut words)?;
        if words == [REFUSED] {
            self.socket.read_to_end(&mut words)?;
        }
        Ok(words)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Error {
        Error::Process { action, program: self.program.clone(), source }
    }

    fn ended(&self, status: ExitStatus) -> Error {
        Error::Ended { program: self.program.clone(), status }
    }
}

fn find_program() -> Result<PathBuf, Error> {
    if let Some(program) = std::env::var_os("RINGLOG_WRITER").filter(|program| !program.is_empty()) {
        return Ok(program.into());
    }
    let executable = std::env::current_exe().ok();
    let beside = executable.iter().flat_map(|executable| {
        let dir = executable.parent();
        // Cargo puts tests and examples one directory below the programs.
        let above =
            dir.filter(|dir| dir.ends_with("deps") || dir.ends_with("examples")).and_then(Path::parent);
        dir.into_iter().chain(above).map(Path::to_owned)
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = |dirs: Vec<PathBuf>| {
        ["ringlog-writer", "ringlog"]
            .into_iter()
            .flat_map(move |name| dirs.clone().into_iter().map(move |dir| dir.join(name)))
    };
    candidates(beside.collect())
        .chain(candidates(std::env::split_paths(&path).collect()))
        // A program named `ringlog` may start its own writer; it says so by `spawn_program`.
        .find(|program| program.is_file() && Some(program) != executable.as_ref())
        .ok_or(Error::NoProgram)
}

/// The child's end.
pub(crate) struct Handshake {
    socket: UnixStream,
    accepted: bool,
    abandoned: bool,
}

impl Handshake {
    pub(crate) fn of_stdin() -> Result<Handshake, Error> {
        let failed =
            |source| Error::Process { action: "listen to who started", program: "itself".into(), source };
        let socket = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Handshake { socket, accepted: false, abandoned: false })
    }

    /// Says that the ring is held.
    pub(crate) fn accept(&mut self) {
        // Nobody who is gone needs to be told.
        self.accepted = self.socket.write_all(&[ACCEPTED]).is_ok();
    }

    /// Says why the writer cannot begin; false if it has begun long since, or nobody hears it.
    pub(crate) fn refuse(&mut self, error: &Error) -> bool {
        let words = [&[REFUSED, error.exit_code()], error.to_string().as_bytes()].concat();
        !self.accepted && self.socket.write_all(&words).is_ok()
    }

    /// Whether who started the writer has gone, or has let go of it.
    pub(crate) fn is_abandoned(&mut self) -> bool {
        if !self.abandoned {
            self.abandoned = match self.socket.read(&mut [0]) {
                Ok(count) => count == 0,
                Err(error) => {
                    error.kind() != io::ErrorKind::WouldBlock && error.kind() != io::ErrorKind::Interrupted
                }
            };
        }
        self.abandoned
    }
}
