//! A delivery: a sink with its position, which writes batches whole and retries until that succeeds.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use ringlog::reader::Cursor;

use super::batch::{Batch, BatchEntry};
use crate::counted::counted;
use crate::error::Error;
use crate::events::Events;
use crate::sink::{Maintained, Sink};

/// The pause before the second attempt. It doubles with each further one.
const RETRY_MIN: Duration = Duration::from_millis(10);
/// The longest pause between two attempts.
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How often requests are looked at during such a pause.
const CHECK_EVERY: Duration = Duration::from_millis(20);

/// What a delivery asks of, and reports to, the code that runs it.
pub(super) trait DeliveryContext {
    /// Whether the writer is stopping. Failed attempts are not repeated then.
    fn is_stopping(&self) -> bool;

    /// Whether the sink's file has to be reopened.
    fn wants_reopening(&self) -> bool;

    /// Clears that request.
    fn reopening(&self);

    /// Called before each pause between two attempts.
    fn waiting(&mut self);

    /// Reports that writing to `out` succeeds again.
    fn resumed(&mut self, out: &str);

    /// The receiver of messages.
    fn events(&mut self) -> &mut dyn Events;
}

/// The result of writing a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persisted {
    Done,
    /// The reader of a pipe has gone; nothing more can be written.
    ReaderGone,
}

/// A sink, and the position of each ring in it.
pub(super) struct Delivery {
    /// The name of the file or stream in messages.
    pub(super) out: String,
    pub(super) sink: Box<dyn Sink>,
    /// The position of each ring in the sink.
    cursors: Vec<Cursor>,
    /// Whether it has been reported that a moved file cannot be reopened.
    is_reported: bool,
}

/// The progress of writing a part of a batch.
struct Attempt<'a> {
    bytes: &'a [u8],
    /// The rings' cursors after it.
    cursors: &'a [Cursor],
    urgent: bool,
    /// The number of records that stay unwritten if it fails.
    records: u64,
    prepared: bool,
    written: usize,
    /// Whether an attempt has failed, which is reported.
    has_failed: bool,
    /// The pause before the next attempt.
    pause: Duration,
}

impl<'a> Attempt<'a> {
    fn new(batch: &Batch, bytes: &'a [u8], cursors: &'a [Cursor]) -> Attempt<'a> {
        Attempt { urgent: batch.is_urgent, records: batch.counts.records, ..Attempt::of(bytes, cursors) }
    }

    fn of(bytes: &'a [u8], cursors: &'a [Cursor]) -> Attempt<'a> {
        Attempt {
            bytes,
            cursors,
            urgent: false,
            records: 0,
            prepared: false,
            written: 0,
            has_failed: false,
            pause: RETRY_MIN,
        }
    }
}

impl Delivery {
    /// A delivery to a sink in which the rings stand at these cursors.
    pub(super) fn new(out: String, sink: Box<dyn Sink>, cursors: Vec<Cursor>) -> Delivery {
        Delivery { out, sink, cursors, is_reported: false }
    }

    /// Writes a batch, to several files if the sink closes one in between. Failed attempts are repeated.
    pub(super) fn write(
        &mut self,
        batch: &Batch,
        context: &mut dyn DeliveryContext,
    ) -> Result<Persisted, Error> {
        let (mut from, mut at, mut first) = (0, 0, 0);
        for (i, entry) in batch.entries.iter().enumerate() {
            let start = std::mem::replace(&mut at, entry.end);
            if !self.sink.rotates_before(start - from, entry.end - start, entry.unix_ns) {
                continue;
            }
            if start > from {
                self.advance(&batch.entries[first..i]);
                let cursors = std::mem::take(&mut self.cursors);
                let done = self
                    .write_with_retry(&mut Attempt::new(batch, &batch.bytes[from..start], &cursors), context);
                self.cursors = cursors;
                if done? == Persisted::ReaderGone {
                    return Ok(Persisted::ReaderGone);
                }
                (from, first) = (start, i);
            }
            if self.rotate(entry.unix_ns, context)? == Persisted::ReaderGone {
                return Ok(Persisted::ReaderGone);
            }
        }
        let mut attempt = Attempt::new(batch, &batch.bytes[from..], &batch.cursors);
        let done = self.write_with_retry(&mut attempt, context)?;
        self.cursors.clone_from(&batch.cursors);
        Ok(done)
    }

    /// Moves the rings' cursors past these entries.
    fn advance(&mut self, entries: &[BatchEntry]) {
        for (ring, cursor) in self.cursors.iter_mut().enumerate() {
            cursor.advance(entries.iter().filter(|entry| entry.ring == ring).map(|entry| &entry.step));
        }
    }

    /// Closes the sink's file and begins the next one, if it has files.
    pub(super) fn rotate(
        &mut self,
        unix_ns: u64,
        context: &mut dyn DeliveryContext,
    ) -> Result<Persisted, Error> {
        self.retry(&mut Attempt::of(&[], &[]), context, |delivery, _, context| {
            delivery.sink.rotate(unix_ns, context.events())
        })
    }

