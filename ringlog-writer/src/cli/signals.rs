//! The signals of the writer's program. Their handlers are installed before anything else is done.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

use crate::error::Error;
use crate::pipeline::Signals;

/// The handlers of the writer's signals.
#[derive(Debug)]
pub struct HandledSignals {
    installed: io::Result<()>,
    signals: Signals,
    /// Whether signals end the process, as without handlers.
    end_it: Arc<AtomicBool>,
    /// The signal that came last; 0 without one.
    last: Arc<AtomicUsize>,
}

/// Installs the handlers of the writer's signals. A program calls it first in its `main`: a signal that comes before
/// ends the process by the signal.
pub fn handle_signals() -> HandledSignals {
    let mut handled = HandledSignals {
        installed: Ok(()),
        signals: Signals::default(),
        end_it: Arc::default(),
        last: Arc::default(),
    };
    handled.installed = handled.install();
    handled
}

impl HandledSignals {
    fn install(&self) -> io::Result<()> {
        // One that comes meanwhile waits for all of its actions: the first of them alone would lose it for the others.
        all_signals().thread_block()?;
        self.register().inspect_err(|_| {
            let _ = all_signals().thread_unblock();
        })
    }

    fn register(&self) -> io::Result<()> {
        let HandledSignals { signals, end_it, last, .. } = self;
        let flags = [
            (SIGTERM, &signals.stop),
            (SIGINT, &signals.stop),
            (SIGHUP, &signals.reopen),
            (SIGUSR1, &signals.rotate),
        ];
        for (signal, requested) in flags {
            flag::register(signal, requested.clone())?;
            flag::register_usize(signal, last.clone(), signal.unsigned_abs() as usize)?;
            // Registered last: a signal that comes beside `end_by_default` is noted before this action looks.
            flag::register_conditional_default(signal, end_it.clone())?;
        }
        handle_in_a_thread(signals.now.clone())
    }

    /// Lets signals end the process, as without handlers: also one that has come.
    pub(super) fn end_by_default(&self) {
        self.end_it.store(true, Ordering::SeqCst);
        let last = self.last.load(Ordering::SeqCst);
        if let Some(signal) = i32::try_from(last).ok().filter(|signal| *signal != 0) {
            // This fails only for a signal without a default.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }

    /// The requests that the handlers note.
    ///
    /// # Errors
    /// [`Error::Signals`] if they could not be installed.
    pub(super) fn requests(self) -> Result<Signals, Error> {
        self.installed.map_err(Error::Signals).map(|()| self.signals)
    }
}

/// The signals of the writer.
fn all_signals() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1].into_iter().collect()
}

/// Starts the thread that runs the handlers, and no other one does: signals that follow each other faster than the
/// kernel's timers are exact prolong each sleep of the thread that handles them, without end. The calling thread has
/// blocked them, and those that it starts inherit that. Sets the flag once SIGTERM or SIGINT has come a second time.
fn handle_in_a_thread(now: Arc<AtomicBool>) -> io::Result<()> {
    let mut stops = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    let watch = move || {
        // This fails only for a signal that there is not.
        let _ = all_signals().thread_unblock();
        if stops.forever().nth(1).is_some() {
            now.store(true, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new().name("ringlog-signals".to_owned()).spawn(watch).map(drop)
}
