//! One handler of a running writer: its formatting, its delivery, and whether the others wait for it.

use std::time::Duration;

use ringlog::reader::{Body, Entry};

use super::delivery::Delivery;
use super::formatting::Formatting;
use super::summary::missing;
use super::worker::Worker;
use crate::error::Error;
use crate::sink::Unrotatable;

/// The most that a handler may have queued before the others go on without it.
pub(super) const QUEUE_MAX: usize = 64 << 20;
/// The same for a console beside files.
const CONSOLE_QUEUE_MAX: usize = 1 << 20;
/// How long a handler is waited for while a ring is nearly full. A disk that is busy for a moment must not lose
/// records.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a handler without a guarantee of its own end, such as a pipe that is not read, is waited for when the
/// writer stops and there are other handlers.
pub(super) const AT_THE_END: Duration = Duration::from_secs(1);

/// A configured handler at run time: its formatting and its delivery.
pub(super) struct ActiveHandler {
    pub(super) formatting: Formatting,
    pub(super) execution: Execution,
    pub(super) guarantee: Guarantee,
    /// Why its sink cannot be rotated.
    pub(super) unrotatable: Option<Unrotatable>,
    /// Whether the last entry of the batch belongs into the sink's next file.
    pub(super) is_at_seam: bool,
    /// Whether the others go on without it at the moment.
    pub(super) is_detached: bool,
    /// Whether its reader has gone, so that nothing more can be written.
    pub(super) reader_gone: bool,
    /// Whether its delivery has ended with an error, while the writer is stopping.
    pub(super) has_failed: bool,
    /// What it did not get while detached, or after a failure.
    pub(super) left_out: LeftOut,
}

/// What a handler did not get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Records.
    pub(super) records: u64,
    /// Records that were missing in the rings, of which it did not get the gaps.
    missing: u64,
    /// The time of the last of them.
    pub(super) unix_ns: u64,
}

impl LeftOut {
    /// The number of records that are missing in its output.
    pub(super) fn count(&self) -> u64 {
        self.records.saturating_add(self.missing)
    }
}

/// What a handler guarantees for its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guarantee {
    /// A file with a checkpoint.
    ExactlyOnce,
    /// Any other sink. A pipe that is not read blocks without an error.
    AtLeastOnce,
    /// A console beside files: records are not kept in the ring for it.
    BestEffort,
}

/// Where a delivery runs.
pub(super) enum Execution {
    /// In the loop: the only handler of the command line.
    Inline(Delivery),
    /// In a thread of its own: a handler of a configuration.
    Thread(Box<Worker>),
}

/// The circumstances that decide how long a handler is waited for.
#[derive(Clone, Copy)]
pub(super) struct Pressure {
    /// Every ring drops records when it is full, so waiting loses records in any case.
    pub(super) may_lose: bool,
    pub(super) is_nearly_full: bool,
    pub(super) is_ending: bool,
}

impl ActiveHandler {
    /// A handler whose delivery runs in the loop.
    pub(super) fn inline(formatting: Formatting, delivery: Delivery) -> ActiveHandler {
        let unrotatable = delivery.sink.unrotatable();
        ActiveHandler::new(formatting, Execution::Inline(delivery), Guarantee::ExactlyOnce, unrotatable)
    }

    /// A handler whose delivery runs in a thread.
    pub(super) fn threaded(
        formatting: Formatting,
        delivery: Delivery,
        guarantee: Guarantee,
    ) -> Result<ActiveHandler, Error> {
        let unrotatable = delivery.sink.unrotatable();
        let worker = Box::new(Worker::start(delivery).map_err(Error::Thread)?);
        Ok(ActiveHandler::new(formatting, Execution::Thread(worker), guarantee, unrotatable))
    }

    fn new(
        formatting: Formatting,
        execution: Execution,
        guarantee: Guarantee,
        unrotatable: Option<Unrotatable>,
    ) -> ActiveHandler {
        ActiveHandler {
            formatting,
            execution,
            guarantee,
            unrotatable,
            is_at_seam: false,
            is_detached: false,
            reader_gone: false,
            has_failed: false,
            left_out: LeftOut::default(),
        }
    }

    pub(super) fn worker(&self) -> Option<&Worker> {
        match &self.execution {
            Execution::Inline(_) => None,
            Execution::Thread(worker) => Some(worker),
        }
    }

    /// The name of its file or stream in messages.
    pub(super) fn out(&self) -> &str {
        match &self.execution {
            Execution::Inline(delivery) => &delivery.out,
            Execution::Thread(worker) => worker.out(),
        }
    }

    /// The turn up to which the handler has written; `None` if no batch has to wait for it.
    pub(super) fn written_turn(&self) -> Option<u64> {
        let is_waited_for = self.is_attached() && self.guarantee != Guarantee::BestEffort;
        self.worker().filter(|_| is_waited_for)?.written_turn()
    }

    pub(super) fn is_attached(&self) -> bool {
        !self.is_detached && !self.reader_gone
    }

    /// Whether it gets further entries. After a failure it does not, and the rings keep what it has not written.
    pub(super) fn takes_entries(&self) -> bool {
        self.is_attached() && !self.has_failed
    }

    /// Whether the others should go on without it, if there are any.
    pub(super) fn is_late(&self, worker: &Worker, pressure: Pressure) -> bool {
        match self.guarantee {
            _ if self.has_failed => false,
            Guarantee::BestEffort => worker.queued_bytes() > CONSOLE_QUEUE_MAX,
            Guarantee::AtLeastOnce if pressure.is_ending && worker.lag() >= AT_THE_END => true,
            Guarantee::ExactlyOnce | Guarantee::AtLeastOnce => {
                let is_slow = pressure.is_nearly_full && worker.lag() >= PATIENCE;
                pressure.may_lose && (is_slow || worker.queued_bytes() > QUEUE_MAX)
            }
        }
    }

    pub(super) fn leave_out(&mut self, entry: &Entry<'_>) {
        match &entry.body {
            Body::Record(_) => self.left_out.records += 1,
            Body::Gap(gap) => self.left_out.missing = self.left_out.missing.saturating_add(missing(gap)),
            _ => {}
        }
        self.left_out.unix_ns = entry.unix_ns;
    }
}
