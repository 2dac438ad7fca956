//! Writing a batch whole, whatever the output does.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use ringlog::reader::Cursor;

use super::Events;
use super::batch::Batch;
use crate::error::Error;
use crate::sink::{Looked, Sink};

/// Between two attempts to write to an output that refuses.
const RETRY_MIN: Duration = Duration::from_millis(10);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How long a signal waits to be noticed while the output refuses.
const NOTICE: Duration = Duration::from_millis(20);

/// What goes on outside of the outlet while it waits.
pub(super) trait Outside {
    /// The writer is to end: an output that refuses is not waited for any longer.
    fn is_told_to_end(&self) -> bool;

    /// The output is to be opened anew.
    fn wants_reopening(&self) -> bool;

    /// It is being done.
    fn reopens(&self);

    /// The output refuses; it is tried again later.
    fn waits(&mut self);

    /// The output does not refuse any more.
    fn goes_on(&mut self, out: &str);

    /// Who is told what happens.
    fn events(&mut self) -> &mut dyn Events;
}

/// What writing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persisted {
    Done,
    /// Who read the output has gone; nothing more can be written.
    ReaderGone,
}

/// An output, and up to where it has been written.
pub(super) struct Outlet {
    /// What it is called in messages.
    pub(super) out: String,
    pub(super) sink: Box<dyn Sink>,
    /// Up to where each ring is in it.
    cursors: Vec<Cursor>,
    /// It has been said that the output is not where it was and cannot be opened anew.
    cannot_look: bool,
}

/// How far a part of a batch is.
struct Attempt<'a> {
    bytes: &'a [u8],
    /// Where the rings are behind it.
    cursors: &'a [Cursor],
    urgent: bool,
    /// How many records are lost to the output if it fails.
    records: u64,
    prepared: bool,
    written: usize,
    /// The output has refused, which has been said.
    refused: bool,
    /// How long to wait before the next attempt.
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
            refused: false,
            pause: RETRY_MIN,
        }
    }
}

impl Outlet {
    /// The rings stand at these cursors.
    pub(super) fn new(out: String, sink: Box<dyn Sink>, cursors: Vec<Cursor>) -> Outlet {
        Outlet { out, sink, cursors, cannot_look: false }
    }

    /// Writes the batch, to several files if some have to be closed in between. An output that refuses is tried again
    /// and again.
    pub(super) fn write(&mut self, batch: &Batch, outside: &mut dyn Outside) -> Result<Persisted, Error> {
        let (mut from, mut at, mut first) = (0, 0, 0);
        for (i, place) in batch.places.iter().enumerate() {
            let start = std::mem::replace(&mut at, place.end);
            if !self.sink.closes_before(start - from, place.end - start, place.unix_ns) {
                continue;
            }
            if start > from {
                self.advance(&batch.places[first..i]);
                let cursors = std::mem::take(&mut self.cursors);
                let done =
                    self.insist(&mut Attempt::new(batch, &batch.bytes[from..start], &cursors), outside);
                self.cursors = cursors;
                if done? == Persisted::ReaderGone {
                    return Ok(Persisted::ReaderGone);
                }
                (from, first) = (start, i);
            }
            if self.rotate(place.unix_ns, outside)? == Persisted::ReaderGone {
                return Ok(Persisted::ReaderGone);
            }
        }
        let done = self.insist(&mut Attempt::new(batch, &batch.bytes[from..], &batch.cursors), outside)?;
        self.cursors.clone_from(&batch.cursors);
        Ok(done)
    }

    /// The rings' cursors move on by these entries.
    fn advance(&mut self, places: &[super::batch::Place]) {
        for (ring, cursor) in self.cursors.iter_mut().enumerate() {
            cursor.advance(places.iter().filter(|place| place.ring == ring).map(|place| &place.step));
        }
    }

    /// Begins another file, if the output is one.
    pub(super) fn rotate(&mut self, unix_ns: u64, outside: &mut dyn Outside) -> Result<Persisted, Error> {
        self.until_done(&mut Attempt::of(&[], &[]), outside, |outlet, _, outside| {
            outlet.sink.rotate(unix_ns, outside.events())
        })
    }

