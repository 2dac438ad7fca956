//! Where bytes go. A sink takes them in order and says when it cannot; what to do then is the loop's.

mod console;
pub(crate) mod file;

use std::io;

use ringlog::Ring;
use ringlog::reader::Cursor;

pub(crate) use file::rotate::now_ns;

use crate::config::Output;
use crate::error::Error;
use crate::pipeline::Events;

pub(crate) use file::append::why;

/// Whether an output was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    Now,
    /// It is not yet time to do so.
    Later,
}

/// Takes bytes, a batch at a time: prepares, writes, commits.
pub(crate) trait Sink: Send {
    /// Up to where the ring of this UUID is in the output, if that is kept with it.
    fn cursor(&self, _ring: &[u8; 16]) -> Cursor {
        Cursor::default()
    }

    /// The ring is held: puts right what a writer that was killed has left, and says what cannot be. The ring tells
    /// whether its last consumer was killed.
    ///
    /// # Errors
    /// [`Error::Open`].
    fn settle(&mut self, _after_a_kill: bool, _events: &mut dyn Events) -> Result<(), Error> {
        Ok(())
    }

    /// Whether it keeps cursors at all.
    fn has_cursors(&self) -> bool {
        false
    }

    /// The batch is about to be written; when it is, the rings will be at these cursors.
    ///
    /// # Errors
    /// What the system says.
    fn prepare(&mut self, _batch: &[u8], _cursors: &[Cursor], _events: &mut dyn Events) -> io::Result<()> {
        Ok(())
    }

    /// Takes some of the bytes, and says how many.
    ///
    /// # Errors
    /// What the system says; nothing was taken then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// The batch is written, and holds a record that has to survive a power cut if `urgent`.
    ///
    /// # Errors
    /// What the system says.
    fn commit(&mut self, _urgent: bool) -> io::Result<()> {
        Ok(())
    }

    /// Whether the batch counts already, although its commit has failed: its records must not be written again.
    fn has_committed(&self) -> bool {
        false
    }

    /// Takes back the last `bytes` bytes that were taken, so that they can be written anew elsewhere or
    /// later. False where that is not possible any more.
    fn take_back(&mut self, bytes: u64) -> bool;

    /// Begins anew under the same name: what had it before was moved away.
    ///
    /// # Errors
    /// [`Error::Open`]; the sink then goes on as it was.
    fn reopen(&mut self) -> Result<(), Error>;

    /// Called now and then between batches: looks whether the output was moved away.
    ///
    /// # Errors
    /// As for [`reopen`](Self::reopen).
    fn look(&mut self, _events: &mut dyn Events) -> Result<Looked, Error> {
        Ok(Looked::Later)
    }

    /// Whether entries have to be asked for with [`closes_before`](Self::closes_before).
    fn closes_files(&self) -> bool {
        false
    }

    /// Whether the file is closed before an entry of this length and time, with `pending` bytes of the batch before it.
    fn closes_before(&mut self, _pending: usize, _len: usize, _unix_ns: u64) -> bool {
        false
    }

    /// Closes the file and begins a new one. May be called again until it succeeds.
    ///
    /// # Errors
    /// What the system says.
    fn rotate(&mut self, _unix_ns: u64, _events: &mut dyn Events) -> io::Result<()> {
        Ok(())
    }

    /// The disk is full: makes room, if that is wanted and possible.
    fn make_room(&mut self, _events: &mut dyn Events) -> bool {
        false
    }

    /// Nothing more comes: waits for what is done in the background.
    fn rest(&mut self, _events: &mut dyn Events) {}

    /// The writer ends, or goes on with other outputs. If `is_known`, the rings know all that was written, and say so.
    fn finish(self: Box<Self>, _is_known: bool, _events: &mut dyn Events) {}
}

/// Opens an output for these rings, if it is one. A pipe without a reader is waited for, or refused.
pub(crate) fn open(output: &Output, rings: &[Ring], waits: bool) -> Result<Option<Box<dyn Sink>>, Error> {
    match output {
        Output::Console { stream, .. } => Ok(Some(Box::new(console::Console::open(*stream)?))),
        Output::Null => Ok(None),
        Output::File(output) => file::open(output, rings, waits).map(Some),
    }
}
