//! The interface of a sink.

use std::fmt;
use std::io;

use ringlog::reader::Cursor;

use crate::error::Error;
use crate::events::Events;

/// Whether [`Sink::maintain`] did anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maintained {
    Done,
    /// It is not due yet.
    NotDue,
}

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

/// A destination for bytes, written batch by batch: prepare, write, commit. A sink reports failures; retrying is the
/// delivery's part.
pub(crate) trait Sink: Send {
    /// The position of the ring with this UUID in the sink, if the sink keeps positions.
    fn cursor(&self, _ring: &[u8; 16]) -> Cursor {
        Cursor::default()
    }

    /// Repairs what an earlier writer left unfinished, and reports what cannot be repaired. Called once the rings are
    /// held. `after_crash`: the last consumer of a ring was killed.
    ///
    /// # Errors
    /// [`Error::Open`].
    fn recover(&mut self, _after_crash: bool, _events: &mut dyn Events) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the sink keeps the positions of rings.
    fn has_cursors(&self) -> bool {
        false
    }

    /// Announces a batch. Once it is written, the rings are at these cursors.
    ///
    /// # Errors
    /// The system's error.
    fn prepare(&mut self, _batch: &[u8], _cursors: &[Cursor], _events: &mut dyn Events) -> io::Result<()> {
        Ok(())
    }

    /// Writes some of the bytes, and returns how many.
    ///
    /// # Errors
    /// The system's error; nothing was written then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes the written batch count. `urgent`: it has a record that has to survive a power cut.
    ///
    /// # Errors
    /// The system's error.
    fn commit(&mut self, _urgent: bool) -> io::Result<()> {
        Ok(())
    }

    /// Whether the batch counts although its commit has failed. Its records must not be written again then.
    fn has_committed(&self) -> bool {
        false
    }

    /// Removes the last `bytes` bytes, so that they can be written again elsewhere or later. False if that is not
    /// possible.
    fn take_back(&mut self, bytes: u64) -> bool;

    /// Opens the file of the same name again, after the present one was moved away.
    ///
    /// # Errors
    /// [`Error::Open`]; the sink is unchanged then.
    fn reopen(&mut self) -> Result<(), Error>;

    /// Does periodic work. Called between batches; notices a file that was moved away.
    ///
    /// # Errors
    /// As for [`reopen`](Self::reopen).
    fn maintain(&mut self, _events: &mut dyn Events) -> Result<Maintained, Error> {
        Ok(Maintained::NotDue)
    }

    /// Whether the sink closes files by size or time, so that [`rotates_before`](Self::rotates_before) has to be asked
    /// for every entry.
    fn rotates(&self) -> bool {
        false
    }

    /// Whether the file is closed before an entry of `len` bytes and this time, with `pending` bytes of the batch
    /// before it.
    fn rotates_before(&mut self, _pending: usize, _len: usize, _unix_ns: u64) -> bool {
        false
    }

    /// Why the sink cannot be rotated; `None` if it can.
    fn unrotatable(&self) -> Option<Unrotatable>;

    /// Closes the file and begins the next one. May be called again until it succeeds.
    ///
    /// # Errors
    /// The system's error.
    fn rotate(&mut self, _unix_ns: u64, _events: &mut dyn Events) -> io::Result<()> {
        Ok(())
    }

    /// Counts the wall clock as right although it has run ahead: files are deleted for their age again.
    ///
    /// # Errors
    /// The system's error.
    fn trust_clock(&mut self, _events: &mut dyn Events) -> io::Result<()> {
        Ok(())
    }

    /// Frees space on a full disk. False if that is not configured or not possible.
    fn free_space(&mut self, _events: &mut dyn Events) -> bool {
        false
    }

    /// Waits for background work. Called when no batch follows.
    fn finish_background(&mut self, _events: &mut dyn Events) {}

    /// Ends the sink. `acknowledged`: every record in it is acknowledged, so the rings do not give it out again.
    fn close(self: Box<Self>, _acknowledged: bool, _events: &mut dyn Events) {}
}
