//! The loop: drain, route, format, persist, acknowledge.

mod batch;
mod delivery;
mod formatting;
mod handlers;
mod levels;
mod reload;
mod router;
mod session;
mod sources;
mod worker;

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ringlog::reader::{Body, GapReason, Mark};

use crate::config::Config;
use crate::error::Error;

use delivery::{Outside, Persisted};
use formatting::missing;
use handlers::Handlers;
use router::Router;
pub use session::{ConfigFile, run, run_config, run_with};
use sources::Intake;

/// A batch is written when it has grown to this; an idle ring's at once. Larger ones spare no time, and
/// hold blocks longer.
const BATCH_BYTES: usize = 64 << 10;
/// The same for entries, which need not all be taken by somebody.
const BATCH_ENTRIES: u32 = 8192;
/// A batch with gaps is written when it is this old. Some formats have no lines for gaps, of which a ring that
/// somebody scribbles over has no end.
const BATCH_LIFE: Duration = Duration::from_millis(100);
/// How long the rings are waited for before signals and the like are looked at again.
const IDLE: Duration = Duration::from_millis(20);
/// The same while something is on its way to an output, or the writer is to end.
const BUSY: Duration = Duration::from_millis(1);
/// When the writer ends, what was published up to then is written. The clocks of records may differ by
/// a little from ours.
const CLOCKS_AGREE_WITHIN: Duration = Duration::from_millis(100);
/// When the writer ends, it waits no longer for records whose time has not come yet.
const FUTURE_MAX: Duration = Duration::from_secs(3);

/// What a writer has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records written.
    pub records: u64,
    /// Places at which records are missing.
    pub gaps: u64,
    /// Records missing at them: dropped, or overwritten before they were read.
    pub missing: u64,
    /// Lanes told to have died.
    pub deaths: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl Summary {
    fn add(&mut self, other: Summary) {
        self.records += other.records;
        self.gaps += other.gaps;
        self.missing = self.missing.saturating_add(other.missing);
        self.deaths += other.deaths;
        self.bytes += other.bytes;
    }

    fn has_entries(&self) -> bool {
        self.records > 0 || self.gaps > 0 || self.deaths > 0
    }
}

/// What a writer tells while it runs.
pub trait Events {
    /// The rings are held and the outputs are open: what is published from here on will be persisted.
    fn ready(&mut self) {}

    /// Something a person should know: one line without a newline.
    fn say(&mut self, message: &str);

    /// Whether whoever started the writer has gone. It then ends [when idle](crate::Options::until_idle).
    fn is_abandoned(&mut self) -> bool {
        false
    }
}

/// Says everything on standard error.
#[derive(Clone, Copy, Debug)]
pub struct StandardError;

impl Events for StandardError {
    fn say(&mut self, message: &str) {
        // Where standard error is gone there is nowhere to complain about it.
        let _ = writeln!(std::io::stderr(), "ringlog-writer: {message}");
    }
}

/// Flags that others set, usually signal handlers.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Write what has been published, then end.
    pub stop: Arc<AtomicBool>,
    /// Open the output file anew, or read the configuration anew where there is one. Cleared when that is done.
    pub reopen: Arc<AtomicBool>,
    /// Close the output file and begin another one. Cleared when that is done.
    pub rotate: Arc<AtomicBool>,
}

/// The flags that others set, borrowed.
#[derive(Clone, Copy)]
struct Told<'a> {
    stop: &'a AtomicBool,
    reopen: &'a AtomicBool,
    rotate: &'a AtomicBool,
}

/// The writer has been told to end.
struct Ending {
    /// Records from here on are another writer's.
    unix_ns: u64,
    /// Since when there is nothing to take out, although the ring is not drained.
    stuck_since: Option<Instant>,
    /// The ring has been found damaged meanwhile. Who scribbles over it may go on for ever, so what is taken out
    /// does not count as getting nearer to the end.
    damaged: bool,
}

/// What is on its way to the outputs, to be acknowledged when it is there.
struct Underway {
    turn: u64,
    marks: Vec<Mark>,
    counts: Summary,
}

