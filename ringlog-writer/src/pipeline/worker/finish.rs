//! The end of a thread: it writes what is queued, as far as possible.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Ended, GIVES_UP_WITHIN, Standing, Worker};
use crate::error::Error;
use crate::events::Events;
use crate::pipeline::delivery::Delivery;

/// How long a thread that is to end is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Limit {
    /// It is ordered to give up at this time, and left behind if it then writes nothing for [`GIVES_UP_WITHIN`].
    GivesUpAt(Instant),
    /// It is left behind once it has written nothing for so long, but has [`GIVES_UP_WITHIN`] to obey in any case: it
    /// may be waiting before its next attempt.
    WritesNothingFor(Duration),
}

impl Worker {
    /// Lets the thread end once its queue is written.
    pub(in crate::pipeline) fn begin_to_end(&mut self) {
        (self.commands, self.ending_since) = (None, Some(Instant::now()));
    }

    /// Whether the thread has ended, or is waited for no longer.
    pub(in crate::pipeline) fn is_over(&self, limit: Limit) -> bool {
        self.thread.is_finished() || self.is_left(limit)
    }

    /// Whether the thread is waited for no longer: a call of the kernel blocks it.
    fn is_left(&self, limit: Limit) -> bool {
        match limit {
            Limit::GivesUpAt(at) if Instant::now() < at => false,
            Limit::GivesUpAt(at) => {
                self.give_up();
                let since = [self.stalled_since(), self.given_up_at.get(), Some(self.written_at)];
                let since = since.into_iter().flatten().fold(at, Instant::max);
                since.elapsed() >= GIVES_UP_WITHIN
            }
            Limit::WritesNothingFor(time) => {
                let had_time = |since: Instant| since.elapsed() >= GIVES_UP_WITHIN;
                self.ending_since.is_some_and(had_time)
                    && self.stalled_since().or(self.ending_since).is_some_and(|since| since.elapsed() >= time)
            }
        }
    }

    /// The end of a thread that is [over](Self::is_over). One that has not ended is left behind: it changes nothing
    /// more than it does in the call that blocks it.
    pub(in crate::pipeline) fn finish(mut self, events: &mut dyn Events) -> Finished {
        if !self.thread.is_finished() {
            self.orders.leave();
            let (written_turn, standing) = (self.written_turn(), self.standing());
            let result = Err(self.unwritten("it takes nothing"));
            let (thread, unsynced) = (Err(self.thread), written_turn);
            return Finished { thread, result, has_resumed: false, written_turn, unsynced, standing };
        }
        let has_resumed = self.poll(Duration::ZERO, 0, events).has_resumed;
        let (written_turn, standing) = (self.written_turn(), self.standing());
        let is_unsynced = matches!(self.ended(), Some(Err(Error::Sync { .. })));
        let unsynced = written_turn.map(|turn| turn + u64::from(is_unsynced));
        let result = match self.ended.take() {
            // The batch that failed is the first in the queue, and what is written of it counts.
            Some(Ended { result, is_in_batch }) => {
                let behind = self.queue.iter().skip(usize::from(is_in_batch)).map(|queued| queued.records);
                result.map_err(|error| error.with_more(behind.sum()))
            }
            None if self.queue.is_empty() => Ok(()),
            None => Err(self.unwritten("the writer was to end at once")),
        };
        match self.thread.join() {
            Ok(delivery) => {
                Finished { thread: Ok(delivery), result, has_resumed, written_turn, unsynced, standing }
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// A thread that was asked to end.
pub(in crate::pipeline) struct Finished {
    /// The delivery; the thread itself if it was left behind.
    pub(in crate::pipeline) thread: Result<Delivery, JoinHandle<Delivery>>,
    /// [`Error::Write`] with the number of records that were queued and are not written.
    pub(in crate::pipeline) result: Result<(), Error>,
    /// Whether writing has succeeded again meanwhile.
    pub(in crate::pipeline) has_resumed: bool,
    /// The turn up to which every batch is written; `None` if all are.
    pub(in crate::pipeline) written_turn: Option<u64>,
    /// The same with a batch that is written and not synced.
    pub(in crate::pipeline) unsynced: Option<u64>,
    /// Also where the reader has gone, which is no error.
    pub(in crate::pipeline) standing: Standing,
}
