//! A delivery: a sink, and the repetition of what fails.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::health::Health;
use crate::error::Error;
use crate::events::Events;
use crate::sink::{Abandoned, Batch, Sink, SinkRequest};

/// The pause before the second attempt. It doubles with each further one.
const RETRY_MIN: Duration = Duration::from_millis(10);
/// The longest pause between two attempts.
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How often orders are looked at during such a pause.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// How often a failure that goes on is reported.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// What the loop orders a delivery to do, whatever it is doing.
#[derive(Debug, Default)]
pub(super) struct Orders {
    is_stopping: AtomicBool,
    gives_up: AtomicBool,
    ends_now: AtomicBool,
    is_left: AtomicBool,
    reopens: AtomicBool,
}

impl Orders {
    /// Failed attempts are not repeated any more.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// A peer that takes nothing is not waited for any more.
    pub(super) fn give_up(&self) {
        self.gives_up.store(true, Ordering::Relaxed);
        self.stop();
    }

    /// What is queued is not begun any more.
    pub(super) fn end_now(&self) {
        self.ends_now.store(true, Ordering::Relaxed);
        self.give_up();
    }

    /// The thread is waited for no longer, and nothing is to be tried again.
    pub(super) fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
        self.end_now();
    }

    /// The sink's file is to be reopened.
    pub(super) fn reopen(&self) {
        self.reopens.store(true, Ordering::Relaxed);
    }

    /// Whether the order to reopen is still to be carried out.
    pub(super) fn is_reopening(&self) -> bool {
        self.reopens.load(Ordering::Relaxed)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    pub(super) fn is_ending_now(&self) -> bool {
        self.ends_now.load(Ordering::Relaxed)
    }

    fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }

    fn gives_up(&self) -> bool {
        self.gives_up.load(Ordering::Relaxed)
    }
}

/// The end of a delivery's work on a batch or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persisted {
    /// It is done. `resumed`: attempts had failed, which was reported, and it is to be reported that nothing was lost.
    Done { resumed: bool },
    /// The reader of a pipe has gone; nothing more can be written.
    ReaderGone,
}

/// A sink that is written until it succeeds.
pub(super) struct Delivery {
    /// The name of the file or stream in messages.
    out: String,
    sink: Box<dyn Sink>,
    health: Arc<Health>,
    /// Whether it has been reported that a moved file cannot be reopened.
    is_reported: bool,
}

/// The attempts at one batch or request.
struct Attempts {
    failed: u64,
    /// The pause before the next one.
    pause: Duration,
    first_failed: Instant,
    /// When a failure was last reported.
    reported: Instant,
}

impl Attempts {
    fn new() -> Attempts {
        let now = Instant::now();
        Attempts { failed: 0, pause: RETRY_MIN, first_failed: now, reported: now }
    }

    /// Notes a failed attempt. Returns what to report: the first failure at once, and then one in a while.
    fn fail(&mut self, out: &str, error: &io::Error) -> Option<String> {
        self.failed += 1;
        let now = Instant::now();
        if self.failed == 1 {
            (self.first_failed, self.reported) = (now, now);
            return Some(format!("cannot write to {out}: {error}; trying again, records wait in the ring"));
        }
        if now - self.reported < REPORT_EVERY {
            return None;
        }
        self.reported = now;
        let (attempts, seconds) = (self.failed, (now - self.first_failed).as_secs());
        Some(format!(
            "still cannot write to {out}: {error}; {attempts} attempts in {seconds} s, records wait in the ring"
        ))
    }

    /// Pauses before the next attempt, as long as nothing is ordered.
    fn pause(&mut self, orders: &Orders) {
        let until = Instant::now() + self.pause;
        while !orders.is_stopping() && !orders.is_reopening() && Instant::now() < until {
            std::thread::sleep(CHECK_EVERY.min(self.pause));
        }
        self.pause = (self.pause * 2).min(RETRY_MAX);
    }
}

impl Delivery {
    /// `failure`: why the sink cannot be opened yet, which has been reported.
    pub(super) fn new(out: String, sink: Box<dyn Sink>, failure: Option<String>) -> Delivery {
        let (health, is_reported) = (Arc::new(Health::default()), failure.is_some());
        failure.into_iter().for_each(|failure| health.fail(failure));
        Delivery { out, sink, health, is_reported }
    }

    pub(super) fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    pub(super) fn out(&self) -> &str {
        &self.out
    }

