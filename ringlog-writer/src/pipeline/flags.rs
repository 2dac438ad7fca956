//! Requests from signal handlers and other threads.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Requests to a running writer. They are usually set by signal handlers.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Write every record published so far, then end.
    pub stop: Arc<AtomicBool>,
    /// End at once, and leave what is not written to the next writer. With `stop`.
    pub now: Arc<AtomicBool>,
    /// Reopen the file, or reload the configuration if there is one. Cleared once that is done.
    pub reopen: Arc<AtomicBool>,
    /// Close the file and begin the next one. Cleared once that is done.
    pub rotate: Arc<AtomicBool>,
}

/// When a request to stop was first seen, in whichever session.
pub(super) type AskedAt = Cell<Option<Instant>>;

/// The flags of [`Signals`], borrowed.
#[derive(Clone, Copy)]
pub(super) struct Flags<'a> {
    pub(super) stop: &'a AtomicBool,
    pub(super) now: &'a AtomicBool,
    pub(super) reopen: &'a AtomicBool,
    pub(super) rotate: &'a AtomicBool,
    pub(super) asked_at: &'a AskedAt,
}

impl<'a> Flags<'a> {
    pub(super) fn of(signals: &'a Signals, asked_at: &'a AskedAt) -> Flags<'a> {
        let Signals { stop, now, reopen, rotate } = signals;
        Flags { stop, now, reopen, rotate, asked_at }
    }

    /// Since when the writer is asked to stop: by a signal, or by a process if it `is_requested`. `None` if it is not.
    pub(super) fn asked_since(self, is_requested: bool) -> Option<Instant> {
        if is_requested || self.stop.load(Ordering::Relaxed) || self.now.load(Ordering::Relaxed) {
            self.asked_at.set(self.asked_at.get().or_else(|| Some(Instant::now())));
        }
        self.asked_at.get()
    }
}
