//! Starting the writer as a child process.
//!
//! The child's standard input is a socket to the process that started it. The child reports over it once: that it holds
//! the ring, or why not. After that the socket only shows each process whether the other one is still there.

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

use ringlog::admin::{is_from_stranger, variable};

use crate::config::options::Options;
use crate::error::Error;

/// Mapping and faulting in a ring of many gigabytes takes some seconds.
const READY_WITHIN: Duration = Duration::from_secs(30);
const ACCEPTED: u8 = b'+';
const REFUSED: u8 = b'-';

/// A writer that runs as a child of this process.
///
/// Neither dropping it nor the end of this process stops the writer. The writer then ends by itself once every lane is
/// closed and every record written, so records of other processes are not lost.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    program: PathBuf,
    /// The other end is the child's standard input. The child notices when this end is closed.
    socket: UnixStream,
}

/// Starts the writer as a child process, and returns once it holds the ring: records logged from then on are persisted,
/// and errors in the options have been reported.
///
/// The program is the one that `RINGLOG_WRITER` names, else `ringlog-writer` or `ringlog` beside this program, else
/// either of them in `PATH`. A setuid or setgid program, or one with file capabilities, uses none of these, which its
/// caller can set; it names the program to [`spawn_program`]. The writer runs in a process group of its own, so that
/// Ctrl-C in the terminal ends this program and the writer still writes its last records.
///
/// # Errors
/// [`Error::Refused`] with the writer's own message if it cannot start; [`Error::NoProgram`], [`Error::Process`],
/// [`Error::Ended`] or [`Error::NotReady`] if there is no working writer program.
pub fn spawn(options: &Options) -> Result<Child, Error> {
    let program = find_program()?;
    let is_ringlog = program.file_stem() == Some(OsStr::new("ringlog"));
    spawn_program(&program, if is_ringlog { &["writer"] } else { &[] }, options)
}

/// As [`spawn`], with a program of the caller's choice. `arguments` precede those of the writer.
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
    // This drops our copy of the child's end, so that this end notices the child's exit.
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

    /// Asks the writer to write every record and end, and waits until it has.
    ///
    /// # Errors
    /// [`Error::Ended`] if it did not exit with success; [`Error::Process`] if it cannot be signalled.
    pub fn stop(mut self) -> Result<(), Error> {
        // If it has ended already, its id may belong to another process by now.
        if self.process.try_wait().map_err(|e| self.failed("wait for", e))?.is_none() {
            let pid = Pid::from_raw(self.process.id().cast_signed());
            kill(pid, Signal::SIGTERM).map_err(|e| self.failed("signal", e.into()))?;
        }
        self.wait()
    }

    /// Waits until the writer ends: by [`until_idle`](Options::until_idle), or because another process has stopped it.
    ///
    /// # Errors
    /// [`Error::Ended`] if it did not exit with success.
    pub fn wait(mut self) -> Result<(), Error> {
        let status = self.status()?;
        if status.success() { Ok(()) } else { Err(self.ended(status)) }
    }

    /// The writer's exit status; `None` while it runs.
    ///
    /// # Errors
    /// [`Error::Process`] if the system cannot report it.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.process.try_wait().map_err(|e| self.failed("wait for", e))
    }

    fn status(&mut self) -> Result<ExitStatus, Error> {
        self.process.wait().map_err(|e| self.failed("wait for", e))
    }

    fn await_ready(&mut self) -> Result<(), Error> {
        match self.read_report() {
            Ok(report) if report.first() == Some(&ACCEPTED) => Ok(()),
            Ok(report) => {
                let status = self.status()?;
                match report.split_first_chunk::<2>() {
                    Some(([REFUSED, code], text)) => Err(Error::Refused {
                        message: String::from_utf8_lossy(text).into_owned(),
                        code: *code,
                    }),
                    _ => Err(self.ended(status)),
                }
            }
            Err(error) => {
                // The program does not follow the protocol, so it is not left running. Killing it fails if it has just
                // ended by itself.
                let _ = self.process.kill();
                self.status()?;
                Err(match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        Error::NotReady { program: self.program.clone(), waited_s: READY_WITHIN.as_secs() }
                    }
                    _ => self.failed("read from", error),
                })
            }
        }
    }

    /// The child's report: one byte if it holds the ring, the whole error message if it does not.
    fn read_report(&mut self) -> io::Result<Vec<u8>> {
        self.socket.set_read_timeout(Some(READY_WITHIN))?;
        let mut report = Vec::new();
        (&self.socket).take(1).read_to_end(&mut report)?;
        if report == [REFUSED] {
            self.socket.read_to_end(&mut report)?;
        }
        Ok(report)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Error {
        Error::Process { action, program: self.program.clone(), source }
    }

    fn ended(&self, status: ExitStatus) -> Error {
        Error::Ended { program: self.program.clone(), status }
    }
}

fn find_program() -> Result<PathBuf, Error> {
    if let Some(program) = variable("RINGLOG_WRITER") {
        return Ok(program.into());
    }
    // Not PATH either, which the caller has set; nor the directory of the program, to which the caller may have linked
    // it.
    if is_from_stranger() {
        return Err(Error::NoTrustedProgram);
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
        // A program named `ringlog` must not find itself; to start its own writer it uses `spawn_program`.
        .find(|program| program.is_file() && Some(program) != executable.as_ref())
        .ok_or(Error::NoProgram)
}

/// The child's end of the socket.
pub(crate) struct Handshake {
    socket: UnixStream,
    accepted: bool,
    abandoned: bool,
}

impl Handshake {
    pub(crate) fn of_stdin() -> Result<Handshake, Error> {
        let failed = |source| Error::Process {
            action: "use standard input as the socket of",
            program: "itself".into(),
            source,
        };
        let socket = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Handshake { socket, accepted: false, abandoned: false })
    }

    /// Reports that the ring is held.
    pub(crate) fn accept(&mut self) {
        // This fails if the parent has exited, which needs no report.
        self.accepted = self.socket.write_all(&[ACCEPTED]).is_ok();
    }

    /// Reports why the writer cannot start. False if it has started before, or the parent has exited.
    pub(crate) fn refuse(&mut self, error: &Error) -> bool {
        let report = [&[REFUSED, error.exit_code()], error.to_string().as_bytes()].concat();
        !self.accepted && self.socket.write_all(&report).is_ok()
    }

    /// Whether the process that started the writer has exited, or has dropped its [`Child`].
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