    pub(super) fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    pub(super) fn into_sink(self) -> Box<dyn Sink> {
        self.sink
    }

    /// Writes a batch. Repeats failed attempts until one succeeds, or the writer is stopping.
    ///
    /// # Errors
    /// [`Error::Write`] or [`Error::Sync`] if the writer is stopping.
    pub(super) fn write(
        &mut self,
        batch: &Batch,
        orders: &Orders,
        events: &mut dyn Events,
    ) -> Result<Persisted, Error> {
        self.retry(orders, events, |sink, events| sink.deliver(batch, events)).map_err(|source| {
            let out = self.out.clone();
            match self.sink.abandon(batch, events) {
                Abandoned::Unwritten { records } => Error::Write { out, source, records },
                Abandoned::Unsynced { records } => Error::Sync { out, source, records },
            }
        })
    }

    /// Closes the sink's file and begins the next one, if it has files. Repeats failed attempts as
    /// [`write`](Self::write) does.
    ///
    /// # Errors
    /// [`Error::Write`] if the writer is stopping.
    pub(super) fn rotate(
        &mut self,
        unix_ns: u64,
        orders: &Orders,
        events: &mut dyn Events,
    ) -> Result<Persisted, Error> {
        let rotate = SinkRequest::Rotate(unix_ns);
        let rotated = self.retry(orders, events, |sink, events| sink.handle(rotate, events));
        rotated.map_err(|source| Error::Write { out: self.out.clone(), source, records: 0 })
    }

    /// Repeats an action until it succeeds, the reader has gone, or the writer is stopping.
    fn retry(
        &mut self,
        orders: &Orders,
        events: &mut dyn Events,
        act: impl Fn(&mut dyn Sink, &mut dyn Events) -> io::Result<()>,
    ) -> io::Result<Persisted> {
        let mut attempts = Attempts::new();
        loop {
            let error = match act(&mut *self.sink, events) {
                Ok(()) => break,
                Err(error) if orders.is_left() => return Err(error),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::BrokenPipe => return Ok(Persisted::ReaderGone),
                // A slow reader is no failure. The sink has waited for it.
                ErrorKind::WouldBlock if orders.gives_up() => {
                    let error = io::Error::new(ErrorKind::WouldBlock, "its reader takes nothing");
                    self.health.fail(error.to_string());
                    return Err(error);
                }
                ErrorKind::WouldBlock => self.reopen_if_ordered(orders, events),
                _ => {
                    self.health.fail(error.to_string());
                    attempts.fail(&self.out, &error).into_iter().for_each(|message| events.report(&message));
                    attempts.pause(orders);
                    if orders.is_stopping() && !orders.is_reopening() {
                        return Err(error);
                    }
                    self.health.retry();
                    self.reopen_if_ordered(orders, events);
                }
            }
        }
        let mut resumed = attempts.failed > 0;
        if resumed {
            self.health.recover();
        }
        if self.sink.take_loss() && resumed {
            events.report(&format!("writing to {} again", self.out));
            resumed = false;
        }
        Ok(Persisted::Done { resumed })
    }

    /// Reopens the sink's file if the loop has ordered it. Reports a failure.
    pub(super) fn reopen_if_ordered(&mut self, orders: &Orders, events: &mut dyn Events) {
        if !orders.is_reopening() {
            return;
        }
        if let Err(error) = self.sink.handle(SinkRequest::Reopen, events) {
            events.report(&format!("{error}; going on with the file that is open"));
        }
        orders.reopens.store(false, Ordering::Relaxed);
    }

    /// Counts the wall clock as right in the sink. Reports a failure.
    pub(super) fn trust_clock(&mut self, events: &mut dyn Events) {
        if let Err(error) = self.sink.handle(SinkRequest::TrustClock, events) {
            events.report(&format!("{}: {error}; trying again with the next file", self.out));
        }
    }

    /// Does the sink's periodic work. Reports once that a moved file cannot be reopened. A failed attempt to write does
    /// not outlast its batch, so here nothing but the periodic work can be failing.
    pub(super) fn maintain(&mut self, events: &mut dyn Events) {
        match self.sink.maintain(events) {
            Ok(false) => {}
            Ok(true) => {
                self.is_reported = false;
                self.health.recover();
            }
            Err(error) => {
                self.health.fail(error.to_string());
                if std::mem::replace(&mut self.is_reported, true) {
                    return;
                }
                events.report(&format!("{error}; going on with the file that is open"));
            }
        }
    }
}
