//! The handlers of a running writer: how much each has queued, and which of them are waited for.

use std::time::{Duration, Instant};

use ringlog::admin::RotationOutcome;
use ringlog::reader::Entry;

use super::active_handler::{AT_THE_END, ActiveHandler, Execution, Guarantee, Pressure, QUEUE_MAX};
use super::context::Context;
use super::delivery::{Delivery, Persisted};
use super::router::HandlerMask;
use super::sources::Sources;
use super::worker::{Finished, Worker};
use crate::counted::counted;
use crate::error::Error;
use crate::events::Events;
use crate::sink::Unrotatable;

/// The size at which a batch is written; in an idle ring it is written at once. Larger batches are not faster, and
/// hold blocks longer.
const BATCH_BYTES: usize = 64 << 10;

pub(super) struct Handlers {
    all: Vec<ActiveHandler>,
    /// Every ring drops records when it is full, so waiting loses records in any case.
    may_lose: bool,
    batch_max: usize,
}

impl Handlers {
    /// `may_lose`: every ring drops records when it is full. `ring_bytes`: the size of the smallest ring.
    pub(super) fn new(all: Vec<ActiveHandler>, may_lose: bool, ring_bytes: u64) -> Handlers {
        // In a small ring the producers need the space of a smaller batch.
        let batch_max = BATCH_BYTES.min(ring_bytes as usize / 8);
        Handlers { all, may_lose, batch_max }
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
        for handler in selected(&mut self.all, mask) {
            if handler.takes_entries() {
                handler.formatting.format(ring, entry, events);
            } else {
                handler.leave_out(entry);
            }
        }
    }

    /// Records how the last entry moves its ring's cursor, for the handlers that need it.
    #[inline]
    pub(super) fn record_step(&mut self, mask: HandlerMask, ring: usize, unix_ns: u64, sources: &Sources) {
        for handler in selected(&mut self.all, mask) {
            if !handler.formatting.needs_steps() || !handler.takes_entries() {
                continue;
            }
            let len = handler.formatting.record_step(ring, unix_ns, sources.step(ring));
            if let Execution::Inline(delivery) = &mut handler.execution {
                let start = handler.formatting.batch.bytes.len() - len;
                // Entries of the closed file are acknowledged soon, even if the next file cannot be opened.
                handler.is_at_seam |= delivery.sink.rotates_before(start, len, unix_ns);
            }
        }
    }

