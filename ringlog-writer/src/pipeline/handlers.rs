//! All handlers together: who has how much to write, who is waited for, and who is not.

use std::time::{Duration, Instant};

use ringlog::reader::{Body, Entry};

use super::delivery::{Outlet, Persisted};
use super::formatting::{Formatting, missing};
use super::router::Takers;
use super::sources::Intake;
use super::worker::{Finished, Worker};
use super::{BATCH_BYTES, Events, Front};
use crate::error::Error;

/// What an output may have on its way where others go on without it.
const QUEUE_MAX: usize = 64 << 20;
/// What a console may have, where there are files.
const CONSOLE_QUEUE_MAX: usize = 1 << 20;
/// How long an output is waited for where a ring is short of room. A disk that is busy for a moment costs no record.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long an output that nothing brings to an end, a pipe that nobody reads for one, is waited for where there are
/// others and the writer is to end.
const AT_THE_END: Duration = Duration::from_secs(1);

/// Who formats, and who writes that.
pub(super) struct Handler {
    formatting: Formatting,
    way: Way,
    kind: Kind,
    /// The last entry of the batch belongs into the next file.
    is_at_seam: bool,
    /// Others go on without it at the moment.
    is_left: bool,
    /// Nothing more can be written.
    is_gone: bool,
    /// Records that it was not given meanwhile, and when the last of them was written.
    lost: (u64, u64),
}

/// What is owed to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file that has every record exactly once.
    Certain,
    /// Any other, which may be one that takes nothing more and does not say so.
    Uncertain,
    /// A console beside files: what it has not got is no reason to keep a record.
    Aside,
}

enum Way {
    /// Written by the loop itself: the only output.
    Here(Outlet),
    Elsewhere(Box<Worker>),
}

/// What decides how long an output is waited for.
#[derive(Clone, Copy)]
struct Hurry {
    /// Producers that find the ring full go on, so something is lost in any case.
    may_lose: bool,
    /// A ring is short of room.
    is_short: bool,
    is_ending: bool,
}

pub(super) struct Handlers {
    all: Vec<Handler>,
    /// Producers that find the ring full go on, so something is lost in any case.
    may_lose: bool,
    batch_bytes: usize,
}

impl Handler {
    pub(super) fn here(formatting: Formatting, outlet: Outlet) -> Handler {
        Handler::new(formatting, Way::Here(outlet), Kind::Certain)
    }

    pub(super) fn elsewhere(formatting: Formatting, worker: Worker, kind: Kind) -> Handler {
        Handler::new(formatting, Way::Elsewhere(Box::new(worker)), kind)
    }

    fn new(formatting: Formatting, way: Way, kind: Kind) -> Handler {
        Handler { formatting, way, kind, is_at_seam: false, is_left: false, is_gone: false, lost: (0, 0) }
    }

    fn worker(&mut self) -> Option<&mut Worker> {
        match &mut self.way {
            Way::Here(_) => None,
            Way::Elsewhere(worker) => Some(worker),
        }
    }

    /// The turn up to which it is waited for; `None` if it holds up nothing.
    fn written(&self) -> Option<u64> {
        match &self.way {
            Way::Elsewhere(worker) if !self.is_left && !self.is_gone && self.kind != Kind::Aside => {
                worker.written()
            }
            _ => None,
        }
    }

    fn takes(&self) -> bool {
        !self.is_left && !self.is_gone
    }

    /// Whether others go on without it, if there are any.
    fn is_late(&self, worker: &Worker, hurry: Hurry) -> bool {
        match self.kind {
            Kind::Aside => worker.queued_bytes() > CONSOLE_QUEUE_MAX,
            Kind::Uncertain if hurry.is_ending && worker.lag() >= AT_THE_END => true,
            Kind::Certain | Kind::Uncertain => {
                let is_slow = hurry.is_short && worker.lag() >= PATIENCE;
                hurry.may_lose && (is_slow || worker.queued_bytes() > QUEUE_MAX)
            }
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
            if handler.takes() {
                handler.formatting.put(ring, entry, events);
            } else {
                handler.leave_out(entry);
            }
        }
    }

