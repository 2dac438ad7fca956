//! Writing a batch whole, whatever the output does, and only then giving its space back.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Pending, Persisted, Writer};
use crate::error::Error;

/// Between two attempts to write to an output that refuses.
const RETRY_MIN: Duration = Duration::from_millis(10);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How long a signal waits to be noticed while the output refuses.
const NOTICE: Duration = Duration::from_millis(20);

/// How far a batch is.
struct Attempt {
    prepared: bool,
    written: usize,
    /// The output has refused, which has been said.
    refused: bool,
    /// How long to wait before the next attempt.
    pause: Duration,
}

impl Default for Attempt {
    fn default() -> Attempt {
        Attempt { prepared: false, written: 0, refused: false, pause: RETRY_MIN }
    }
}

impl Writer<'_> {
    /// Writes the batch and acknowledges it. An output that refuses is tried again and again: meanwhile
    /// the records wait in the ring, and what the ring then has no room for is counted there.
    pub(super) fn persist(&mut self) -> Result<Persisted, Error> {
        let mut attempt = Attempt::default();
        loop {
            match self.go_on(&mut attempt) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Persisted::ReaderGone),
                // A pipe that somebody has made non-blocking is full: that is no trouble, only slow.
                Err(error) if error.kind() == ErrorKind::WouldBlock && !self.is_told_to_end() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => self.refused(error, &mut attempt)?,
            }
        }
        if attempt.refused {
            self.events.say(&format!("writing to {} again; nothing was lost on the way", self.options.out));
        }
        self.consumer.ack()?;
        self.count_written();
        Ok(Persisted::Done)
    }

    /// Does what is left to be done.
    fn go_on(&mut self, attempt: &mut Attempt) -> io::Result<()> {
        if !attempt.prepared {
            self.consumer.cursor_into(&mut self.cursor);
            self.sink.prepare(&self.batch, &mut self.cursor, self.events)?;
            attempt.prepared = true;
        }
        while let Some(rest) = self.batch.get(attempt.written..).filter(|rest| !rest.is_empty()) {
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
        let out = &self.options.out;
        if !std::mem::replace(&mut attempt.refused, true) {
            self.events
                .say(&format!("cannot write to {out}: {error}; trying again, records wait in the ring"));
        }
        let until = Instant::now() + attempt.pause;
        while !self.is_told_to_end() && !self.reopen.load(Ordering::Relaxed) && Instant::now() < until {
            std::thread::sleep(NOTICE.min(attempt.pause));
        }
        self.undo_levels();
        attempt.pause = (attempt.pause * 2).min(RETRY_MAX);
        if self.reopen.swap(false, Ordering::Relaxed) {
            // What the old file has got of this batch the new one gets too, from the beginning.
            self.take_back(attempt.written);
            (attempt.prepared, attempt.written) = (false, 0);
            self.reopen_output();
        } else if self.is_told_to_end() {
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
            Ok(()) => self.cannot_look = false,
            Err(_) if self.cannot_look => {}
            Err(error) => {
                self.cannot_look = true;
                self.events.say(&format!("{error}; going on with the file that is open"));
            }
        }
    }
}
