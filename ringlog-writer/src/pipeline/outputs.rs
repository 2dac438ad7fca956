//! The outputs of a running writer: how much each has queued, and which of them are waited for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringlog::admin::RotationOutcome;
use ringlog::reader::{Entry, Step};

use super::blocked::Blocked;
use super::context::Context;
use super::delivery::Delivery;
use super::output::{EndingOutput, FinishedOutput, Others, Output, Pressure};
use super::router::HandlerMask;
use super::worker::{GIVES_UP_WITHIN, Limit};
use crate::error::Error;
use crate::events::Events;
use crate::sink::Unrotatable;
use crate::sink::{Guarantee, Place};
use crate::status::OutputStatus;

/// The size at which a batch is written; in an idle ring it is written at once. Larger batches are not faster, and
/// hold blocks longer.
const BATCH_BYTES: usize = 64 << 10;

/// When the writer stops, a file that writes nothing is given up, but not before this time: a disk may be busy for a
/// moment, and its records would have to be written by another writer.
const STUCK_MIN: Duration = Duration::from_secs(1);
/// How long a session that is followed by another one waits at its end for outputs to write what is queued; for a file
/// as long as it writes anything in such a time. What is not written by then stays in the rings.
pub(super) const QUIESCE_WITHIN: Duration = Duration::from_secs(2);
/// How often the outputs that are to end are looked at.
const ENDING: Duration = Duration::from_millis(5);
/// When no process logs any more, an output that only fails is waited for this many times as long as one that takes
/// nothing when the writer stops: a disk that is full may be emptied.
const FAILING_TIMES: u32 = 12;
/// Longer times to wait count as this one.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 86_400);

/// A set of outputs, one bit each.
pub(super) type OutputMask = u64;

pub(super) struct Outputs {
    all: Vec<Output>,
    /// Every ring drops records when it is full, so waiting loses records in any case.
    may_lose: bool,
    batch_max: usize,
    /// When the writer stops, an output that does not end by itself, such as a pipe that is not read, is waited for at
    /// most this long; and one that does as long as it writes anything in such a time.
    stop_timeout: Duration,
    /// When outputs that do not end by themselves are given up.
    give_up_at: Option<Instant>,
    /// Whether the files are given up then too.
    ends_now: bool,
}

impl Outputs {
    /// `may_lose`: every ring drops records when it is full. `ring_bytes`: the size of the smallest ring.
    /// `stop_timeout`: how long an output that takes nothing is waited for when the writer stops.
    pub(super) fn new(all: Vec<Output>, may_lose: bool, ring_bytes: u64, stop_timeout: Duration) -> Outputs {
        // In a small ring the producers need the space of a smaller batch.
        let batch_max = BATCH_BYTES.min(ring_bytes as usize / 8);
        let stop_timeout = stop_timeout.min(TIMEOUT_MAX);
        Outputs { all, may_lose, batch_max, stop_timeout, give_up_at: None, ends_now: false }
    }

    /// The outputs of the handlers in the mask.
    #[inline]
    pub(super) fn of(&self, mask: HandlerMask) -> OutputMask {
        let numbered = self.all.iter().enumerate();
        numbered.fold(0, |set, (number, output)| set | OutputMask::from(output.is_for(mask)) << number)
    }

    /// Formats an entry for the handlers in the mask.
    #[inline]
    pub(super) fn format(
        &mut self,
        mask: HandlerMask,
        ring: usize,
        entry: &Entry<'_>,
        events: &mut dyn Events,
    ) {
        for output in self.all.iter_mut().filter(|output| output.is_for(mask)) {
            output.format(mask, ring, entry, events);
        }
    }

    /// Completes the entry that was formatted last. `step`: how it moves its ring's cursor.
    #[inline]
    pub(super) fn complete(&mut self, mask: HandlerMask, ring: usize, unix_ns: u64, step: Step) {
        for output in self.all.iter_mut().filter(|output| output.is_for(mask)) {
            output.complete(ring, unix_ns, step);
        }
    }

    /// Whether one of them writes there.
    pub(super) fn have(&self, place: &Place) -> bool {
        self.all.iter().any(|output| output.place() == place)
    }

    /// Whether a batch is large enough to be written.
    #[inline]
    pub(super) fn are_full(&self) -> bool {
        self.all.iter().any(|output| output.is_full(self.batch_max))
    }

