//! The loop of a running writer.

mod reload;

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ringlog::admin::RotationOutcome;
use ringlog::reader::{Body, GapReason, Mark};

use super::blocked::Blocked;
use super::context::{Context, How};
use super::outputs::{OutputMask, Outputs};
use super::router::Router;
use super::status_file::StatusFile;
use super::stranded::Stranded;
use crate::clock::{now_unix_ns, unix_ns};
use crate::config::Config;
use crate::error::Error;
use crate::summary::{Summary, missing};

/// The largest number of entries in a batch. Without it, entries that no handler takes would never end a batch.
const BATCH_ENTRIES: u32 = 8192;
/// The age at which a batch with gaps is written. A ring that is being overwritten with garbage yields gaps without
/// end, for which some formats have no lines.
const BATCH_LIFE: Duration = Duration::from_millis(100);
/// How long the loop waits for entries before it looks at signals and requests.
const IDLE: Duration = Duration::from_millis(20);
/// The same while a batch is in flight or the writer is stopping.
const BUSY: Duration = Duration::from_millis(1);
/// When the writer stops, every record published so far is written. The clocks of producers may differ from the
/// writer's by this much.
const CLOCKS_AGREE_WITHIN: Duration = Duration::from_millis(100);
/// When the writer stops, it waits at most this long for records with timestamps from the future.
const FUTURE_MAX: Duration = Duration::from_secs(3);
/// The writer has been asked to stop.
struct Ending {
    /// Records from this time on are left for the next writer.
    unix_ns: u64,
    /// Since when the rings have given nothing, although they are not drained.
    stuck_since: Option<Instant>,
    /// Whether damage was found meanwhile. A process that keeps damaging the ring would otherwise keep the writer from
    /// ending, so entries that are taken do not count as progress.
    damaged: bool,
}

/// A batch that was handed to the handlers and is not acknowledged yet.
pub(super) struct InFlight {
    pub(super) turn: u64,
    pub(super) marks: Vec<Mark>,
    pub(super) counts: Summary,
    /// The outputs that each of its entries is for.
    pub(super) common: OutputMask,
}

/// Why the loop has ended.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// Everything is written, or every reader has gone.
    Done,
    /// No process logs any more, and everything is written.
    Idle,
    /// Another ring has taken the place of one of the rings, and is to be drained too; or a disk answers again. The
    /// session begins anew.
    Replaced,
    /// Another configuration is to take effect.
    Reload(Box<Config>),
}

