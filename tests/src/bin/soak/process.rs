//! Processes that are signalled, and whose end is checked.

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, killpg, sigaction};
use nix::unistd::Pid;

use crate::patience::Patience;

static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

extern "C" fn note_signal(_: i32) {
    ASKED_TO_END.store(true, Ordering::Relaxed);
}

/// Installs handlers that only note SIGINT and SIGTERM, so that an interrupted run still checks all and cleans up.
pub(crate) fn note_signals() {
    let noting = SigAction::new(SigHandler::Handler(note_signal), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler does nothing but store into an atomic.
        unsafe { sigaction(signal, &noting) }.unwrap();
    }
}

/// Whether this run was asked to end by a signal.
pub(crate) fn is_asked_to_end() -> bool {
    ASKED_TO_END.load(Ordering::Relaxed)
}

/// A process, in a process group of its own.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    what: String,
    stderr: PathBuf,
    /// Exit codes that are no failure.
    allowed: &'static [i32],
    was_killed: bool,
    was_asked_to_end: bool,
    is_quiet: bool,
    /// How it ended: whether as expected, and whether by a signal.
    ended: Option<(Result<(), String>, bool)>,
}

impl Process {
    /// Starts `command`, with its standard error in a file below `dir`. It is killed when this process ends.
    pub(crate) fn start(what: String, command: &mut Command, stdout: Stdio, dir: &Path) -> Process {
        let stderr = dir.join(format!("{what}.err"));
        let file = File::create(&stderr).unwrap();
        command.stdin(Stdio::null()).stdout(stdout).stderr(file).process_group(0);
        // SAFETY: only a system call, which a forked child may make.
        unsafe {
            command.pre_exec(|| {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        Process {
            child,
            what,
            stderr,
            allowed: &[0],
            was_killed: false,
            was_asked_to_end: false,
            is_quiet: false,
            ended: None,
        }
    }

    /// Makes any output on standard error an error; without this only a panic is one.
    pub(crate) fn quiet(mut self) -> Process {
        self.is_quiet = true;
        self
    }

    pub(crate) fn allowing(mut self, allowed: &'static [i32]) -> Process {
        self.allowed = allowed;
        self
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Signals the process, or its whole group. Does nothing once the process has been waited for, because its number
    /// may belong to another one by then.
    pub(crate) fn signal(&self, signal: Signal, group: bool) {
        if self.ended.is_some() {
            return;
        }
        let pid = Pid::from_raw(self.id() as i32);
        // Fails if the process has ended; how it ended is checked when it is waited for.
        let _ = if group { killpg(pid, signal) } else { kill(pid, signal) };
    }

    pub(crate) fn kill(&mut self, group: bool) {
        self.was_killed = true;
        self.signal(Signal::SIGKILL, group);
    }

    /// Asks for the orderly end by a signal, which kills a process that has just been started.
    pub(crate) fn ask_to_end(&mut self) {
        self.was_asked_to_end = true;
        self.signal(Signal::SIGTERM, false);
    }

    /// Checks whether it has ended, and if so whether as expected.
    pub(crate) fn poll(&mut self) -> Option<Result<(), String>> {
        if self.ended.is_none() {
            let status = self.child.try_wait().unwrap()?;
            self.ended = Some((self.check(status), status.signal().is_some()));
        }
        self.ended.as_ref().map(|(outcome, _)| outcome.clone())
    }

    /// Whether a signal ended it, so that it had no time for anything.
    pub(crate) fn died_of_a_signal(&self) -> bool {
        self.ended.as_ref().is_some_and(|(_, by_signal)| *by_signal)
    }

    /// Waits for its end for as long as anything may take.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        let mut patience = Patience::new();
        loop {
            if let Some(outcome) = self.poll() {
                return outcome;
            }
            if patience.is_over() {
                return Err(format!("{} (pid {}) does not end", self.what, self.id()));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// The standard error of it and its children.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default().trim_end().to_owned()
    }

    fn check(&self, status: ExitStatus) -> Result<(), String> {
        let said = self.said();
        let ended_well = match (status.code(), status.signal().and_then(|n| Signal::try_from(n).ok())) {
            (Some(code), _) => self.allowed.contains(&code),
            (None, Some(Signal::SIGKILL)) => self.was_killed,
            (None, Some(Signal::SIGTERM)) => self.was_asked_to_end,
            _ => false,
        };
        let is_silent = if self.is_quiet { said.is_empty() } else { !said.contains("panicked") };
        if ended_well && is_silent {
            return Ok(());
        }
        Err(format!("{} (pid {}) ended with {status}; its standard error: {said:?}", self.what, self.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.signal(Signal::SIGKILL, true);
            let _ = self.child.wait();
        }
        if matches!(self.ended, Some((Ok(()), _))) {
            // The file is not needed any more.
            let _ = fs::remove_file(&self.stderr);
        }
    }
}
