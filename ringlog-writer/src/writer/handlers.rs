//! All handlers together: who has how much to write, who is waited for, and who is not.

use std::time::{Duration, Instant};

use ringlog::{Body, Entry};

use super::formatting::{Formatting, missing};
use super::intake::Intake;
use super::outlet::{Outlet, Persisted};
use super::router::Takers;
use super::worker::Worker;
use super::{BATCH_BYTES, Events, Front};
use crate::error::Error;

/// What an output may have on its way where others go on without it.
const QUEUE_MAX: usize = 64 << 20;
/// What a console may have, where there are files.
const CONSOLE_QUEUE_MAX: usize = 1 << 20;
/// How long an output is waited for where a ring is short of room. A disk that is busy for a moment costs no record.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a console is waited for at the end.
const CONSOLE_LEFT: Duration = Duration::from_secs(1);

/// Who formats, and who writes that.
pub(super) struct Handler {
    formatting: Formatting,
    way: Way,
    /// Others go on without it while it does not keep up, even if the ring has room.
    is_console: bool,
    /// The last entry of the batch belongs into the next file.
    is_at_seam: bool,
    /// Others go on without it at the moment.
    is_left: bool,
    /// Records that it was not given meanwhile, and when the last of them was written.
    lost: (u64, u64),
}

enum Way {
    /// Written by the loop itself: the only output.
    Here(Outlet),
    Elsewhere(Worker),
}

pub(super) struct Handlers {
    all: Vec<Handler>,
    /// Producers that find the ring full go on, so something is lost in any case.
    may_lose: bool,
    batch_bytes: usize,
}

impl Handler {
    pub(super) fn here(formatting: Formatting, outlet: Outlet) -> Handler {
        Handler::new(formatting, Way::Here(outlet), false)
    }

    pub(super) fn elsewhere(formatting: Formatting, worker: Worker, is_console: bool) -> Handler {
        Handler::new(formatting, Way::Elsewhere(worker), is_console)
    }

    fn new(formatting: Formatting, way: Way, is_console: bool) -> Handler {
        Handler { formatting, way, is_console, is_at_seam: false, is_left: false, lost: (0, 0) }
    }

    fn worker(&mut self) -> Option<&mut Worker> {
        match &mut self.way {
            Way::Here(_) => None,
            Way::Elsewhere(worker) => Some(worker),
        }
    }

    /// It can write nothing more.
    fn has_ended(&self) -> bool {
        matches!(&self.way, Way::Elsewhere(worker) if worker.ended().is_some())
    }

    /// The turn up to which it is waited for; `None` if it holds up nothing.
    fn written(&self) -> Option<u64> {
        match &self.way {
            Way::Elsewhere(worker) if !self.is_left && !matches!(worker.ended(), Some(Ok(_))) => {
                worker.written()
            }
            _ => None,
        }
    }

    fn leave_out(&mut self, entry: &Entry<'_>) {
        let count = match &entry.body {
            Body::Record(_) => 1,
            // They are missing here too.
            Body::Gap(gap) => missing(gap),
            _ => 0,
        };
        self.lost = (self.lost.0.saturating_add(count), entry.unix_ns);
    }
}

impl Handlers {
    /// For rings of this length at least.
    pub(super) fn new(all: Vec<Handler>, may_lose: bool, ring_bytes: u64) -> Handlers {
        // In a small ring the producers need the space of a smaller batch.
        let batch_bytes = BATCH_BYTES.min(ring_bytes as usize / 8);
        Handlers { all, may_lose, batch_bytes }
    }

    /// Gives the entry to those who take it.
    #[inline]
    pub(super) fn put(&mut self, takers: Takers, ring: usize, entry: &Entry<'_>, events: &mut dyn Events) {
        for handler in taking(&mut self.all, takers) {
            if handler.is_left {
                handler.leave_out(entry);
            } else {
                handler.formatting.put(ring, entry, events);
            }
        }
    }