    /// The length of the lines in all present batches.
    pub(super) fn batch_bytes(&self) -> u64 {
        self.all.iter().map(|output| output.batch_len() as u64).sum()
    }

    /// Whether a delivery has ended with an error.
    pub(super) fn have_failed(&self) -> bool {
        self.all.iter().any(Output::has_failed)
    }

    /// The name of an output that is waited for, and has failed for long without writing anything.
    pub(super) fn failing_for_long(&self) -> Option<&str> {
        let bound = self.stop_timeout.saturating_mul(FAILING_TIMES);
        let is_waited_for =
            |output: &&Output| output.guarantee() != Guarantee::BestEffort && output.is_attached();
        let failing =
            self.all.iter().filter(is_waited_for).find(|output| output.worker().is_failing_for(bound));
        failing.map(Output::out)
    }

    /// Sends the present batches to the threads.
    pub(super) fn write(&mut self, turn: u64, context: &Context<'_>) {
        let cursors = context.sources.cursors();
        self.all.iter_mut().for_each(|output| output.write(turn, &cursors));
    }

    /// The turn up to which every output that is waited for has written; `None` if nothing is queued.
    pub(super) fn written_turn(&self) -> Option<u64> {
        if self.all_gone() {
            // What the last one has not written is left for another writer.
            return self.all.iter().filter_map(|output| output.worker().written_turn()).min();
        }
        self.all.iter().filter_map(Output::written_turn).min()
    }

    /// Processes the events of the threads; waits up to `wait` for the slowest of those that are waited for.
    pub(super) fn poll(&mut self, wait: Duration, events: &mut dyn Events) {
        if let Some(at) = self.give_up_at.filter(|at| Instant::now() >= *at) {
            let stuck_after = self.stuck_after();
            for output in &mut self.all {
                if ends_by_itself(output) {
                    output.give_up_if_stuck(stuck_after);
                    continue;
                }
                output.worker().give_up();
                // A thread that does not obey is in a call of the kernel.
                if output.guarantee() != Guarantee::BestEffort && at.elapsed() >= GIVES_UP_WITHIN {
                    output.give_up_if_stuck(GIVES_UP_WITHIN);
                }
            }
        }
        let keep = 16 * self.batch_max;
        let slowest = self.written_turn();
        if slowest.is_none() {
            std::thread::sleep(wait);
        }
        let others = match self.readers() {
            _ if self.all.len() == 1 => Others::Never,
            0 | 1 => Others::Gone,
            _ => Others::Some,
        };
        let is_stopping = self.give_up_at.is_some();
        for output in &mut self.all {
            let is_slowest = slowest.is_some() && output.written_turn() == slowest;
            output.poll(if is_slowest { wait } else { Duration::ZERO }, keep, others, is_stopping, events);
        }
    }

    /// The number of outputs whose reader has not gone.
    fn readers(&self) -> usize {
        self.all.iter().filter(|output| !output.has_lost_reader()).count()
    }

    /// Whether the reader of every output has gone.
    pub(super) fn all_gone(&self) -> bool {
        !self.all.is_empty() && self.readers() == 0
    }

    /// If the reader of every output has gone: the name of the output that came furthest.
    pub(super) fn last_gone(&self) -> Option<String> {
        let all_gone = self.all.iter().filter(|_| self.all_gone());
        let last = all_gone.max_by_key(|output| output.worker().written_turn().unwrap_or(u64::MAX));
        last.map(|output| output.out().to_owned())
    }

    /// Whether an output has so much queued that no more entries should be taken from the rings.
    pub(super) fn are_behind(&self) -> bool {
        let is_alone = self.all.iter().filter(|output| output.takes_entries()).count() == 1;
        self.all.iter().any(|output| output.is_behind(is_alone))
    }

    /// Whether the present batches may be sent. An only output without positions gets one when everything before is
    /// acknowledged, so that after a crash no more than that is written twice.
    pub(super) fn are_ready(&self) -> bool {
        match &self.all[..] {
            [only] => {
                let is_waiting = only.takes_entries() && only.worker().queued_bytes() > 0;
                only.guarantee() == Guarantee::ExactlyOnce || !is_waiting
            }
            _ => true,
        }
    }

