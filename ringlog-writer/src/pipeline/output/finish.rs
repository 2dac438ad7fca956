//! The end of an output: its thread writes what is queued, as far as possible.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::super::delivery::Delivery;
use super::super::worker::{Finished, Limit};
use super::{EndedEarly, Others, Output};
use crate::error::Error;
use crate::events::Events;
use crate::sink::{Guarantee, Place};
use crate::status::OutputStatus;

/// An output whose thread is to end.
pub(in crate::pipeline) struct EndingOutput {
    output: Output,
    limit: Limit,
    /// Whether batches had to wait for it.
    is_waited_for: bool,
    /// How it was doing.
    before: OutputStatus,
    /// The message that writing succeeds again.
    resumed: String,
    has_resumed: bool,
}

impl Output {
    /// Lets the thread end once everything queued is written.
    pub(in crate::pipeline) fn begin_to_end(mut self, limit: Limit) -> EndingOutput {
        let (is_waited_for, before, resumed) = (self.is_waited_for(), self.status(), self.resumed());
        self.worker.begin_to_end();
        EndingOutput { output: self, limit, is_waited_for, before, resumed, has_resumed: false }
    }
}

impl EndingOutput {
    /// Whether the thread has ended, or is waited for no longer: at once after `now` is set, unless it ends then. Waits
    /// up to `wait` for something that the thread reports.
    pub(in crate::pipeline) fn is_over(
        &mut self,
        wait: Duration,
        now: &AtomicBool,
        events: &mut dyn Events,
    ) -> bool {
        self.has_resumed |= self.output.worker.poll(wait, 0, events).has_resumed;
        if now.load(Ordering::Relaxed) {
            self.output.worker.end_now();
            let at_once = Instant::now();
            self.limit = match self.limit {
                Limit::GivesUpAt(at) => Limit::GivesUpAt(at.min(at_once)),
                Limit::WritesNothingFor(_) => Limit::GivesUpAt(at_once),
            };
        }
        self.output.worker.is_over(self.limit)
    }

    /// What has come of an output that is [over](Self::is_over). `others`: whether others have a reader still; `None`
    /// if the writer is not stopping.
    pub(in crate::pipeline) fn finish(
        self,
        others: Option<Others>,
        events: &mut dyn Events,
    ) -> FinishedOutput {
        let EndingOutput { output, is_waited_for, before, resumed, has_resumed: had_resumed, .. } = self;
        let (out, left_out) = (output.worker.out().to_owned(), output.left_out.records);
        let (has_failed, turn) = (output.has_failed(), output.turn);
        let Finished { thread, result, has_resumed, standing, written_turn, unsynced } =
            output.worker.finish(events);
        if had_resumed || has_resumed {
            events.report(&resumed);
        }
        let queued = standing.queued;
        let has_ended_before = output.ended == Some(EndedEarly::ReaderGone);
        let result = match result {
            // It was given up, and has written what it had got since.
            Ok(()) if has_failed && queued + left_out > 0 => {
                let source =
                    std::io::Error::new(std::io::ErrorKind::TimedOut, "it took nothing for too long");
                Err(Error::Write { out: out.clone(), source, records: queued })
            }
            // The reader has gone.
            Ok(()) if others.is_some() && !has_ended_before && queued + left_out > 0 => {
                let source = std::io::Error::new(std::io::ErrorKind::BrokenPipe, "its reader has gone");
                Err(Error::Write { out: out.clone(), source, records: queued })
            }
            result => result,
        };
        // The rings have forgotten what the other outputs have written without it.
        let is_gone = output.ended == Some(EndedEarly::ReaderGoneAtEnd) && others == Some(Others::Some);
        let is_forgotten = output.is_detached || is_gone || output.guarantee == Guarantee::BestEffort;
        let result = result.map_err(|error| match error.with_more(left_out) {
            Error::Write { records, .. } if is_forgotten => Error::LeftOut { out, records },
            error => error,
        });
        let is_whole = result.is_ok() && output.guarantee == Guarantee::ExactlyOnce;
        let status = before.at_the_end(standing, output.left_out_before, &result);
        let got = has_failed.then_some(turn);
        let [written_turn, unsynced_turn] =
            [written_turn, unsynced].map(|turn| turn.into_iter().chain(got).min().filter(|_| is_waited_for));
        FinishedOutput { place: output.place, thread, result, is_whole, written_turn, unsynced_turn, status }
    }
}

/// An output whose thread has ended.
pub(in crate::pipeline) struct FinishedOutput {
    /// Where it writes.
    pub(in crate::pipeline) place: Place,
    /// The delivery; the thread itself if a call of the kernel blocks it.
    pub(in crate::pipeline) thread: Result<Delivery, JoinHandle<Delivery>>,
    /// [`Error::Write`] or [`Error::LeftOut`] with the number of records that it lacks.
    pub(in crate::pipeline) result: Result<(), Error>,
    /// Whether it never loses records and has written all that was for it.
    pub(in crate::pipeline) is_whole: bool,
    /// The turn up to which batches are written, if batches had to wait for it.
    pub(in crate::pipeline) written_turn: Option<u64>,
    /// The same with a batch that is written and not synced.
    pub(in crate::pipeline) unsynced_turn: Option<u64>,
    pub(in crate::pipeline) status: OutputStatus,
}