    /// Whether a batch is large enough to be written.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.all
            .iter()
            .any(|handler| handler.is_at_seam || handler.formatting.batch.bytes.len() >= self.batch_max)
    }

    /// The length of the lines in all present batches.
    pub(super) fn batch_bytes(&self) -> u64 {
        self.all.iter().map(|handler| handler.formatting.batch.bytes.len() as u64).sum()
    }

    /// Whether a delivery has ended with an error.
    pub(super) fn have_failed(&self) -> bool {
        self.all.iter().any(|handler| handler.has_failed)
    }

    fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.all.iter().filter_map(ActiveHandler::worker)
    }

    /// Writes the present batches, or sends them to the threads.
    pub(super) fn write(&mut self, turn: u64, context: &mut Context<'_>) -> Result<Persisted, Error> {
        let cursors = context.sources.cursors();
        let keep = 16 * self.batch_max;
        for handler in self.all.iter_mut().filter(|handler| !handler.formatting.batch.is_empty()) {
            handler.formatting.end_batch(&cursors);
            handler.is_at_seam = false;
            let batch = &mut handler.formatting.batch;
            match &mut handler.execution {
                Execution::Inline(delivery) => {
                    if delivery.write(batch, context)? == Persisted::ReaderGone {
                        return Ok(Persisted::ReaderGone);
                    }
                    batch.clear(keep);
                }
                Execution::Thread(worker) => *batch = worker.write(turn, std::mem::take(batch)),
            }
        }
        Ok(Persisted::Done)
    }

    /// The turn up to which every handler that is waited for has written; `None` if nothing is queued.
    pub(super) fn written_turn(&self) -> Option<u64> {
        if self.all_gone() {
            // What the last one has not written is left for another writer.
            return self.workers().filter_map(Worker::written_turn).min();
        }
        self.all.iter().filter_map(ActiveHandler::written_turn).min()
    }

    /// Processes the events of the threads; waits up to `wait` for the slowest.
    pub(super) fn poll(&mut self, wait: Duration, events: &mut dyn Events) {
        let keep = 16 * self.batch_max;
        let slowest = self.written_turn();
        let others = self.all.iter().filter(|handler| !handler.reader_gone).count().saturating_sub(1);
        for handler in &mut self.all {
            let is_slowest = slowest.is_some() && handler.written_turn() == slowest;
            let Execution::Thread(worker) = &mut handler.execution else { continue };
            worker.poll(if is_slowest { wait } else { Duration::ZERO }, keep, events);
            match worker.ended() {
                Some(Ok(_)) if !handler.reader_gone => {
                    handler.reader_gone = true;
                    let then = if others > 0 { "; going on without it" } else { "" };
                    events.report(&format!("the reader of {} has gone{then}", worker.out()));
                }
                Some(Err(_)) => handler.has_failed = true,
                _ => {}
            }
        }
    }

    /// Whether the reader of every handler has gone.
    pub(super) fn all_gone(&self) -> bool {
        !self.all.is_empty() && self.all.iter().all(|handler| handler.reader_gone)
    }

    /// Whether an attached handler has so much queued that no more entries should be taken from the rings.
    pub(super) fn are_behind(&self) -> bool {
        let taking = self.all.iter().filter(|handler| handler.takes_entries());
        taking.filter_map(ActiveHandler::worker).any(|worker| worker.queued_bytes() > QUEUE_MAX)
    }

    /// Detaches handlers that do not keep up, if there are others, and attaches those again that have caught up.
    /// Returns whether a handler has got a line about records that were left out.
    pub(super) fn update_detached(
        &mut self,
        is_ending: bool,
        is_nearly_full: bool,
        events: &mut dyn Events,
    ) -> bool {
        let pressure = Pressure { may_lose: self.may_lose, is_nearly_full, is_ending };
        let has_others = self.all.iter().filter(|handler| !handler.reader_gone).count() > 1;
        let mut has_lines = false;
        for handler in &mut self.all {
            let Execution::Thread(worker) = &handler.execution else { continue };
            let out = worker.out();
            if handler.is_attached() && has_others && handler.is_late(worker, pressure) {
                handler.is_detached = true;
                events.report(&format!("{out} does not keep up: the other handlers go on without it"));
            } else if handler.is_detached && worker.queued_bytes() == 0 {
                handler.is_detached = false;
                let left_out = std::mem::take(&mut handler.left_out);
                let count = left_out.count();
                if count > 0 {
                    handler.formatting.format_left_out(count, left_out.unix_ns);
                    has_lines = true;
                }
                let were = if count == 1 { "was" } else { "were" };
                let records = counted(count, "record");
                events.report(&format!("{out} keeps up again; {records} {were} left out of it"));
            }
        }
        has_lines
    }

    /// Starts a rotation of every handler that has closed files. Reports those that have none, and returns which kinds
    /// there are.
    pub(super) fn rotate(
        &mut self,
        unix_ns: u64,
        context: &mut Context<'_>,
    ) -> Result<RotationOutcome, Error> {
        let mut outcome = RotationOutcome::default();
        for handler in &mut self.all {
            // A sink that has nothing to close may be blocked, and would never answer.
            if let Some(why) = handler.unrotatable {
                match why {
                    Unrotatable::Console => outcome.console = true,
                    Unrotatable::Irregular => outcome.irregular = true,
                    Unrotatable::WithoutCheckpoint => outcome.without_checkpoint = true,
                }
                context.events.report(&format!("{} cannot be rotated: {why}", handler.out()));
            } else if !handler.reader_gone {
                outcome.has_rotated = true;
                match &mut handler.execution {
                    Execution::Inline(delivery) => drop(delivery.rotate(unix_ns, context)?),
                    Execution::Thread(worker) => worker.rotate(unix_ns),
                }
            }
        }
        Ok(outcome)
    }

    /// Counts the wall clock as right in every sink.
    pub(super) fn trust_clock(&mut self, context: &mut Context<'_>) {
        for handler in &mut self.all {
            match &mut handler.execution {
                Execution::Inline(delivery) => delivery.trust_clock(context),
                Execution::Thread(worker) => worker.trust_clock(),
            }
        }
    }

    pub(super) fn are_rotating(&self) -> bool {
        self.workers().any(Worker::is_rotating)
    }

    /// Does the periodic work of a sink that is written in the loop; threads do theirs themselves.
    pub(super) fn maintain(&mut self, context: &mut Context<'_>) {
        for handler in &mut self.all {
            if let Execution::Inline(delivery) = &mut handler.execution {
                delivery.maintain(context);
            }
        }
    }

    /// Reopens the file of a sink that is written in the loop.
    pub(super) fn reopen(&mut self, context: &mut Context<'_>) {
        for handler in &mut self.all {
            if let Execution::Inline(delivery) = &mut handler.execution {
                delivery.reopen(context);
            }
        }
    }

    /// Makes every delivery give up at its next failure.
    pub(super) fn expire_deadlines(&mut self) {
        self.workers().for_each(Worker::expire_deadlines);
    }

    /// Waits until everything queued is written, as far as possible.
    pub(super) fn finish(mut self, context: &mut Context<'_>) -> Outcome {
        let cursors = context.sources.cursors();
        let events = &mut *context.events;
        for handler in
            self.all.iter_mut().filter(|handler| handler.is_detached && handler.left_out.count() > 0)
        {
            // Written only if the handler catches up before the deadline.
            let ActiveHandler { formatting, execution: Execution::Thread(worker), left_out, .. } = handler
            else {
                continue;
            };
            formatting.format_left_out(left_out.count(), left_out.unix_ns);
            formatting.end_batch(&cursors);
            let _ = worker.write(u64::MAX, std::mem::take(&mut formatting.batch));
        }
        let has_others = self.all.len() > 1;
        let (mut deliveries, mut result, mut whole_files) = (Vec::new(), Ok(()), 0);
        // Files first, which end by themselves: the others have that time too.
        let numbered = self.all.into_iter().enumerate();
        let (files, others): (Vec<_>, Vec<_>) =
            numbered.partition(|(_, handler)| handler.guarantee == Guarantee::ExactlyOnce);
        for (number, handler) in files.into_iter().chain(others) {
            let worker = match handler.execution {
                Execution::Thread(worker) => worker,
                Execution::Inline(delivery) => {
                    deliveries.push(delivery);
                    continue;
                }
            };
            let out = worker.out().to_owned();
            let may_give_up = handler.guarantee != Guarantee::ExactlyOnce && has_others;
            let Finished { delivery, result: written, queued } =
                worker.finish(may_give_up.then(|| Instant::now() + AT_THE_END), events);
            if delivery.is_none() {
                events.report(&format!("{out} accepts no data; the lines queued for it are discarded"));
            }
            deliveries.extend(delivery);
            let written = match written {
                // The rings have forgotten these records, because the other handlers have written them.
                Err(_) if handler.is_detached => {
                    Err(Error::LeftOut { out, records: handler.left_out.records + queued })
                }
                // The failed batch is among the queued ones, and the handler got no others after it.
                Err(Error::Write { out, source, .. }) => {
                    Err(Error::Write { out, source, records: handler.left_out.records + queued })
                }
                written => written,
            };
            let is_whole = written.is_ok() && handler.guarantee == Guarantee::ExactlyOnce;
            whole_files |= HandlerMask::from(is_whole) << number;
            result = result.and(written);
        }
        Outcome { deliveries, result, whole_files }
    }
}

/// What has come of the handlers at the end of a session.
pub(super) struct Outcome {
    pub(super) deliveries: Vec<Delivery>,
    /// The first error.
    pub(super) result: Result<(), Error>,
    /// The handlers that never lose records and have written all that was for them.
    pub(super) whole_files: HandlerMask,
}

/// The handlers in the mask.
fn selected(all: &mut [ActiveHandler], mask: HandlerMask) -> impl Iterator<Item = &mut ActiveHandler> {
    let numbered = all.iter_mut().enumerate();
    numbered.filter(move |(number, _)| mask >> number & 1 == 1).map(|(_, handler)| handler)
}