    /// Detaches outputs that do not keep up if there are others that do, and attaches those again that have caught up.
    /// Returns whether one has got a line about records that were left out.
    pub(super) fn update_detached(
        &mut self,
        is_ending: bool,
        is_nearly_full: bool,
        events: &mut dyn Events,
    ) -> bool {
        let pressure = Pressure { may_lose: self.may_lose, is_nearly_full, is_ending };
        // What no output takes waits in the rings.
        let keeps_up = |output: &Output| {
            output.takes_entries() && output.guarantee() != Guarantee::BestEffort && !output.is_late(pressure)
        };
        let some_keep_up = self.all.iter().any(keeps_up);
        let has_others = self.readers() > 1;
        let mut has_lines = false;
        for output in &mut self.all {
            let may_leave_out = some_keep_up || (has_others && output.guarantee() == Guarantee::BestEffort);
            if may_leave_out && output.is_attached() && output.is_late(pressure) {
                output.detach(events);
            } else {
                has_lines |= output.attach_if_caught_up(events);
            }
        }
        has_lines
    }

    /// Starts a rotation of every output that has closed files. Reports those that have none, and returns which kinds
    /// there are.
    pub(super) fn rotate(&mut self, unix_ns: u64, events: &mut dyn Events) -> RotationOutcome {
        let mut outcome = RotationOutcome::default();
        for output in &mut self.all {
            // A sink that has nothing to close may be blocked, and would never answer.
            if let Some(why) = output.unrotatable() {
                match why {
                    Unrotatable::Console => outcome.console = true,
                    Unrotatable::Irregular => outcome.irregular = true,
                    Unrotatable::WithoutCheckpoint => outcome.without_checkpoint = true,
                }
                events.report(&format!("{} cannot be rotated: {why}", output.out()));
            } else if !output.has_lost_reader() {
                outcome.has_rotated = true;
                output.worker_mut().rotate(unix_ns);
            }
        }
        outcome
    }

    /// Counts the wall clock as right in every sink.
    pub(super) fn trust_clock(&self) {
        self.all.iter().for_each(|output| output.worker().trust_clock());
    }

    /// Reopens the files.
    pub(super) fn reopen(&self) {
        self.all.iter().for_each(|output| output.worker().reopen());
    }

    /// Whether a request to rotate or to reopen is still to be carried out.
    pub(super) fn are_handling(&self) -> bool {
        self.all.iter().any(|output| output.worker().is_handling())
    }

    /// How the outputs are doing.
    pub(super) fn status(&self) -> Vec<OutputStatus> {
        self.all.iter().map(Output::status).collect()
    }

    /// Makes every delivery give up at its next failure; those that do not end by themselves, after the time for which
    /// they are waited for too. `since`: when the writer was asked to stop.
    pub(super) fn stop(&mut self, since: Instant) {
        self.stop_at(since + self.stop_timeout);
    }

    /// As [`stop`](Self::stop), but those that do not end by themselves are given up now.
    pub(super) fn give_up(&mut self) {
        self.stop_at(Instant::now());
    }

    fn stop_at(&mut self, give_up_at: Instant) {
        self.all.iter().for_each(|output| output.worker().stop_retrying());
        self.give_up_at = Some(self.give_up_at.map_or(give_up_at, |at| at.min(give_up_at)));
    }

    /// Ends every delivery after the batch that it is writing.
    pub(super) fn end_now(&mut self) {
        self.all.iter().for_each(|output| output.worker().end_now());
        (self.give_up_at, self.ends_now) = (Some(Instant::now()), true);
    }

