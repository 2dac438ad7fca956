//! The signals that arrive while the command of `run` runs.

use std::fs::File;
use std::process::Child;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// An event while the command runs.
pub enum RunEvent {
    /// A signal that is to be passed on to the command.
    Signal(i32),
    /// SIGCHLD: the command or the writer has changed its state.
    ChildChanged,
}

/// A queue of signals, read by the thread that waits for the command.
pub struct SignalEvents {
    signals: Signals,
}

impl SignalEvents {
    /// Installs the signal handlers. From here on these signals do not end this process; children have the defaults.
    ///
    /// # Errors
    /// The system's error.
    pub fn listen() -> anyhow::Result<SignalEvents> {
        let signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM])
            .context("cannot install signal handlers")?;
        Ok(SignalEvents { signals })
    }

    /// Waits for the next events and returns them.
    pub fn wait(&mut self) -> impl Iterator<Item = RunEvent> + '_ {
        self.signals.wait().map(|signal| match signal {
            SIGCHLD => RunEvent::ChildChanged,
            other => RunEvent::Signal(other),
        })
    }
}

/// Passes a signal on to the command, unless the terminal has already sent it to the whole process group.
pub fn forward(signal: i32, command: &Child) {
    let from_terminal = signal != SIGTERM && is_foreground();
    if let Ok(signal) = Signal::try_from(signal)
        && !from_terminal
    {
        // If the command has just ended there is no process to signal, and the error is of no use.
        let _ = kill(Pid::from_raw(command.id().cast_signed()), signal);
    }
}

/// Whether this process group is in the terminal's foreground, where keys such as Ctrl-C reach all its processes.
fn is_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(&terminal) == Ok(getpgrp()))
}