/// A running writer.
pub(super) struct Writer<'a> {
    pub(super) context: Context<'a>,
    router: Router,
    pub(super) outputs: Outputs,
    how: How<'a>,
    /// The entries taken since the last turn.
    counts: Summary,
    /// The outputs that each of them is for.
    common: OutputMask,
    /// The number of batches handed to the handlers.
    turn: u64,
    pub(super) in_flight: VecDeque<InFlight>,
    /// The requests to rotate that are being carried out, and what comes of them.
    rotating: Option<(Vec<Option<u64>>, RotationOutcome)>,
    /// Whether the files are being reopened.
    is_reopening: bool,
    pub(super) status: StatusFile,
    /// Files whose disks do not answer.
    pub(super) blocked: Vec<Blocked>,
    /// What is acknowledged.
    pub(super) summary: Summary,
    ending: Option<Ending>,
    stranded: Stranded,
    /// The time of the last record in the present batch; 0 without a record.
    last_unix_ns: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        context: Context<'a>,
        router: Router,
        outputs: Outputs,
        how: How<'a>,
        status: StatusFile,
        blocked: Vec<Blocked>,
    ) -> Writer<'a> {
        Writer {
            context,
            router,
            outputs,
            how,
            counts: Summary::default(),
            common: OutputMask::MAX,
            turn: 0,
            in_flight: VecDeque::new(),
            rotating: None,
            is_reopening: false,
            status,
            blocked,
            summary: Summary::default(),
            ending: None,
            stranded: Stranded::default(),
            last_unix_ns: 0,
        }
    }

    /// Runs until a request, an idle ring or an error ends the loop.
    pub(super) fn run(&mut self) -> Result<End, Error> {
        loop {
            let filled = if self.outputs.are_behind() { Ok(false) } else { self.fill() };
            let is_empty = match filled {
                Ok(is_empty) => is_empty,
                Err(error) => {
                    // The ring is lost, but the entries taken from it before are not.
                    self.turn += 1;
                    self.outputs.write(self.turn, &self.context);
                    return Err(error);
                }
            };
            let took_some = self.counts.has_entries();
            if took_some && self.outputs.are_ready() {
                self.submit();
            }
            self.acknowledge()?;
            if self.outputs.all_gone() {
                return Ok(End::Done);
            }
            if self.context.flags.now.load(Ordering::Relaxed) {
                self.outputs.end_now();
                return Ok(End::Done);
            }
            if let Some(end) = self.handle_requests()? {
                return Ok(end);
            }
            self.end_if_stranded()?;
            if self.counts.has_entries() {
                // They are not sent yet.
                if self.ending.is_none() && self.context.is_stopping() {
                    self.begin_shutdown();
                }
            } else if self.ending.is_some() {
                if self.is_finished(is_empty, took_some)? {
                    return Ok(End::Done);
                }
            } else if self.context.is_stopping() {
                self.begin_shutdown();
            } else if self.is_replaced()? {
                return Ok(End::Replaced);
            } else if is_empty && !took_some && self.is_idle()? {
                return Ok(End::Idle);
            }
        }
    }

    /// Takes and formats entries, up to one batch; waits for the first. Returns whether the rings have no more entries
    /// at the moment.
    fn fill(&mut self) -> Result<bool, Error> {
        let is_busy = self.ending.is_some() || !self.in_flight.is_empty();
        let mut wait = match self.counts.has_entries() {
            // What is not sent yet is waited for elsewhere.
            true => Duration::ZERO,
            false if is_busy => BUSY,
            false => IDLE,
        };
        let began = Instant::now();
        self.last_unix_ns = 0;
        let mut is_old = false;
        let mut taken = 0;
        while !self.outputs.are_full() && !is_old && taken < BATCH_ENTRIES {
            taken += 1;
            let Context { sources, events, .. } = &mut self.context;
            let Some((ring, entry)) = sources.next(wait)? else { return Ok(true) };
            wait = Duration::ZERO;
            let unix_ns = entry.unix_ns;
            match &entry.body {
                Body::Gap(gap) => {
                    is_old = began.elapsed() > BATCH_LIFE;
                    self.counts.gaps += 1;
                    self.counts.missing = self.counts.missing.saturating_add(missing(gap));
                    if let Some(ending) = &mut self.ending {
                        ending.damaged |= gap.reason == GapReason::Damaged;
                    }
                }
                Body::UncleanExit(_) => self.counts.unclean_exits += 1,
                _ => {
                    self.counts.records += 1;
                    // Only records: an unclean exit has the time at which it was noticed, which may be later than
                    // that of records still in the ring.
                    self.last_unix_ns = unix_ns;
                }
            }
            let mask = self.router.mask(&entry);
            self.common &= self.outputs.of(mask);
            let unrouted = (mask == 0 && self.router.is_reported(&entry)).then(|| entry.message());
            self.outputs.format(mask, ring, &entry, *events);
            if let Some(unrouted) = unrouted {
                events.report(&format!("{}: {unrouted}", sources.label(ring)));
            }
            self.outputs.complete(mask, ring, unix_ns, sources.step(ring));
        }
        Ok(false)
    }

    /// Hands the present batch to the outputs' threads.
    fn submit(&mut self) {
        self.turn += 1;
        self.counts.bytes = self.outputs.batch_bytes();
        self.outputs.write(self.turn, &self.context);
        let (marks, counts) = (self.context.sources.marks(), std::mem::take(&mut self.counts));
        let common = std::mem::replace(&mut self.common, OutputMask::MAX);
        self.in_flight.push_back(InFlight { turn: self.turn, marks, counts, common });
    }

    /// Acknowledges the batches that every handler has written.
    fn acknowledge(&mut self) -> Result<(), Error> {
        self.outputs.poll(Duration::ZERO, self.context.events);
        if self.outputs.are_behind() || (self.counts.has_entries() && !self.outputs.are_ready()) {
            self.outputs.poll(BUSY, self.context.events);
        }
        let Context { sources, events, .. } = &mut self.context;
        if self.outputs.update_detached(self.ending.is_some(), sources.is_nearly_full(), *events) {
            self.submit();
        }
        let written = self.outputs.written_turn().unwrap_or(self.turn);
        while let Some(done) = self.in_flight.front().filter(|batch| batch.turn <= written) {
            self.context.sources.ack_to(&done.marks)?;
            self.summary.add(done.counts);
            self.in_flight.pop_front();
        }
        Ok(())
    }

    /// Handles requests from signals and from other processes, and periodic work.
    fn handle_requests(&mut self) -> Result<Option<End>, Error> {
        if self.wants_reload()
            && let Some(config) = self.load_config()?
            // A request to stop that has come meanwhile is carried out here: in the next session it would wait again.
            && !self.context.is_stopping()
        {
            return Ok(Some(End::Reload(Box::new(config))));
        }
        if self.is_answered() {
            self.quiesce()?;
            return Ok((!self.context.is_stopping()).then_some(End::Replaced));
        }
        self.context.sources.end_drained(self.context.events)?;
        self.rotate_if_requested();
        let Context { sources, events, .. } = &mut self.context;
        sources.maintain(*events);
        self.status.update(|| self.outputs.status(), sources, *events);
        Ok(None)
    }

    /// Starts a rotation on request, and answers the request once the next files are open.
    fn rotate_if_requested(&mut self) {
        let requests = self.context.sources.requests().rotations();
        // Read after the requests to rotate: a process that sends both sends this one first.
        if self.context.sources.requests().take_trust() {
            self.outputs.trust_clock();
        }
        let is_requested = requests.iter().any(Option::is_some) && self.rotating.is_none();
        if self.context.flags.rotate.swap(false, Ordering::Relaxed) || is_requested {
            let outcome = self.outputs.rotate(now_unix_ns(), self.context.events);
            self.rotating = Some((requests, outcome));
        }
        self.answer_requests();
    }

    /// Answers the requests that the outputs have carried out.
    fn answer_requests(&mut self) {
        if self.outputs.are_handling() {
            return;
        }
        let requests = self.context.sources.requests();
        if let Some((rotations, outcome)) = self.rotating.take() {
            requests.answer_rotations(&rotations, outcome);
        }
        if std::mem::take(&mut self.is_reopening) {
            requests.answer_reload(true);
        }
    }

    /// Writes what is published up to now, and then ends.
    fn begin_shutdown(&mut self) {
        if let Some(why) = self.context.sources.requests().why_stopped() {
            self.context.events.report(&why);
        }
        self.context.sources.set_grace(Duration::ZERO);
        self.outputs.stop(self.context.asked_since().unwrap_or_else(Instant::now));
        let until = std::time::SystemTime::now() + CLOCKS_AGREE_WITHIN;
        self.ending = Some(Ending { unix_ns: unix_ns(until), stuck_since: None, damaged: false });
    }

    /// Whether another ring has taken the place of one of the rings, and the session can end.
    fn is_replaced(&mut self) -> Result<bool, Error> {
        let Context { sources, events, .. } = &mut self.context;
        if !sources.find_successors(self.how.makes_anew, *events)? {
            return Ok(false);
        }
        self.quiesce()?;
        // A request to stop to the ring that was replaced would be lost with the session.
        Ok(!self.context.is_stopping())
    }

    /// Whether every record published before the writer was asked to stop is written, as far as the handlers can.
    /// Entries come in the order of time, so a younger one proves it; so do drained rings.
    fn is_finished(&mut self, is_empty: bool, took_some: bool) -> Result<bool, Error> {
        let is_drained = !took_some && self.context.sources.is_drained()?;
        let Some(ending) = &mut self.ending else { return Ok(false) };
        if is_drained || self.last_unix_ns > ending.unix_ns {
            return Ok(true);
        }
        // The rings keep what a failed handler has not written, so they are never drained; the other handlers get the
        // rest.
        if self.outputs.have_failed() && is_empty && !took_some {
            return Ok(ending.stuck_since.get_or_insert_with(Instant::now).elapsed() >= CLOCKS_AGREE_WITHIN);
        }
        // What is in flight is written at the end of the session too, so it keeps no damaged ring from being left.
        let is_waiting = !self.in_flight.is_empty() && !self.outputs.have_failed();
        if (took_some || is_waiting) && !ending.damaged {
            ending.stuck_since = None;
            return Ok(false);
        }
        if ending.stuck_since.get_or_insert_with(Instant::now).elapsed() < FUTURE_MAX {
            return Ok(false);
        }
        let what = match ending.damaged {
            true => "the ring is being damaged and cannot be drained",
            false => "the remaining records have timestamps from the future",
        };
        let then = match self.context.sources.are_nameless() {
            true => "what is left in a ring that was removed is lost with it",
            false => "what is left stays in the ring for the next writer",
        };
        self.context.events.report(&format!("{what}; {then}"));
        Ok(true)
    }

    /// Whether to end because no process logs any more. The rings were empty a moment ago.
    fn is_idle(&mut self) -> Result<bool, Error> {
        let abandoned = self.context.events.is_abandoned();
        if !self.how.until_idle && !abandoned {
            return Ok(false);
        }
        self.context.sources.are_deserted(abandoned)
    }

    /// Begins to end if no process logs any more, and an output only fails.
    fn end_if_stranded(&mut self) -> Result<(), Error> {
        if self.ending.is_some() {
            return Ok(());
        }
        let Some(out) = self.stranded.look(&self.outputs, &self.context.sources)? else { return Ok(()) };
        if (self.how.until_idle || self.context.events.is_abandoned()) && !self.context.is_stopping() {
            self.context
                .events
                .report(&format!("no process logs any more, and {out} cannot be written; ending"));
            self.begin_shutdown();
        }
        Ok(())
    }
}
