//! Files whose disks do not answer. A call of the kernel blocks the thread that has the file open, so the file can be
//! neither written nor opened again. Something else stands in for it until the call returns.

use std::io;
use std::thread::JoinHandle;

use super::patience::NO_ANSWER;
use crate::error::Error;
use crate::events::Events;
use crate::sink::{Abandoned, Batch, Guarantee, Place, Sink, SinkConfig, SinkRequest, Unrotatable};

/// A thread, whatever its result is.
trait Thread {
    fn has_ended(&self) -> bool;
}

impl<T> Thread for JoinHandle<T> {
    fn has_ended(&self) -> bool {
        self.is_finished()
    }
}

/// A file that a thread which was left behind holds, until its call of the kernel returns.
pub(super) struct Blocked {
    pub(super) place: Place,
    thread: Box<dyn Thread>,
}

impl Blocked {
    pub(super) fn new<T: 'static>(place: Place, thread: JoinHandle<T>) -> Blocked {
        Blocked { place, thread: Box::new(thread) }
    }

    /// Whether the call has returned, and the file can be opened again.
    pub(super) fn is_over(&self) -> bool {
        self.thread.has_ended()
    }
}

/// Stands in for the sink of such a file. Nothing is written, so its records wait in the rings.
pub(super) struct StandIn {
    guarantee: Guarantee,
    unrotatable: Option<Unrotatable>,
}

impl StandIn {
    pub(super) fn new(config: &SinkConfig) -> StandIn {
        let unrotatable = config.kind().unrotatable();
        // The file itself cannot be asked. One that can be rotated has a checkpoint.
        let guarantee = if unrotatable.is_none() { Guarantee::ExactlyOnce } else { Guarantee::AtLeastOnce };
        StandIn { guarantee, unrotatable }
    }
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, NO_ANSWER)
}

impl Sink for StandIn {
    fn guarantee(&self) -> Guarantee {
        self.guarantee
    }

    fn deliver(&mut self, _batch: &Batch, _events: &mut dyn Events) -> io::Result<()> {
        Err(no_answer())
    }

    fn abandon(&mut self, batch: &Batch, _events: &mut dyn Events) -> Abandoned {
        Abandoned::Unwritten { records: batch.records_from(0) }
    }

    fn handle(&mut self, request: SinkRequest, _events: &mut dyn Events) -> io::Result<()> {
        // The next session closes the file.
        if matches!(request, SinkRequest::Rotate(_)) { Err(no_answer()) } else { Ok(()) }
    }

    fn maintain(&mut self, _events: &mut dyn Events) -> Result<bool, Error> {
        Ok(false)
    }

    fn late(&self) -> u64 {
        0
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        self.unrotatable
    }

    fn has_reader(&self) -> bool {
        false
    }
}