    /// Waits until everything queued is written, as far as possible. `is_last`: no session follows.
    pub(super) fn finish(mut self, is_last: bool, context: &mut Context<'_>) -> Outcome {
        let cursors = context.sources.cursors();
        self.all.iter_mut().for_each(|output| output.write_left_out(&cursors));
        let mut outcome = Outcome {
            deliveries: Vec::new(),
            blocked: Vec::new(),
            errors: Vec::new(),
            status: Vec::new(),
            whole: 0,
            written_turn: u64::MAX,
            unsynced_turn: u64::MAX,
        };
        let mut numbered = BTreeMap::new();
        let all_gone = self.all_gone();
        // Where no reader is left, the rings keep what the last output has not written.
        let still_read = if all_gone { Others::Gone } else { Others::Some };
        let still_read = self.give_up_at.map(|_| still_read);
        let limits: Vec<Limit> = self.all.iter().map(|output| self.limit(output, is_last)).collect();
        let numbered_outputs = self.all.into_iter().zip(limits).enumerate();
        let (files, others): (Vec<_>, Vec<_>) =
            numbered_outputs.partition(|(_, (output, _))| ends_by_itself(output));
        let begin_to_end = |(number, (output, limit)): (usize, (Output, Limit))| {
            // What the last one has not written is left for another writer.
            let gone_at = output.worker().written_turn().filter(|_| all_gone);
            (number, gone_at, output.begin_to_end(limit))
        };
        let mut ending: Vec<_> = files.into_iter().chain(others).map(begin_to_end).collect();
        // All at once: the time for one is the time for all.
        loop {
            let mut wait = ENDING;
            let mut is_over = |output: &mut EndingOutput| {
                let is_over = output.is_over(wait, context.flags.now, context.events);
                wait = if is_over { wait } else { Duration::ZERO };
                is_over
            };
            if ending.iter_mut().fold(true, |all, (_, _, output)| is_over(output) && all) {
                break;
            }
        }
        for (number, gone_at, output) in ending {
            let FinishedOutput { place, thread, result, is_whole, written_turn, unsynced_turn, status } =
                output.finish(still_read, context.events);
            for turn in gone_at.into_iter().chain(written_turn) {
                outcome.written_turn = outcome.written_turn.min(turn);
            }
            for turn in gone_at.into_iter().chain(unsynced_turn) {
                outcome.unsynced_turn = outcome.unsynced_turn.min(turn);
            }
            let name = status.out.clone();
            numbered.insert(number, status);
            outcome.errors.extend(result.err().map(|error| Unwritten { place: place.clone(), name, error }));
            match thread {
                Ok(delivery) => outcome.deliveries.push((place, delivery)),
                Err(thread) => outcome.blocked.push(Blocked::new(place, thread)),
            }
            outcome.whole |= OutputMask::from(is_whole) << number;
        }
        outcome.status = numbered.into_values().collect();
        outcome
    }

    /// How long an output is waited for at the end of a session.
    fn limit(&self, output: &Output, is_last: bool) -> Limit {
        let at = self.give_up_at.unwrap_or_else(|| Instant::now() + self.stop_timeout);
        match ends_by_itself(output) && !self.ends_now && !output.has_failed() {
            false => Limit::GivesUpAt(at),
            true if is_last => Limit::WritesNothingFor(self.stuck_after()),
            true => Limit::WritesNothingFor(QUIESCE_WITHIN),
        }
    }

    /// How long a file may write nothing when the writer stops.
    fn stuck_after(&self) -> Duration {
        stuck_after(self.stop_timeout)
    }
}

/// How long a call of the kernel may block when the writer stops.
pub(super) fn stuck_after(stop_timeout: Duration) -> Duration {
    stop_timeout.clamp(STUCK_MIN, TIMEOUT_MAX)
}

/// Whether a write into the output ends whatever other processes do: it is a file.
fn ends_by_itself(output: &Output) -> bool {
    output.guarantee() == Guarantee::ExactlyOnce
}

/// An output that has not written everything.
pub(super) struct Unwritten {
    pub(super) place: Place,
    /// Its name in the status.
    pub(super) name: String,
    pub(super) error: Error,
}

/// What has come of the outputs at the end of a session.
pub(super) struct Outcome {
    pub(super) deliveries: Vec<(Place, Delivery)>,
    /// The files whose disks do not answer.
    pub(super) blocked: Vec<Blocked>,
    /// The outputs that have not written everything.
    pub(super) errors: Vec<Unwritten>,
    pub(super) status: Vec<OutputStatus>,
    /// The outputs that never lose records and have written all that was for them.
    pub(super) whole: OutputMask,
    /// The turn up to which batches are written by every output that is waited for.
    pub(super) written_turn: u64,
    /// The same with batches that are written and not synced.
    pub(super) unsynced_turn: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_takes_nothing_is_given_up_as_configured() {
        for timeout in [Duration::ZERO, Duration::from_secs(3600), Duration::MAX] {
            let mut outputs = Outputs::new(Vec::new(), false, 1 << 20, timeout);
            let before = Instant::now();
            outputs.stop(Instant::now());
            let (at, after) = (outputs.give_up_at.unwrap(), Instant::now());
            let expected = timeout.min(TIMEOUT_MAX);
            assert!(before + expected <= at && at <= after + expected, "{timeout:?}");
            // A further request does not prolong the time.
            outputs.stop(Instant::now());
            assert_eq!(outputs.give_up_at, Some(at));
            outputs.give_up();
            assert!(outputs.give_up_at <= Some(Instant::now()));
        }
    }
}
