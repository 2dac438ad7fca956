//! The end of an output: its thread writes what is queued, as far as possible.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::super::delivery::Delivery;
use super::super::worker::Finished;
use super::{EndedEarly, Others, Output};
use crate::error::Error;
use crate::events::Events;
use crate::sink::Guarantee;
use crate::status::OutputStatus;

impl Output {
    /// Ends the thread once everything queued is written. With a deadline it gives up then, and at once when `now` is
    /// set. `others`: whether others have a reader still; `None` if the writer is not stopping.
    pub(in crate::pipeline) fn finish(
        self,
        deadline: Option<Instant>,
        others: Option<Others>,
        now: &AtomicBool,
        events: &mut dyn Events,
    ) -> FinishedOutput {
        let (out, left_out) = (self.worker.out().to_owned(), self.left_out.records);
        let (is_waited_for, before, resumed) = (self.is_waited_for(), self.status(), self.resumed());
        let (has_failed, turn) = (self.has_failed(), self.turn);
        let Finished { delivery, result, has_resumed, standing, written_turn, unsynced } =
            self.worker.finish(deadline, now, events);
        if has_resumed {
            events.report(&resumed);
        }
        let queued = standing.queued;
        let has_ended_before = self.ended == Some(EndedEarly::ReaderGone);
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
        let is_gone = self.ended == Some(EndedEarly::ReaderGoneAtEnd) && others == Some(Others::Some);
        let is_forgotten = self.is_detached || is_gone;
        let result = result.map_err(|error| match error.with_more(left_out) {
            Error::Write { records, .. } if is_forgotten => Error::LeftOut { out, records },
            error => error,
        });
        let is_whole = result.is_ok() && self.guarantee == Guarantee::ExactlyOnce;
        let status = before.at_the_end(standing, self.left_out_before, &result);
        let got = has_failed.then_some(turn);
        let [written_turn, unsynced_turn] =
            [written_turn, unsynced].map(|turn| turn.into_iter().chain(got).min().filter(|_| is_waited_for));
        FinishedOutput { delivery, result, is_whole, written_turn, unsynced_turn, status }
    }
}

/// An output whose thread has ended.
pub(in crate::pipeline) struct FinishedOutput {
    /// `None` if a call of the kernel blocks the thread.
    pub(in crate::pipeline) delivery: Option<Delivery>,
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
