//! Writing the bytes of a batch in order, to a stream without positions.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::batch::Batch;
use super::time_order::TimeOrder;
use super::traits::Abandoned;
use crate::counted::counted;
use crate::events::Events;

/// How long a write waits for a reader. The delivery then looks whether the writer is to stop.
const WAIT: Duration = Duration::from_millis(20);

/// A pipe that is ready takes so many bytes without blocking, whatever its state.
const PIPE_BUF: usize = 4096;

/// Whether a regular file has another byte than a newline at this place. False if it cannot be read.
pub(super) fn is_within_line(file: &File, at: u64) -> bool {
    let mut byte = [b'\n'];
    // A second descriptor: the file's own is write-only.
    let file = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()));
    file.is_ok_and(|file| file.read_exact_at(&mut byte, at).is_ok()) && byte != [b'\n']
}

/// How much of a batch is written.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The end of what is written.
    written: usize,
    /// The end of the entries that are whole, and their number, when a write has failed.
    whole: (usize, usize),
    /// Where the part in the present file begins. What is before it is in files that were left.
    file_begin: usize,
    /// The number of bytes in files that were left, with a part of an entry that is written again.
    left: usize,
    /// The number of entries that `order` has.
    ordered: usize,
    /// Whether another file was begun since the last write.
    is_begun: bool,
    order: TimeOrder,
}

impl Progress {
    /// Writes what is left of the batch.
    ///
    /// # Errors
    /// What `write` returns, and `WriteZero`.
    pub(super) fn proceed(
        &mut self,
        batch: &Batch,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        if std::mem::take(&mut self.is_begun) {
            self.order.add(batch, self.ordered..self.whole.1);
            self.order.begin_file();
            self.ordered = self.whole.1;
        }
        while let Some(rest) = batch.bytes().get(self.written..).filter(|rest| !rest.is_empty()) {
            let taken = match write(rest) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                taken => taken,
            };
            match taken {
                Ok(taken) => self.written += taken,
                Err(error) => {
                    let number = batch.entries().partition_point(|entry| entry.end <= self.written);
                    let last = number.checked_sub(1).and_then(|last| batch.entries().get(last));
                    self.whole = (last.map_or(0, |last| last.end), number);
                    return Err(error);
                }
            }
        }
        self.order.add(batch, self.ordered..batch.entries().len());
        self.end_batch();
        Ok(())
    }

    /// The next batch begins.
    fn end_batch(&mut self) {
        let Progress { is_begun, order, .. } = *self;
        *self = Progress { is_begun, order, ..Progress::default() };
    }

    /// What is written from here on goes into another file: first the entry of which the present one has a part, from
    /// its beginning.
    pub(super) fn begin_file(&mut self) {
        self.left += self.written - self.file_begin;
        self.written = self.whole.0;
        self.file_begin = self.written;
        self.is_begun = true;
    }

    /// The number of entries that stand behind a younger one.
    pub(super) fn late(&self) -> u64 {
        self.order.late
    }

    /// Gives the batch up. What counts is decided by the ring, so all of it is unwritten. `take_back` removes what is
    /// written; where it cannot, that is reported.
    pub(super) fn abandon(
        &mut self,
        batch: &Batch,
        out: &impl Display,
        take_back: impl FnOnce(u64) -> bool,
        events: &mut dyn Events,
    ) -> Abandoned {
        let before = format!("{out} before it was opened again");
        report_twice(self.left as u64, &before, |_| false, events);
        report_twice((self.written - self.file_begin) as u64, out, take_back, events);
        self.end_batch();
        Abandoned::Unwritten { records: batch.records_from(0) }
    }
}

/// Has so many bytes removed again. Reports it if that is not possible.
pub(super) fn report_twice(
    written: u64,
    out: &impl Display,
    take_back: impl FnOnce(u64) -> bool,
    events: &mut dyn Events,
) {
    if written > 0 && !take_back(written) {
        let bytes = counted(written, "byte");
        events.report(&format!(
            "the last {bytes} of {out} are of records that do not count as written: where these are written again, \
             they are in it a second time"
        ));
    }
}

/// Writes some of the bytes to a pipe, a terminal or a device, and waits a moment if it takes nothing.
///
/// # Errors
/// `WouldBlock` if it took nothing in that time; the system's error.
pub(super) fn write_when_ready(mut file: &File, bytes: &[u8], is_blocking: bool) -> io::Result<usize> {
    let mut ready = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    let timeout = PollTimeout::try_from(WAIT).unwrap_or(PollTimeout::ZERO);
    if poll(&mut ready, timeout)? == 0 {
        return Err(ErrorKind::WouldBlock.into());
    }
    let most = if is_blocking { bytes.len().min(PIPE_BUF) } else { bytes.len() };
    file.write(&bytes[..most])
}
