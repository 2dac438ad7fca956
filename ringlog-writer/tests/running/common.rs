//! A recorder of the events of a running writer, and a wait for a condition.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ringlog_writer::Events;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The events of a writer: its messages, and whether it is ready.
#[derive(Clone, Default)]
pub(crate) struct EventLog {
    ready: Arc<AtomicBool>,
    messages: Arc<Mutex<Vec<String>>>,
    /// The answer to [`Events::is_abandoned`].
    pub(crate) abandoned: Arc<AtomicBool>,
}

impl EventLog {
    pub(crate) fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }
}

impl Events for EventLog {
    fn ready(&mut self) {
        self.ready.store(true, Ordering::SeqCst);
    }

    fn report(&mut self, message: &str) {
        self.messages.lock().unwrap().push(message.to_owned());
    }

    fn is_abandoned(&mut self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }
}

#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
