//! One output of a running writer: the handlers that write into it, the batch that they fill, the sink in its thread,
//! and whether the other outputs wait for it.

mod finish;
mod status;

use std::time::Duration;

use ringlog::reader::{Body, Cursor, Entry, Step};

pub(super) use self::finish::{EndingOutput, FinishedOutput};

use super::delivery::Delivery;
use super::formatting::{self, Formatting};
use super::router::HandlerMask;
use super::worker::Worker;
use crate::counted::counted;
use crate::error::Error;
use crate::events::Events;
use crate::sink::{Batch, Guarantee, Place, Unrotatable};
use crate::summary::missing;

/// The largest number of entries in a batch.
const ENTRIES_MAX: usize = 8192;
/// The most that an output may have queued before the others go on without it.
const QUEUE_MAX: usize = 64 << 20;
/// The same for an output of which records are not kept in the rings.
const BEST_EFFORT_QUEUE_MAX: usize = 1 << 20;
/// How long an output is waited for while a ring is nearly full. A disk that is busy for a moment must not lose
/// records.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long an output without a guarantee of its own end, such as a pipe that is not read, is waited for when the
/// writer stops and there are other outputs.
const AT_THE_END: Duration = Duration::from_secs(1);

/// The file or stream of one handler or several.
pub(super) struct Output {
    /// The absolute path of the file, or the name of the stream.
    name: String,
    /// Where it writes, as it was found when it was opened.
    place: Place,
    handlers: Vec<Formatting>,
    /// The bits of the handlers.
    bits: HandlerMask,
    batch: Batch,
    /// The sink's position in each ring when the session began; empty if no ring gives out anything before it.
    had: Vec<Cursor>,
    worker: Worker,
    /// The last turn up to which it has got everything that is for it.
    turn: u64,
    guarantee: Guarantee,
    /// Why its sink cannot be rotated.
    unrotatable: Option<Unrotatable>,
    /// The size at which a batch is written.
    batch_max: usize,
    /// Whether the others go on without it at the moment.
    is_detached: bool,
    ended: Option<EndedEarly>,
    /// What it did not get while detached, or after a failure.
    left_out: LeftOut,
    /// The records that it did not get while it was detached before.
    left_out_before: u64,
}

/// Why nothing more can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndedEarly {
    ReaderGone,
    /// The reader has gone while the writer is stopping.
    ReaderGoneAtEnd,
    /// An error, while the writer is stopping.
    Failed,
}

/// What an output did not get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LeftOut {
    /// Records.
    records: u64,
    /// Records that were missing in the rings, of which it did not get the gaps.
    missing: u64,
    /// The handlers of all of them.
    mask: HandlerMask,
    /// The time of the last of them.
    unix_ns: u64,
}

impl LeftOut {
    /// The number of records that are missing in its output.
    fn count(&self) -> u64 {
        self.records.saturating_add(self.missing)
    }
}

/// Whether other outputs go on if the reader of one has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    Some,
    /// The readers of the others have gone too.
    Gone,
    /// The writer has one output.
    Never,
}

/// The circumstances that decide how long an output is waited for.
#[derive(Clone, Copy)]
pub(super) struct Pressure {
    /// Every ring drops records when it is full, so waiting loses records in any case.
    pub(super) may_lose: bool,
    pub(super) is_nearly_full: bool,
    pub(super) is_ending: bool,
}

impl Output {
    /// An output with its sink's thread. `name`: the absolute path of its file, or the name of its stream.
    /// `guarantee`: that of the sink, among the others.
    pub(super) fn start(
        name: String,
        place: Place,
        handlers: Vec<Formatting>,
        delivery: Delivery,
        guarantee: Guarantee,
        had: Vec<Cursor>,
    ) -> Result<Output, Error> {
        Ok(Output {
            name,
            place,
            bits: handlers.iter().fold(0, |bits, handler| bits | handler.bit()),
            handlers,
            batch: Batch::default(),
            had,
            guarantee,
            unrotatable: delivery.sink().unrotatable(),
            batch_max: delivery.sink().batch_max(),
            worker: Worker::start(delivery).map_err(Error::Thread)?,
            turn: 0,
            is_detached: false,
            ended: None,
            left_out: LeftOut::default(),
            left_out_before: 0,
        })
    }