/// Why the loop came to its end.
#[derive(Debug, PartialEq)]
enum End {
    /// All is written, or nobody is left to write for.
    Done,
    /// To begin anew with another configuration; and for each ring which requests to end have been heeded.
    Anew(Box<Config>, Vec<([u8; 16], u64)>),
}

/// What the loop shares with an output that it writes itself: where entries come from, and who is told what.
struct Front<'a> {
    intake: Intake,
    told: Told<'a>,
    events: &'a mut dyn Events,
}

impl Outside for Front<'_> {
    fn is_told_to_end(&self) -> bool {
        self.told.stop.load(Ordering::Relaxed) || self.intake.stop_requested()
    }

    fn wants_reopening(&self) -> bool {
        self.told.reopen.load(Ordering::Relaxed)
    }

    fn reopens(&self) {
        self.told.reopen.store(false, Ordering::Relaxed);
    }

    fn waits(&mut self) {
        self.intake.undo_levels(self.events);
    }

    fn goes_on(&mut self, out: &str) {
        self.events.say(&format!("writing to {out} again; nothing was lost on the way"));
    }

    fn events(&mut self) -> &mut dyn Events {
        self.events
    }
}

struct Writer<'a> {
    front: Front<'a>,
    router: Router,
    handlers: Handlers,
    until_idle: bool,
    /// Where the configuration is, if there is one.
    config: Option<&'a ConfigFile>,
    /// Of what has been taken out since the last turn.
    counts: Summary,
    turn: u64,
    underway: VecDeque<Underway>,
    /// Requests to rotate that are being carried out.
    rotating: Option<Vec<Option<u64>>>,
    summary: Summary,
    ending: Option<Ending>,
    /// The time of the last record that was taken out just now; 0 if none was.
    last_unix_ns: u64,
}

impl Writer<'_> {
    fn carry(&mut self) -> Result<End, Error> {
        loop {
            let filled = if self.handlers.are_behind() { Ok(false) } else { self.fill() };
            let is_empty = match filled {
                Ok(is_empty) => is_empty,
                Err(error) => {
                    // The ring is lost, but not what was taken out of it before.
                    self.turn += 1;
                    return self.handlers.write(self.turn, &mut self.front).and(Err(error));
                }
            };
            let took_some = self.counts.has_entries();
            if took_some && self.hand_over()? == Persisted::ReaderGone {
                return Ok(End::Done);
            }
            self.acknowledge()?;
            if self.handlers.have_ended() {
                return Ok(End::Done);
            }
            if let Some(end) = self.do_as_told()? {
                return Ok(end);
            }
            if self.ending.is_some() {
                if self.has_ended(took_some)? {
                    return Ok(End::Done);
                }
            } else if self.front.is_told_to_end() {
                self.begin_to_end();
            } else if is_empty && !took_some && self.is_idle()? {
                return Ok(End::Done);
            }
        }
    }
}

