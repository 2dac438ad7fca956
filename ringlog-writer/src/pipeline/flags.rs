//! Requests from signal handlers and other threads.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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

/// The flags of [`Signals`], borrowed.
#[derive(Clone, Copy)]
pub(super) struct Flags<'a> {
    pub(super) stop: &'a AtomicBool,
    pub(super) now: &'a AtomicBool,
    pub(super) reopen: &'a AtomicBool,
    pub(super) rotate: &'a AtomicBool,
}

impl<'a> From<&'a Signals> for Flags<'a> {
    fn from(signals: &'a Signals) -> Flags<'a> {
        let Signals { stop, now, reopen, rotate } = signals;
        Flags { stop, now, reopen, rotate }
    }
}