    fn write_with_retry(
        &mut self,
        attempt: &mut Attempt<'_>,
        context: &mut dyn DeliveryContext,
    ) -> Result<Persisted, Error> {
        self.retry(attempt, context, Delivery::proceed)
    }

    /// Repeats an action until it succeeds, the reader has gone, or the writer is stopping.
    fn retry<'a>(
        &mut self,
        attempt: &mut Attempt<'a>,
        context: &mut dyn DeliveryContext,
        act: impl Fn(&mut Self, &mut Attempt<'a>, &mut dyn DeliveryContext) -> io::Result<()>,
    ) -> Result<Persisted, Error> {
        loop {
            match act(self, attempt, context) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Persisted::ReaderGone),
                // A full non-blocking pipe: slow, but not a failure.
                Err(error) if error.kind() == ErrorKind::WouldBlock && !context.is_stopping() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => self.handle_failure(error, attempt, context)?,
            }
        }
        if attempt.has_failed {
            context.resumed(&self.out);
        }
        Ok(Persisted::Done)
    }

    /// Prepares, writes and commits the rest of an attempt.
    fn proceed(&mut self, attempt: &mut Attempt<'_>, context: &mut dyn DeliveryContext) -> io::Result<()> {
        if !attempt.prepared {
            self.sink.prepare(attempt.bytes, attempt.cursors, context.events())?;
            attempt.prepared = true;
        }
        while let Some(rest) = attempt.bytes.get(attempt.written..).filter(|rest| !rest.is_empty()) {
            let taken = self.sink.write(rest)?;
            if taken == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            attempt.written += taken;
            attempt.pause = RETRY_MIN;
        }
        self.sink.commit(attempt.urgent)
    }

    /// Reports the first failure and pauses before the next attempt.
    ///
    /// # Errors
    /// [`Error::Sync`] or [`Error::Write`] if the writer is stopping.
    fn handle_failure(
        &mut self,
        error: io::Error,
        attempt: &mut Attempt<'_>,
        context: &mut dyn DeliveryContext,
    ) -> Result<(), Error> {
        let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        if is_full && self.sink.free_space(context.events()) {
            return Ok(());
        }
        let out = &self.out;
        if !std::mem::replace(&mut attempt.has_failed, true) {
            let message = format!("cannot write to {out}: {error}; trying again, records wait in the ring");
            context.events().report(&message);
        }
        // A committed batch stays where it is: its file is reopened only after the sync has succeeded.
        let is_committed = self.sink.has_committed();
        let until = Instant::now() + attempt.pause;
        let may_reopen = |context: &dyn DeliveryContext| !is_committed && context.wants_reopening();
        while !context.is_stopping() && !may_reopen(context) && Instant::now() < until {
            std::thread::sleep(CHECK_EVERY.min(attempt.pause));
        }
        context.waiting();
        attempt.pause = (attempt.pause * 2).min(RETRY_MAX);
        if may_reopen(context) {
            context.reopening();
            // The new file gets the whole batch, so the part in the old one is removed.
            self.take_back(attempt.written, context);
            (attempt.prepared, attempt.written) = (false, 0);
            self.reopen(context);
        } else if context.is_stopping() {
            let out = self.out.clone();
            if is_committed {
                return Err(Error::Sync { out, source: error });
            }
            self.take_back(attempt.written, context);
            return Err(Error::Write { out, source: error, records: attempt.records });
        }
        Ok(())
    }

    /// Removes a part of a batch from the sink, because its records will be written again.
    fn take_back(&mut self, written: usize, context: &mut dyn DeliveryContext) {
        if !self.sink.take_back(written as u64) {
            let (out, bytes) = (&self.out, counted(written as u64, "byte"));
            context.events().report(&format!("the last {bytes} of {out} will be written a second time"));
        }
    }

    /// Reopens the sink's file. Reports a failure.
    pub(super) fn reopen(&mut self, context: &mut dyn DeliveryContext) {
        if let Err(error) = self.sink.reopen() {
            context.events().report(&format!("{error}; going on with the file that is open"));
        }
    }

    /// Counts the wall clock as right in the sink. Reports a failure.
    pub(super) fn trust_clock(&mut self, context: &mut dyn DeliveryContext) {
        if let Err(error) = self.sink.trust_clock(context.events()) {
            context.events().report(&format!("{}: {error}; trying again with the next file", self.out));
        }
    }

    /// Does the sink's periodic work. Reports once that a moved file cannot be reopened.
    pub(super) fn maintain(&mut self, context: &mut dyn DeliveryContext) {
        match self.sink.maintain(context.events()) {
            Ok(Maintained::Done) => self.is_reported = false,
            Ok(Maintained::NotDue) => {}
            Err(_) if self.is_reported => {}
            Err(error) => {
                self.is_reported = true;
                context.events().report(&format!("{error}; going on with the file that is open"));
            }
        }
    }
}
