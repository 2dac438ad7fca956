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

/// A pipe that is ready takes so many bytes without blocking, whatever its state, and keeps them together: no other
/// process writes between them.
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

/// How many of the bytes are written at once: whole lines, or a part of a longer one.
fn written_at_once(bytes: &[u8]) -> usize {
    let bytes = &bytes[..bytes.len().min(PIPE_BUF)];
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1)
}

/// Writes some of the bytes to a pipe, a terminal or a device, and waits a moment if it takes nothing. Lines of at most
/// 4096 bytes are not split.
///
/// # Errors
/// `WouldBlock` if it took nothing in that time; the system's error.
pub(super) fn write_when_ready(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    let mut ready = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    let timeout = PollTimeout::try_from(WAIT).unwrap_or(PollTimeout::ZERO);
    if poll(&mut ready, timeout)? == 0 {
        return Err(ErrorKind::WouldBlock.into());
    }
    file.write(&bytes[..written_at_once(bytes)])
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use nix::fcntl::OFlag;
    use nix::unistd::pipe2;

    use super::*;

    #[test]
    fn lines_of_at_most_4096_bytes_are_not_split_in_a_pipe() {
        for (len, other) in [(1, 4096), (55, 4096), (2048, 3), (4095, 4096), (4096, 4096), (5000, 2)] {
            // In packets: a read gets what one write has written.
            let (read, write) = pipe2(OFlag::O_DIRECT).unwrap();
            let (mut read, write) = (File::from(read), File::from(write));
            let line = |len: usize| "x".repeat(len - 1) + "\n";
            let (lines, mut got) = ((line(len) + &line(other)).repeat(9), Vec::new());
            while got.len() < lines.len() {
                let taken = write_when_ready(&write, &lines.as_bytes()[got.len()..]).unwrap();
                let mut packet = [0; PIPE_BUF];
                assert_eq!(read.read(&mut packet).unwrap(), taken);
                got.extend(&packet[..taken]);
                assert!(got.ends_with(b"\n") || len > PIPE_BUF, "{len}: {taken} bytes of a line");
            }
            assert_eq!(got, lines.as_bytes());
        }
    }
}
