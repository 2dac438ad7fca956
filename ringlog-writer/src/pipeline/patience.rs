//! Calls that a disk may block: each is made in a thread of its own, which is left behind if it takes too long. So the
//! loop waits for no disk without a bound, and a request to stop is seen meanwhile.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::flags::Flags;
use super::requests::Requests;
use crate::error::Error;
use crate::events::Events;

/// What is said of a disk that blocks a call.
pub(super) const NO_ANSWER: &str = "its disk does not answer";

/// How often to look for a request to stop.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How long calls are waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) flags: Flags<'a>,
    /// Until when all of them together are waited for. `None`: as long as the writer is not asked to stop.
    pub(super) until: Option<Instant>,
    /// How long they are waited for after a request to stop.
    pub(super) after_stop: Duration,
    /// How long each is waited for in any case.
    pub(super) least: Duration,
}

/// What has come of a call.
pub(super) enum Called<T> {
    Done(T),
    /// It has not returned in time. Its thread is left behind.
    Blocked(JoinHandle<()>),
}

impl Patience<'_> {
    /// Makes a call in a thread of its own. `requests`: the requests to stop that end the patience. A result that comes
    /// too late is handed to `discard`, in that thread.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub(super) fn call<T: Send + 'static>(
        &self,
        requests: Requests<'_>,
        call: impl FnOnce() -> T + Send + 'static,
        discard: fn(T),
    ) -> Result<Called<T>, Error> {
        let least = Instant::now() + self.least;
        let (sender, receiver) = channel();
        let call = move || {
            if let Err(late) = sender.send(call()) {
                discard(late.0);
            }
        };
        let builder = std::thread::Builder::new().name("ringlog-file".to_owned());
        let thread = builder.spawn(call).map_err(Error::Thread)?;
        loop {
            match receiver.recv_timeout(LOOK_EVERY) {
                Ok(done) => return Ok(Called::Done(done)),
                Err(RecvTimeoutError::Timeout) if self.is_over(least, requests) => {
                    return Ok(Called::Blocked(thread));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => match thread.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => return Err(Error::Thread(std::io::Error::other("it has no result"))),
                },
            }
        }
    }

    fn is_over(&self, least: Instant, requests: Requests<'_>) -> bool {
        let asked = self.flags.asked_since(requests.stops()).map(|since| since + self.after_stop);
        let until = self.until.into_iter().chain(asked).min();
        until.is_some_and(|until| Instant::now() >= until.max(least))
    }
}

/// Keeps the messages of a call, which is made in another thread, until it has returned.
#[derive(Default)]
pub(super) struct Kept(Vec<String>);

impl Kept {
    pub(super) fn report_to(self, events: &mut dyn Events) {
        self.0.iter().for_each(|message| events.report(message));
    }
}

impl Events for Kept {
    fn report(&mut self, message: &str) {
        self.0.push(message.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::pipeline::flags::{AskedAt, Signals};

    #[test]
    fn a_blocked_call_is_left_behind_after_a_request_to_stop() {
        static DISCARDED: AtomicBool = AtomicBool::new(false);
        let (signals, asked_at) = (Signals::default(), AskedAt::default());
        let flags = Flags::of(&signals, &asked_at);
        let patience = Patience { flags, until: None, after_stop: Duration::ZERO, least: Duration::ZERO };
        let none = || Requests::to(&[]);
        assert!(matches!(patience.call(none(), || 7, drop), Ok(Called::Done(7))));

        let is_over = Arc::new(AtomicBool::new(false));
        let (stop, over) = (signals.stop.clone(), is_over.clone());
        let blocks = move || {
            stop.store(true, Ordering::Relaxed);
            while !over.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        };
        let called = patience.call(none(), blocks, |()| DISCARDED.store(true, Ordering::Relaxed)).unwrap();
        let Called::Blocked(thread) = called else { panic!("it returned") };
        assert!(asked_at.get().is_some() && !thread.is_finished());
        is_over.store(true, Ordering::Relaxed);
        thread.join().unwrap();
        assert!(DISCARDED.load(Ordering::Relaxed), "its result is given up properly");
    }
}
