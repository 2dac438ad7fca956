//! Closes the sinks of a session that has ended.

use std::time::{Duration, Instant};

use super::super::blocked::Blocked;
use super::super::delivery::Delivery;
use super::super::flags::Flags;
use super::super::outputs::QUIESCE_WITHIN;
use super::super::patience::{Called, Kept, NO_ANSWER, Patience};
use super::super::requests::Requests;
use super::EACH;
use crate::error::Error;
use crate::events::Events;
use crate::sink::{NotSynced, Place, Sink, SinkRequest};

/// A sink, where it writes, and what that is called.
pub(super) struct Placed {
    pub(super) place: Place,
    out: String,
    pub(super) sink: Box<dyn Sink>,
}

impl Placed {
    pub(super) fn new(place: Place, delivery: Delivery) -> Placed {
        let out = delivery.out().to_owned();
        Placed { place, out, sink: delivery.into_sink() }
    }
}

/// Closes the sinks of a session.
pub(super) struct Closer<'c> {
    pub(super) flags: Flags<'c>,
    /// How long a call may block when the writer stops.
    pub(super) stuck_after: Duration,
    /// Whether no session follows.
    pub(super) is_last: bool,
    /// The files whose disks do not answer.
    pub(super) blocked: Vec<Blocked>,
    pub(super) sinks: Vec<Placed>,
}

impl<'c> Closer<'c> {
    /// Waits for the sinks' background work, as long as the writer is not asked to stop.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub(super) fn finish(&mut self, requests: Requests<'_>, events: &mut dyn Events) -> Result<(), Error> {
        let (flags, after_stop) = (self.flags, self.stuck_after);
        let patience = Patience { flags, until: None, after_stop, least: after_stop };
        for Placed { place, out, mut sink } in std::mem::take(&mut self.sinks) {
            let finish = move || {
                let mut kept = Kept::default();
                let done = sink.handle(SinkRequest::Finish, &mut kept);
                (sink, done, kept)
            };
            match patience.call(requests, finish, drop)? {
                Called::Done((sink, done, kept)) => {
                    kept.report_to(events);
                    done.map_err(Error::Thread)?;
                    self.sinks.push(Placed { place, out, sink });
                }
                Called::Blocked(thread) => self.blocked.push(Blocked::new(place, thread)),
            }
        }
        Ok(())
    }

    /// Closes the sinks. `acknowledged`: every record in them is acknowledged. Adds an error for each one that could
    /// not be synced, unless there is one already.
    pub(super) fn close(&mut self, acknowledged: bool, errors: &mut Vec<Error>, events: &mut dyn Events) {
        let patience = self.patience();
        for Placed { place, out, sink } in std::mem::take(&mut self.sinks) {
            let close = move || {
                let mut kept = Kept::default();
                let synced = sink.close(acknowledged, &mut kept);
                (synced, kept)
            };
            let is_known =
                errors.iter().any(|error| matches!(error, Error::Sync { out: of, .. } if *of == out));
            match patience.call(Requests::to(&[]), close, drop) {
                Ok(Called::Done((synced, kept))) => {
                    kept.report_to(events);
                    let not_synced = synced.err().filter(|_| !is_known);
                    errors.extend(not_synced.map(|NotSynced { source, records }| Error::Sync {
                        out,
                        source,
                        records,
                    }));
                }
                Ok(Called::Blocked(thread)) => self.leave(Blocked::new(place, thread), events),
                Err(error) => events.report(&error.to_string()),
            }
        }
    }

    /// Drops the sinks that were not closed. Returns the files whose disks do not answer.
    pub(super) fn end(mut self) -> Vec<Blocked> {
        let patience = self.patience();
        for Placed { place, sink, .. } in std::mem::take(&mut self.sinks) {
            // Without a thread the sink is dropped here.
            if let Ok(Called::Blocked(thread)) = patience.call(Requests::to(&[]), move || drop(sink), drop) {
                self.blocked.push(Blocked::new(place, thread));
            }
        }
        self.blocked
    }

    /// For all sinks together. A request to stop does not shorten it: their last syncs are due.
    fn patience(&self) -> Patience<'c> {
        let time = if self.is_last { self.stuck_after } else { QUIESCE_WITHIN };
        let until = Some(Instant::now() + time);
        Patience { flags: self.flags, until, after_stop: Duration::from_secs(86_400), least: EACH }
    }

    fn leave(&mut self, blocked: Blocked, events: &mut dyn Events) {
        if let (true, Place::File(path)) = (self.is_last, &blocked.place) {
            let path = path.display();
            events.report(&format!("cannot close {path}: {NO_ANSWER}; every record in it is written"));
        }
        self.blocked.push(blocked);
    }
}
