//! Writing a batch whole, whatever the output does, and only then giving its space back.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::{Pending, Persisted, Writer};
use crate::error::Error;
use crate::sink::Looked;

/// Between two attempts to write to an output that refuses.
const RETRY_MIN: Duration = Duration::from_millis(10);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How long a signal waits to be noticed while the output refuses.
const NOTICE: Duration = Duration::from_millis(20);

/// How far a batch is.
struct Attempt {
    /// Up to here it is written.
    end: usize,
    /// Its last entry is not among that.
    before_last: bool,
    prepared: bool,
    written: usize,
    /// The output has refused, which has been said.
    refused: bool,
    /// How long to wait before the next attempt.
    pause: Duration,
}

impl Attempt {
    fn at(end: usize) -> Attempt {
        Attempt { end, before_last: false, prepared: false, written: 0, refused: false, pause: RETRY_MIN }
    }
}

impl Writer<'_> {
    /// Writes the batch and acknowledges it. An output that refuses is tried again and again: meanwhile
    /// the records wait in the ring, and what the ring then has no room for is counted there.
    pub(super) fn persist(&mut self) -> Result<Persisted, Error> {
        let mut attempt = Attempt::at(self.batch.len());
        if let Persisted::ReaderGone = self.insist(&mut attempt, Writer::go_on)? {
            return Ok(Persisted::ReaderGone);
        }
        self.consumer.ack()?;
        self.count_written();
        Ok(Persisted::Done)
    }

    /// Writes the batch up to `at`, where its last entry begins, and begins another file for that one, which
    /// stays in the batch. All of it is acknowledged when that is persisted.
    pub(super) fn change_files(&mut self, at: usize, unix_ns: u64) -> Result<Persisted, Error> {
        if at > 0 {
            let mut attempt = Attempt { before_last: true, ..Attempt::at(at) };
            if let Persisted::ReaderGone = self.insist(&mut attempt, Writer::go_on)? {
                return Ok(Persisted::ReaderGone);
            }
            self.summary.bytes += at as u64;
            self.batch.drain(..at);
        }
        self.rotate(unix_ns)
    }

    fn rotate(&mut self, unix_ns: u64) -> Result<Persisted, Error> {
        let mut attempt = Attempt::at(0);
        self.insist(&mut attempt, |writer, _| writer.sink.rotate(unix_ns, writer.events))
    }

    /// Begins another file if somebody asks for it.
    pub(super) fn rotate_if_asked(&mut self) -> Result<(), Error> {
        let request = self.consumer.rotation_requested();
        if self.told.rotate.swap(false, Ordering::Relaxed) || request.is_some() {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.rotate(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))?;
            if let Some(request) = request {
                self.consumer.answer_rotation(request);
            }
        }
        Ok(())
    }

    /// Tries until it is done.
    fn insist(
        &mut self,
        attempt: &mut Attempt,
        act: impl Fn(&mut Self, &mut Attempt) -> io::Result<()>,
    ) -> Result<Persisted, Error> {
        loop {
            match act(self, attempt) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Persisted::ReaderGone),
                // A pipe that somebody has made non-blocking is full: that is no trouble, only slow.
                Err(error) if error.kind() == ErrorKind::WouldBlock && !self.is_told_to_end() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => self.refused(error, attempt)?,
            }
        }
        if attempt.refused {
            self.events.say(&format!("writing to {} again; nothing was lost on the way", self.options.out));
        }
        Ok(Persisted::Done)
    }

    /// Does what is left to be done.
    fn go_on(&mut self, attempt: &mut Attempt) -> io::Result<()> {
        if !attempt.prepared {
            if attempt.before_last {
                self.consumer.cursor_before_last_into(&mut self.cursor);
            } else {
                self.consumer.cursor_into(&mut self.cursor);
            }
            self.sink.prepare(&self.batch[..attempt.end], &mut self.cursor, self.events)?;
            attempt.prepared = true;
        }
        while let Some(rest) = self.batch.get(attempt.written..attempt.end).filter(|rest| !rest.is_empty()) {
            let taken = self.sink.write(rest)?;
            if taken == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            attempt.written += taken;
            attempt.pause = RETRY_MIN;
        }
        self.sink.commit(self.pending.urgent)
    }

    fn count_written(&mut self) {
        let Pending { records, gaps, missing, deaths, .. } = std::mem::take(&mut self.pending);
        self.summary.records += records;
        self.summary.gaps += gaps;
        self.summary.deaths += deaths;
        self.summary.missing = self.summary.missing.saturating_add(missing);
        self.summary.bytes += self.batch.len() as u64;
        self.batch.clear();
        // One record of many megabytes shall not be paid for ever after.
        self.batch.shrink_to(16 * self.batch_bytes);
    }

    /// The output took nothing. Says so the first time, and waits before the next attempt; an error if
    /// the writer is to end.
    fn refused(&mut self, error: io::Error, attempt: &mut Attempt) -> Result<(), Error> {
        let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        if is_full && self.sink.make_room(self.events) {
            return Ok(());
        }
        let out = &self.options.out;
        if !std::mem::replace(&mut attempt.refused, true) {
            self.events
                .say(&format!("cannot write to {out}: {error}; trying again, records wait in the ring"));
        }
        // What counts stays where it is, also if another file is to be begun; that comes after it.
        let counts = self.sink.has_committed();
        let reopen: &AtomicBool = self.told.reopen;
        let may_reopen = || !counts && reopen.load(Ordering::Relaxed);
        let until = Instant::now() + attempt.pause;
        while !self.is_told_to_end() && !may_reopen() && Instant::now() < until {
            std::thread::sleep(NOTICE.min(attempt.pause));
        }
        self.undo_levels();
        attempt.pause = (attempt.pause * 2).min(RETRY_MAX);
        if may_reopen() {
            reopen.store(false, Ordering::Relaxed);
            // What the old file has got of this batch the new one gets too, from the beginning.
            self.take_back(attempt.written);
            (attempt.prepared, attempt.written) = (false, 0);
            self.reopen_output();
        } else if self.is_told_to_end() {
            if counts {
                return Err(Error::Sync { out: out.to_string(), source: error });
            }
            self.take_back(attempt.written);
            return Err(Error::Write { out: out.to_string(), source: error, records: self.pending.records });
        }
        Ok(())
    }

    /// Removes a part of a batch from the output: its records are going to be written again.
    fn take_back(&mut self, written: usize) {
        if !self.sink.take_back(written as u64) {
            let out = &self.options.out;
            self.events.say(&format!("the last {written} bytes of {out} will be written a second time"));
        }
    }

    pub(super) fn reopen_output(&mut self) {
        if let Err(error) = self.sink.reopen() {
            self.events.say(&format!("{error}; going on with the file that is open"));
        }
    }

    /// Looks whether the output was moved away. Says once that it cannot be opened anew.
    pub(super) fn look_at_output(&mut self) {
        match self.sink.look(self.events) {
            Ok(Looked::Now) => self.cannot_look = false,
            Ok(Looked::Later) => {}
            Err(_) if self.cannot_look => {}
            Err(error) => {
                self.cannot_look = true;
                self.events.say(&format!("{error}; going on with the file that is open"));
            }
        }
    }
}