    /// What the entry that was put last changes in its ring's cursor, where that has to be known.
    #[inline]
    pub(super) fn settle(&mut self, takers: Takers, ring: usize, unix_ns: u64, intake: &Intake) {
        for handler in taking(&mut self.all, takers) {
            if !handler.formatting.needs_steps() || handler.is_left {
                continue;
            }
            let len = handler.formatting.settle(ring, unix_ns, intake.step(ring));
            if let Way::Here(outlet) = &mut handler.way {
                let start = handler.formatting.batch.bytes.len() - len;
                // What is in a closed file is to be acknowledged soon, also if the next one cannot be begun.
                handler.is_at_seam |= outlet.sink.closes_before(start, len, unix_ns);
            }
        }
    }

    /// Whether a batch is large enough to be written.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.all
            .iter()
            .any(|handler| handler.is_at_seam || handler.formatting.batch.bytes.len() >= self.batch_bytes)
    }

    /// How long the lines are that have been put.
    pub(super) fn bytes(&self) -> u64 {
        self.all.iter().map(|handler| handler.formatting.batch.bytes.len() as u64).sum()
    }

    /// Whether an output could not be written, and is not waited for any longer.
    pub(super) fn have_failed(&self) -> bool {
        let failed = |handler: &Handler| match &handler.way {
            Way::Here(_) => false,
            Way::Elsewhere(worker) => matches!(worker.ended(), Some(Err(_))),
        };
        self.all.iter().any(failed)
    }

    /// Writes or hands over what has been put.
    pub(super) fn write(&mut self, turn: u64, front: &mut Front<'_>) -> Result<Persisted, Error> {
        let cursors = front.intake.cursors();
        let keep = 16 * self.batch_bytes;
        for handler in self.all.iter_mut().filter(|handler| !handler.formatting.batch.is_empty()) {
            handler.formatting.end_batch(&cursors);
            handler.is_at_seam = false;
            let batch = &mut handler.formatting.batch;
            match &mut handler.way {
                Way::Here(outlet) => {
                    if outlet.write(batch, front)? == Persisted::ReaderGone {
                        return Ok(Persisted::ReaderGone);
                    }
                    batch.clear(keep);
                }
                Way::Elsewhere(worker) => *batch = worker.write(turn, std::mem::take(batch)),
            }
        }
        Ok(Persisted::Done)
    }

    /// The turn up to which all is written by those who are waited for; `None` if nothing is on its way.
    pub(super) fn written(&self) -> Option<u64> {
        self.all.iter().filter_map(Handler::written).min()
    }

    /// Takes note of what the threads have done, waiting up to `wait` for the slowest. An error if it is one and
    /// nobody else is left to write.
    pub(super) fn note(&mut self, wait: Duration, front: &mut Front<'_>) {
        let keep = 16 * self.batch_bytes;
        let slowest = self.written();
        for handler in &mut self.all {
            let wait = if slowest.is_some() && handler.written() == slowest { wait } else { Duration::ZERO };
            let had_ended = handler.has_ended();
            let Some(worker) = handler.worker() else { continue };
            worker.note(wait, keep, front.events);
            if !had_ended && let Some(Ok(_)) = worker.ended() {
                front.events.say(&format!("who read {} has gone; going on without it", worker.out));
            }
        }
    }

    /// Whether nobody is left to write.
    pub(super) fn have_ended(&self) -> bool {
        !self.all.is_empty() && self.all.iter().all(Handler::has_ended)
    }

    /// Whether somebody has so much on his way that the rings are to wait.
    pub(super) fn are_behind(&self) -> bool {
        let queued = |handler: &Handler| match &handler.way {
            Way::Here(_) => 0,
            Way::Elsewhere(worker) => worker.queued_bytes(),
        };
        self.all.iter().any(|handler| !handler.is_left && !handler.has_ended() && queued(handler) > QUEUE_MAX)
    }

    /// Goes on without those who do not keep up, where there are others, and with those who do again.
    pub(super) fn part(&mut self, front: &mut Front<'_>) {
        let waited_for =
            self.all.iter().filter(|handler| !handler.is_console && !handler.has_ended()).count();
        let is_short = front.intake.is_short_of_room();
        let (may_lose, has_others) = (self.may_lose, self.all.len() > 1);
        for handler in &mut self.all {
            let has_files = handler.is_console && waited_for > 0;
            let Way::Elsewhere(worker) = &handler.way else { continue };
            let queued = worker.queued_bytes();
            let is_late = match (has_files, may_lose) {
                (true, _) => queued > CONSOLE_QUEUE_MAX,
                (false, true) => queued > QUEUE_MAX || is_short && worker.lag() >= PATIENCE,
                (false, false) => false,
            };
            if !handler.is_left && has_others && is_late {
                handler.is_left = true;
                let out = &worker.out;
                front.events.say(&format!("{out} does not keep up: others go on without it"));
            } else if handler.is_left && queued == 0 {
                handler.is_left = false;
                let (count, unix_ns) = std::mem::take(&mut handler.lost);
                if count > 0 {
                    handler.formatting.put_lost(count, unix_ns);
                    let out = &worker.out;
                    front.events.say(&format!("{out} keeps up again; {count} records were left out of it"));
                }
            }
        }
    }

    /// Begins other files.
    pub(super) fn rotate(&mut self, unix_ns: u64, front: &mut Front<'_>) -> Result<(), Error> {
        for handler in &mut self.all {
            match &mut handler.way {
                Way::Here(outlet) => drop(outlet.rotate(unix_ns, front)?),
                Way::Elsewhere(worker) => worker.rotate(unix_ns),
            }
        }
        Ok(())
    }

    pub(super) fn are_rotating(&self) -> bool {
        self.all.iter().any(|handler| matches!(&handler.way, Way::Elsewhere(worker) if worker.is_rotating()))
    }

    /// Looks whether the outputs are where they were; threads do so by themselves.
    pub(super) fn look(&mut self, front: &mut Front<'_>) {
        for handler in &mut self.all {
            if let Way::Here(outlet) = &mut handler.way {
                outlet.look(front);
            }
        }
    }

    /// Opens the outputs anew.
    pub(super) fn reopen(&mut self, front: &mut Front<'_>) {
        for handler in &mut self.all {
            if let Way::Here(outlet) = &mut handler.way {
                outlet.reopen(front);
            }
        }
    }

    /// Outputs that refuse are not waited for any longer.
    pub(super) fn hurry(&mut self) {
        self.all.iter_mut().filter_map(Handler::worker).for_each(|worker| worker.hurry());
    }

    /// Waits until all is written that can be. The outputs come back.
    pub(super) fn finish(self, events: &mut dyn Events) -> (Vec<Outlet>, Result<(), Error>) {
        let has_files = self.all.iter().any(|handler| !handler.is_console);
        let (mut outlets, mut result) = (Vec::new(), Ok(()));
        for handler in self.all {
            if let (Way::Elsewhere(worker), 1..) = (&handler.way, handler.lost.0) {
                let (out, count) = (&worker.out, handler.lost.0);
                events.say(&format!("{out} did not keep up to the end; {count} records are left out of it"));
            }
            let deadline = (handler.is_console && has_files).then(|| Instant::now() + CONSOLE_LEFT);
            match handler.way {
                Way::Here(outlet) => outlets.push(outlet),
                Way::Elsewhere(worker) => {
                    let (outlet, failed) = worker.finish(deadline, events);
                    outlets.extend(outlet);
                    result = result.and(failed);
                }
            }
        }
        (outlets, result)
    }
}

fn taking(all: &mut [Handler], takers: Takers) -> impl Iterator<Item = &mut Handler> {
    let number = all.iter_mut().enumerate();
    number.filter(move |(number, _)| takers >> number & 1 == 1).map(|(_, handler)| handler)
}