    /// The name of its file or stream in messages.
    pub(super) fn out(&self) -> &str {
        self.worker.out()
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn worker(&self) -> &Worker {
        &self.worker
    }

    pub(super) fn worker_mut(&mut self) -> &mut Worker {
        &mut self.worker
    }

    pub(super) fn guarantee(&self) -> Guarantee {
        self.guarantee
    }

    pub(super) fn unrotatable(&self) -> Option<Unrotatable> {
        self.unrotatable
    }

    /// Whether one of its handlers is in the mask.
    #[inline]
    pub(super) fn is_for(&self, mask: HandlerMask) -> bool {
        self.bits & mask != 0
    }

    pub(super) fn is_attached(&self) -> bool {
        !self.is_detached && !self.has_lost_reader()
    }

    pub(super) fn has_lost_reader(&self) -> bool {
        matches!(self.ended, Some(EndedEarly::ReaderGone | EndedEarly::ReaderGoneAtEnd))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.ended == Some(EndedEarly::Failed)
    }

    /// Gives the output up if it has written nothing for so long: a call of the kernel blocks it, as for a disk on the
    /// network that does not answer.
    pub(super) fn give_up_if_stuck(&mut self, since: Duration) {
        if self.ended.is_none() && self.worker.stalled() >= since {
            self.ended = Some(EndedEarly::Failed);
        }
    }

    /// Whether it gets further entries. After a failure it does not, and the rings keep what it has not written.
    #[inline]
    pub(super) fn takes_entries(&self) -> bool {
        !self.is_detached && self.ended.is_none()
    }

    /// Whether it has so much queued that no more entries should be taken from the rings.
    pub(super) fn is_behind(&self, is_alone: bool) -> bool {
        // Reading ahead helps the other outputs only.
        let most = if is_alone { BEST_EFFORT_QUEUE_MAX } else { QUEUE_MAX };
        self.takes_entries() && self.worker.queued_bytes() > most
    }

    /// Whether the others should go on without it.
    pub(super) fn is_late(&self, pressure: Pressure) -> bool {
        let (lag, queued) = (self.worker.lag(), self.worker.queued_bytes());
        match self.guarantee {
            _ if self.ended.is_some() => false,
            Guarantee::BestEffort => queued > BEST_EFFORT_QUEUE_MAX,
            Guarantee::AtLeastOnce if pressure.is_ending && self.worker.stalled() >= AT_THE_END => true,
            Guarantee::ExactlyOnce | Guarantee::AtLeastOnce => {
                let is_slow = pressure.is_nearly_full && lag >= PATIENCE;
                pressure.may_lose && (is_slow || queued > QUEUE_MAX)
            }
        }
    }
}

/// The batch.
impl Output {
    /// Appends the lines of an entry by the handlers in the mask.
    #[inline]
    pub(super) fn format(
        &mut self,
        mask: HandlerMask,
        ring: usize,
        entry: &Entry<'_>,
        events: &mut dyn Events,
    ) {
        if !self.takes_entries() {
            return self.leave_out(mask, entry);
        }
        let lines = self.batch.begin(entry);
        for handler in self.handlers.iter_mut().filter(|handler| handler.bit() & mask != 0) {
            handler.format(ring, entry, lines, events);
        }
    }

    fn leave_out(&mut self, mask: HandlerMask, entry: &Entry<'_>) {
        match &entry.body {
            Body::Record(_) => self.left_out.records += 1,
            Body::Gap(gap) => self.left_out.missing = self.left_out.missing.saturating_add(missing(gap)),
            _ => {}
        }
        self.left_out.mask |= mask;
        self.left_out.unix_ns = entry.unix_ns;
    }

    /// Completes the entry that was formatted last, or removes it if the sink has it already.
    #[inline]
    pub(super) fn complete(&mut self, ring: usize, unix_ns: u64, step: Step) {
        if !self.takes_entries() {
        } else if self.had.get(ring).is_some_and(|had| had.covers(&step)) {
            self.batch.discard();
        } else {
            self.batch.complete(unix_ns, Some((ring, step)));
        }
    }

    /// Appends one line for what was left out, of the first handler that lacks any of it and can write it.
    fn format_left_out(&mut self) {
        let LeftOut { unix_ns, mask, .. } = self.left_out;
        let entry = formatting::left_out(self.left_out.count(), unix_ns);
        let lines = self.batch.begin(&entry);
        let mut concerned = self.handlers.iter_mut().filter(|handler| handler.bit() & mask != 0);
        if let Some(handler) = concerned.find(|handler| handler.writes_gaps()) {
            handler.format_left_out(&entry, lines);
        }
        self.batch.complete(unix_ns, None);
    }