impl Writer<'_> {
    /// Takes out and formats what is there, up to one batch, waiting for the first. Returns whether the rings have
    /// nothing more to give at the moment.
    fn fill(&mut self) -> Result<bool, Error> {
        let is_busy = self.ending.is_some() || !self.underway.is_empty();
        let mut wait = if is_busy { BUSY } else { IDLE };
        let began = Instant::now();
        self.last_unix_ns = 0;
        let mut is_old = false;
        let mut taken = 0;
        while !self.handlers.is_full() && !is_old && taken < BATCH_ENTRIES {
            taken += 1;
            let Front { intake, events, .. } = &mut self.front;
            let Some((ring, entry)) = intake.next(wait)? else { return Ok(true) };
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
                Body::UncleanExit(_) => self.counts.deaths += 1,
                _ => {
                    self.counts.records += 1;
                    // Only of records: when a death was noticed says nothing of what came before.
                    self.last_unix_ns = unix_ns;
                }
            }
            let takers = self.router.takers(&entry);
            let untold = (takers == 0 && entry.record().is_none()).then(|| entry.message());
            self.handlers.put(takers, ring, &entry, *events);
            if let Some(untold) = untold {
                events.say(&format!("{}: {untold}", intake.name(ring)));
            }
            self.handlers.settle(takers, ring, unix_ns, intake);
        }
        Ok(false)
    }

    /// Writes what was taken out, or gives it to those who do.
    fn hand_over(&mut self) -> Result<Persisted, Error> {
        self.turn += 1;
        self.counts.bytes = self.handlers.bytes();
        if self.handlers.write(self.turn, &mut self.front)? == Persisted::ReaderGone {
            return Ok(Persisted::ReaderGone);
        }
        let (marks, counts) = (self.front.intake.marks(), std::mem::take(&mut self.counts));
        self.underway.push_back(Underway { turn: self.turn, marks, counts });
        Ok(Persisted::Done)
    }

    /// Acknowledges what all have written.
    fn acknowledge(&mut self) -> Result<(), Error> {
        self.handlers.note(Duration::ZERO, &mut self.front);
        if self.handlers.are_behind() {
            self.handlers.note(BUSY, &mut self.front);
        }
        if self.handlers.part(self.ending.is_some(), &mut self.front) {
            self.hand_over()?;
        }
        let written = self.handlers.written().unwrap_or(self.turn);
        while let Some(done) = self.underway.front().filter(|underway| underway.turn <= written) {
            self.front.intake.ack_to(&done.marks)?;
            self.summary.add(done.counts);
            self.underway.pop_front();
        }
        Ok(())
    }

    /// Does what signals and others have asked for.
    fn do_as_told(&mut self) -> Result<Option<End>, Error> {
        if self.wants_anew()
            && let Some(config) = self.read_anew()?
        {
            return Ok(Some(End::Anew(Box::new(config), Vec::new())));
        }
        self.handlers.look(&mut self.front);
        self.rotate_if_asked()?;
        self.front.waits();
        Ok(None)
    }

    /// Begins other files if somebody asks for it, and answers when they are there.
    fn rotate_if_asked(&mut self) -> Result<(), Error> {
        let requests = self.front.intake.rotation_requests();
        let is_asked = requests.iter().any(Option::is_some) && self.rotating.is_none();
        if self.front.told.rotate.swap(false, Ordering::Relaxed) || is_asked {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let unix_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
            self.handlers.rotate(unix_ns, &mut self.front)?;
            self.rotating = Some(requests);
        }
        if !self.handlers.are_rotating()
            && let Some(requests) = self.rotating.take()
        {
            self.front.intake.answer_rotation(&requests);
        }
        Ok(())
    }

    fn begin_to_end(&mut self) {
        if let Some(ring) = self.front.intake.to_stop_for() {
            let said = format!(
                "{ring} was removed, or its writer was asked to end; so ends that of the other rings"
            );
            self.front.events.say(&said);
        }
        self.front.intake.set_grace(Duration::ZERO);
        self.handlers.hurry();
        let now = SystemTime::now() + CLOCKS_AGREE_WITHIN;
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let unix_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.ending = Some(Ending { unix_ns, stuck_since: None, damaged: false });
    }

    /// Whether all that was published when the writer was told to end is written. Entries come in the
    /// order of time, so one that is younger says so; or there are none at all.
    fn has_ended(&mut self, took_some: bool) -> Result<bool, Error> {
        let is_drained = !took_some && self.front.intake.is_drained()?;
        let Some(ending) = &mut self.ending else { return Ok(false) };
        if is_drained || self.last_unix_ns > ending.unix_ns || self.handlers.have_failed() {
            return Ok(true);
        }
        if (took_some && !ending.damaged) || !self.underway.is_empty() {
            ending.stuck_since = None;
            return Ok(false);
        }
        if ending.stuck_since.get_or_insert_with(Instant::now).elapsed() < FUTURE_MAX {
            return Ok(false);
        }
        self.front.events.say(if ending.damaged {
            "the ring is damaged and does not come to an end; what is left stays there for the next writer"
        } else {
            "what is left in the ring claims to be from the future; it stays there for the next writer"
        });
        Ok(true)
    }

    /// Whether to end because nobody logs any more. The rings were empty a moment ago.
    fn is_idle(&mut self) -> Result<bool, Error> {
        let abandoned = self.front.events.is_abandoned();
        if !self.until_idle && !abandoned {
            return Ok(false);
        }
        self.front.intake.is_deserted(abandoned)
    }
}
