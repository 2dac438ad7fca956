//! What the tests of a running writer wait for, and hear.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ringlog_writer::Events;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What the writer said, and whether it began.
#[derive(Clone, Default)]
pub(crate) struct Heard {
    ready: Arc<AtomicBool>,
    said: Arc<Mutex<Vec<String>>>,
    pub(crate) abandoned: Arc<AtomicBool>,
}

impl Heard {
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }
}

impl Events for Heard {
    fn ready(&mut self) {
        self.ready.store(true, Ordering::SeqCst);
    }

    fn report(&mut self, message: &str) {
        self.said.lock().unwrap().push(message.to_owned());
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