    /// Whether the batch is large enough to be written, for a ring with room for this size.
    #[inline]
    pub(super) fn is_full(&self, ring_max: usize) -> bool {
        let is_long = self.batch.bytes().len() >= ring_max.min(self.batch_max);
        // Entries without lines, such as gaps in the raw format, take memory too.
        is_long || self.batch.entries().len() >= ENTRIES_MAX
    }

    pub(super) fn batch_len(&self) -> usize {
        self.batch.bytes().len()
    }

    /// Sends the batch to the sink's thread, if there is anything in it. After it the rings stand at these cursors.
    pub(super) fn write(&mut self, turn: u64, cursors: &[Cursor]) {
        if self.takes_entries() {
            self.turn = turn;
        }
        if self.batch.is_empty() {
            return;
        }
        let mut had = self.had.iter();
        self.batch.end(cursors.iter().cloned().map(|mut cursor| {
            // Lanes whose records the rings have not given out again yet keep their old positions.
            had.next().into_iter().for_each(|had| cursor.join(had));
            cursor
        }));
        self.batch = self.worker.write(turn, std::mem::take(&mut self.batch));
    }
}

/// The sink's thread.
impl Output {
    /// The turn up to which the output has written; `None` if no batch has to wait for it.
    pub(super) fn written_turn(&self) -> Option<u64> {
        if self.is_waited_for() { self.limited(self.worker.written_turn()) } else { None }
    }

    /// The turn up to which everything is written, where the thread has written up to `written`, or all that it has got
    /// if `None`: an output that was given up has not got what came then.
    fn limited(&self, written: Option<u64>) -> Option<u64> {
        let got = self.has_failed().then_some(self.turn);
        written.into_iter().chain(got).min()
    }

    fn is_waited_for(&self) -> bool {
        self.is_attached() && self.guarantee != Guarantee::BestEffort
    }

    /// Processes the events of the thread; waits for the first up to `wait`.
    pub(super) fn poll(
        &mut self,
        wait: Duration,
        keep: usize,
        others: Others,
        is_stopping: bool,
        events: &mut dyn Events,
    ) {
        if self.worker.poll(wait, keep, events).has_resumed {
            events.report(&self.resumed());
        }
        match self.worker.ended() {
            Some(Ok(())) if !self.has_lost_reader() => {
                self.ended = Some(match is_stopping {
                    true => EndedEarly::ReaderGoneAtEnd,
                    false => EndedEarly::ReaderGone,
                });
                let then = match others {
                    // The error at the end says it, if records are left.
                    _ if is_stopping => return,
                    Others::Never => return,
                    Others::Gone => "",
                    Others::Some => "; going on without it",
                };
                events.report(&format!("the reader of {} has gone{then}", self.worker.out()));
            }
            Some(Err(_)) => self.ended = Some(EndedEarly::Failed),
            _ => {}
        }
    }

    /// The message that writing succeeds again.
    fn resumed(&self) -> String {
        let is_whole = !self.is_detached && self.left_out.count() == 0;
        let lost = if is_whole { "; no record was lost" } else { "" };
        format!("writing to {} again{lost}", self.worker.out())
    }

    /// Lets the others go on without it.
    pub(super) fn detach(&mut self, events: &mut dyn Events) {
        self.is_detached = true;
        let out = self.worker.out();
        events.report(&format!("{out} does not keep up: the other handlers go on without it"));
    }

    /// Attaches the output again when it has caught up. Returns whether it has got a line about records that were left
    /// out.
    pub(super) fn attach_if_caught_up(&mut self, events: &mut dyn Events) -> bool {
        if self.is_detached && self.worker.queued_bytes() == 0 {
            let count = self.left_out.count();
            if count > 0 {
                self.format_left_out();
            }
            self.left_out_before += self.left_out.records;
            (self.is_detached, self.left_out) = (false, LeftOut::default());
            let were = if count == 1 { "was" } else { "were" };
            let (out, records) = (self.worker.out(), counted(count, "record"));
            events.report(&format!("{out} keeps up again; {records} {were} left out of it"));
            return count > 0;
        }
        false
    }

    /// Sends a last line about what was left out, which is written only if the output catches up before the end.
    pub(super) fn write_left_out(&mut self, cursors: &[Cursor]) {
        if self.is_detached && self.left_out.count() > 0 {
            self.format_left_out();
            self.write(u64::MAX, cursors);
        }
    }
}

#[cfg(test)]
mod tests;