    /// What the entry that was put last changes in its ring's cursor, where that has to be known.
    #[inline]
    pub(super) fn settle(&mut self, takers: Takers, ring: usize, unix_ns: u64, intake: &Intake) {
        for handler in taking(&mut self.all, takers) {
            if !handler.formatting.needs_steps() || !handler.takes() {
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
        if self.have_ended() {
            // What the last one has not got waits for another writer.
            let workers = self.all.iter().filter_map(|handler| match &handler.way {
                Way::Elsewhere(worker) => worker.written(),
                Way::Here(_) => None,
            });
            return workers.min();
        }
        self.all.iter().filter_map(Handler::written).min()
    }

    /// Takes note of what the threads have done, waiting up to `wait` for the slowest.
    pub(super) fn note(&mut self, wait: Duration, front: &mut Front<'_>) {
        let keep = 16 * self.batch_bytes;
        let slowest = self.written();
        let others = self.all.iter().filter(|handler| !handler.is_gone).count().saturating_sub(1);
        for handler in &mut self.all {
            let wait = if slowest.is_some() && handler.written() == slowest { wait } else { Duration::ZERO };
            let Way::Elsewhere(worker) = &mut handler.way else { continue };
            worker.note(wait, keep, front.events);
            if !handler.is_gone
                && let Some(Ok(_)) = worker.ended()
            {
                handler.is_gone = true;
                let then = if others > 0 { "; going on without it" } else { "" };
                front.events.say(&format!("who read {} has gone{then}", worker.out));
            }
        }
    }

    /// Whether nobody is left to write.
    pub(super) fn have_ended(&self) -> bool {
        !self.all.is_empty() && self.all.iter().all(|handler| handler.is_gone)
    }

    /// Whether somebody has so much on his way that the rings are to wait.
    pub(super) fn are_behind(&self) -> bool {
        let queued = |handler: &Handler| match &handler.way {
            Way::Here(_) => 0,
            Way::Elsewhere(worker) => worker.queued_bytes(),
        };
        self.all.iter().any(|handler| handler.takes() && queued(handler) > QUEUE_MAX)
    }

    /// Goes on without those who do not keep up, where there are others, and with those who do again. Returns
    /// whether there is a line to be written that says so.
    pub(super) fn part(&mut self, is_ending: bool, front: &mut Front<'_>) -> bool {
        let hurry = Hurry { may_lose: self.may_lose, is_short: front.intake.is_nearly_full(), is_ending };
        let has_others = self.all.iter().filter(|handler| !handler.is_gone).count() > 1;
        let mut has_news = false;
        for handler in &mut self.all {
            let Way::Elsewhere(worker) = &handler.way else { continue };
            let out = &worker.out;
            if handler.takes() && has_others && handler.is_late(worker, hurry) {
                handler.is_left = true;
                front.events.say(&format!("{out} does not keep up: others go on without it"));
            } else if handler.is_left && worker.queued_bytes() == 0 {
                handler.is_left = false;
                let (count, unix_ns) = std::mem::take(&mut handler.lost);
                if count > 0 {
                    handler.formatting.put_lost(count, unix_ns);
                    has_news = true;
                }
                front.events.say(&format!("{out} keeps up again; {count} records were left out of it"));
            }
        }
        has_news
    }

    /// Begins other files.
    pub(super) fn rotate(&mut self, unix_ns: u64, front: &mut Front<'_>) -> Result<(), Error> {
        for handler in &mut self.all {
            match &mut handler.way {
                Way::Here(outlet) => drop(outlet.rotate(unix_ns, front)?),
                // Others have nothing to close, and may never come to it.
                Way::Elsewhere(worker) if handler.kind == Kind::Certain && !handler.is_gone => {
                    worker.rotate(unix_ns)
                }
                Way::Elsewhere(_) => {}
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
    pub(super) fn finish(mut self, front: &mut Front<'_>) -> (Vec<Outlet>, Result<(), Error>) {
        let cursors = front.intake.cursors();
        let events = &mut *front.events;
        for handler in self.all.iter_mut().filter(|handler| handler.is_left && handler.lost.0 > 0) {
            // In case it catches up.
            let Handler { formatting, way: Way::Elsewhere(worker), lost, .. } = handler else { continue };
            formatting.put_lost(lost.0, lost.1);
            formatting.end_batch(&cursors);
            let _ = worker.write(u64::MAX, std::mem::take(&mut formatting.batch));
        }
        let has_others = self.all.len() > 1;
        let (mut outlets, mut result) = (Vec::new(), Ok(()));
        // Those who come to an end by themselves first: the others have that time too.
        let (certain, others): (Vec<_>, Vec<_>) =
            self.all.into_iter().partition(|handler| handler.kind == Kind::Certain);
        for handler in certain.into_iter().chain(others) {
            let worker = match handler.way {
                Way::Elsewhere(worker) => worker,
                Way::Here(outlet) => {
                    outlets.push(outlet);
                    continue;
                }
            };
            let out = worker.out.clone();
            let may_give_up = handler.kind != Kind::Certain && has_others;
            let Finished { outlet, failed, queued } =
                worker.finish(may_give_up.then(|| Instant::now() + AT_THE_END), events);
            if outlet.is_none() {
                events.say(&format!("{out} takes nothing; what was on its way to it is given up"));
            }
            outlets.extend(outlet);
            let failed = match failed {
                // The rings have forgotten them, for the others' sake.
                Err(_) if handler.is_left => Err(Error::LeftOut { out, records: handler.lost.0 + queued }),
                failed => failed,
            };
            result = result.and(failed);
        }
        (outlets, result)
    }
}

fn taking(all: &mut [Handler], takers: Takers) -> impl Iterator<Item = &mut Handler> {
    let number = all.iter_mut().enumerate();
    number.filter(move |(number, _)| takers >> number & 1 == 1).map(|(_, handler)| handler)
}