    fn insist(&mut self, attempt: &mut Attempt<'_>, outside: &mut dyn Outside) -> Result<Persisted, Error> {
        self.until_done(attempt, outside, Outlet::go_on)
    }

    /// Tries until it is done.
    fn until_done<'a>(
        &mut self,
        attempt: &mut Attempt<'a>,
        outside: &mut dyn Outside,
        act: impl Fn(&mut Self, &mut Attempt<'a>, &mut dyn Outside) -> io::Result<()>,
    ) -> Result<Persisted, Error> {
        loop {
            match act(self, attempt, outside) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Persisted::ReaderGone),
                // A pipe that somebody has made non-blocking is full: that is no trouble, only slow.
                Err(error) if error.kind() == ErrorKind::WouldBlock && !outside.is_told_to_end() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => self.refused(error, attempt, outside)?,
            }
        }
        if attempt.refused {
            outside.goes_on(&self.out);
        }
        Ok(Persisted::Done)
    }

    /// Does what is left to be done.
    fn go_on(&mut self, attempt: &mut Attempt<'_>, outside: &mut dyn Outside) -> io::Result<()> {
        if !attempt.prepared {
            self.sink.prepare(attempt.bytes, attempt.cursors, outside.events())?;
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

    /// The output took nothing. Says so the first time, and waits before the next attempt; an error if
    /// the writer is to end.
    fn refused(
        &mut self,
        error: io::Error,
        attempt: &mut Attempt<'_>,
        outside: &mut dyn Outside,
    ) -> Result<(), Error> {
        let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        if is_full && self.sink.make_room(outside.events()) {
            return Ok(());
        }
        let out = &self.out;
        if !std::mem::replace(&mut attempt.refused, true) {
            let said = format!("cannot write to {out}: {error}; trying again, records wait in the ring");
            outside.events().say(&said);
        }
        // What counts stays where it is, also if another file is to be begun; that comes after it.
        let counts = self.sink.has_committed();
        let until = Instant::now() + attempt.pause;
        let may_reopen = |outside: &dyn Outside| !counts && outside.wants_reopening();
        while !outside.is_told_to_end() && !may_reopen(outside) && Instant::now() < until {
            std::thread::sleep(NOTICE.min(attempt.pause));
        }
        outside.waits();
        attempt.pause = (attempt.pause * 2).min(RETRY_MAX);
        if may_reopen(outside) {
            outside.reopens();
            // What the old file has got of this batch the new one gets too, from the beginning.
            self.take_back(attempt.written, outside);
            (attempt.prepared, attempt.written) = (false, 0);
            self.reopen(outside);
        } else if outside.is_told_to_end() {
            let out = self.out.clone();
            if counts {
                return Err(Error::Sync { out, source: error });
            }
            self.take_back(attempt.written, outside);
            return Err(Error::Write { out, source: error, records: attempt.records });
        }
        Ok(())
    }

    /// Removes a part of a batch from the output: its records are going to be written again.
    fn take_back(&mut self, written: usize, outside: &mut dyn Outside) {
        if !self.sink.take_back(written as u64) {
            let out = &self.out;
            outside.events().say(&format!("the last {written} bytes of {out} will be written a second time"));
        }
    }

    /// Opens the output anew.
    pub(super) fn reopen(&mut self, outside: &mut dyn Outside) {
        if let Err(error) = self.sink.reopen() {
            outside.events().say(&format!("{error}; going on with the file that is open"));
        }
    }

    /// Looks whether the output was moved away. Says once that it cannot be opened anew.
    pub(super) fn look(&mut self, outside: &mut dyn Outside) {
        match self.sink.look(outside.events()) {
            Ok(Looked::Now) => self.cannot_look = false,
            Ok(Looked::Later) => {}
            Err(_) if self.cannot_look => {}
            Err(error) => {
                self.cannot_look = true;
                outside.events().say(&format!("{error}; going on with the file that is open"));
            }
        }
    }
}
