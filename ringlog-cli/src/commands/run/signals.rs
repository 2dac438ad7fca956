//! Signals that arrive while the command runs.

use std::fs::File;
use std::process::Child;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// What happens while the command runs.
pub enum RunEvent {
    /// A signal for the command.
    Signal(i32),
    /// The command or the writer has changed its state.
    ChildChanged,
}

/// Signals, taken one after the other by the one thread that also waits for the command.
pub struct SignalEvents {
    signals: Signals,
}

impl SignalEvents {
    /// From here on the signals are taken instead of ending us. Children get the usual ones.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen() -> anyhow::Result<SignalEvents> {
        let signals =
            Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM]).context("cannot listen to signals")?;
        Ok(SignalEvents { signals })
    }

    /// What has happened since the last time; waits until something has.
    pub fn wait(&mut self) -> impl Iterator<Item = RunEvent> + '_ {
        self.signals.wait().map(|signal| match signal {
            SIGCHLD => RunEvent::ChildChanged,
            other => RunEvent::Signal(other),
        })
    }
}

/// Passes a signal on to the command, unless the terminal has sent it to the command too.
pub fn forward(signal: i32, command: &Child) {
    let from_terminal = signal != SIGTERM && is_foreground();
    if let Ok(signal) = Signal::try_from(signal)
        && !from_terminal
    {
        // It may have ended in this very moment; then there is nobody to tell.
        let _ = kill(Pid::from_raw(command.id().cast_signed()), signal);
    }
}

/// Whether a key such as Ctrl-C reaches us, and so all of our process group.
fn is_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(&terminal) == Ok(getpgrp()))
}
