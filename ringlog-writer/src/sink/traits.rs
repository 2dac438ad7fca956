//! The interface of a sink.

use std::fmt;
use std::io;

use ringlog::reader::Cursor;

use super::batch::Batch;
use super::guarantee::Guarantee;
use crate::error::Error;
use crate::events::Events;

/// Why a sink has no closed files, so that it cannot be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrotatable {
    Console,
    /// A pipe or a device.
    Irregular,
    WithoutCheckpoint,
}

impl fmt::Display for Unrotatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unrotatable::Console => "the console has no closed files",
            Unrotatable::Irregular => "a pipe or a device has no closed files",
            Unrotatable::WithoutCheckpoint => "without a checkpoint a file is not closed",
        })
    }
}

/// A request to a sink, between two batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SinkRequest {
    /// Close the file and begin the next one, at this time. Repeated until it succeeds.
    Rotate(u64),
    /// Open the file of the same name again, after the present one was moved away. After an error the sink is
    /// unchanged.
    Reopen,
    /// Count the wall clock as right although it has run ahead: files are deleted for their age again.
    TrustClock,
    /// Wait for background work, because no batch follows.
    Finish,
}

/// What has become of a batch that was abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// So many of its records are not written. The rest is, and counts.
    Unwritten { records: u64 },
    /// All of it is written and counts, but it is not synced: so many records may not survive a loss of power.
    Unsynced { records: u64 },
}

/// What a sink has written may not survive a loss of power, because it could not be synced at its end.
#[derive(Debug)]
pub(crate) struct NotSynced {
    pub(crate) source: io::Error,
    /// The number of records; 0 if that is not known.
    pub(crate) records: u64,
}

/// A destination for batches. A sink reports failures; repeating is the delivery's part.
pub(crate) trait Sink: Send {
    fn guarantee(&self) -> Guarantee;

    /// Writes the batch. After an error it is called again with the same batch and goes on where it has stopped, or
    /// [`abandon`](Self::abandon) is called.
    ///
    /// Never blocks for long on a peer that takes nothing: it waits some milliseconds and returns `WouldBlock` then,
    /// which is no failure and is repeated at once. Other errors are reported and repeated after a pause.
    ///
    /// # Errors
    /// The system's error; `BrokenPipe` if nothing can be written any more: the output is not tried again until it is
    /// opened anew by a reload.
    fn deliver(&mut self, batch: &Batch, events: &mut dyn Events) -> io::Result<()>;

    /// The size at which a batch is written, if that is smaller than usual. No record of a batch is acknowledged before
    /// the last one is written, which may have to wait until a file can be closed.
    fn batch_max(&self) -> usize {
        usize::MAX
    }

    /// Gives up the batch whose delivery has failed. What is written of it and does not count is removed, because its
    /// records will be written again, elsewhere or later; where that is not possible it is reported.
    fn abandon(&mut self, batch: &Batch, events: &mut dyn Events) -> Abandoned;

    /// The position of the ring with this UUID in the sink, if the sink keeps positions.
    fn cursor(&self, _ring: &[u8; 16]) -> Cursor {
        Cursor::default()
    }

    /// Repairs what an earlier writer left unfinished, and reports what cannot be repaired. Called once the rings are
    /// held. Discards nothing that counts, because the session may still not begin. `after_crash`: the last consumer of
    /// a ring was killed.
    ///
    /// # Errors
    /// [`Error::Open`].
    fn recover(&mut self, _after_crash: bool, _events: &mut dyn Events) -> Result<(), Error> {
        Ok(())
    }

    /// Discards, closes and deletes what is configured for the start. Called once every sink of the session is open and
    /// recovered, before the first batch.
    ///
    /// # Errors
    /// [`Error::Open`].
    fn begin(&mut self, _events: &mut dyn Events) -> Result<(), Error> {
        Ok(())
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// The system's error, or [`Error::Open`] within one.
    fn handle(&mut self, _request: SinkRequest, _events: &mut dyn Events) -> io::Result<()> {
        Ok(())
    }

    /// Does periodic work. Called between batches; notices a file that was moved away. Returns whether it was due.
    ///
    /// # Errors
    /// [`Error::Open`]; the sink goes on as before.
    fn maintain(&mut self, _events: &mut dyn Events) -> Result<bool, Error> {
        Ok(false)
    }

    /// The number of entries that it has written behind an entry with a later time stamp, in the same file.
    fn late(&self) -> u64;

    /// Why the sink cannot be rotated; `None` if it can.
    fn unrotatable(&self) -> Option<Unrotatable>;

    /// Whether it has a reader, as far as that is known without writing.
    fn has_reader(&self) -> bool {
        true
    }

    /// Gives up a sink that was opened for a session that cannot begin. What it has created and not used is removed.
    fn withdraw(self: Box<Self>) {}

    /// Whether records that it has taken may be lost, which was reported since this was last asked.
    fn take_loss(&mut self) -> bool {
        false
    }

    /// Ends the sink. `acknowledged`: every record in it is acknowledged, so the rings do not give it out again.
    ///
    /// # Errors
    /// [`NotSynced`].
    fn close(self: Box<Self>, _acknowledged: bool, _events: &mut dyn Events) -> Result<(), NotSynced> {
        Ok(())
    }
}
