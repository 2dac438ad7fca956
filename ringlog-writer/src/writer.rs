//! The loop: drain, format, persist, acknowledge.

mod levels;
mod persist;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ringlog::{Body, Consumer, Cursor, Gap, GapReason, Level, Observer, Ring};

use crate::error::Error;
use crate::format::{self, Format, Source};
use crate::options::{FormatKind, Fsync, Options};
use crate::sink::{self, Sink};

/// A batch is written when it has grown to this; an idle ring's at once. Larger ones spare no time, and
/// hold blocks longer.
const BATCH_BYTES: usize = 64 << 10;
/// A batch with gaps is written when it is this old. Some formats have no lines for gaps, of which a ring that
/// somebody scribbles over has no end.
const BATCH_LIFE: Duration = Duration::from_millis(100);
/// How long the consumer is waited for before signals and the like are looked at again.
const IDLE: Duration = Duration::from_millis(20);
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

/// What a writer tells while it runs.
pub trait Events {
    /// The ring is held and the output is open: what is published from here on will be persisted.
    fn ready(&mut self) {}

    /// Something a person should know: one line without a newline.
    fn say(&mut self, message: &str);

    /// Whether whoever started the writer has gone. It then ends [when idle](Options::until_idle).
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
    /// Open the output file anew. Cleared when that is done.
    pub reopen: Arc<AtomicBool>,
    /// Close the output file and begin another one. Cleared when that is done.
    pub rotate: Arc<AtomicBool>,
}

/// Persists records until `stop` is set, somebody asks for it with `ringlog stop`, the reader of a pipe
/// has gone, or, if the options say so, the ring is idle. Then writes everything published up to that
/// moment and returns. What goes wrong meanwhile it says on standard error.
///
/// A program that runs this in a thread of its own should call [`ringlog::survive_truncation`], as the
/// daemon does: it is not done here, because it installs a signal handler.
///
/// # Errors
/// [`Error::Options`] if those do not go together; [`Error::Ring`] if the ring cannot be opened, somebody else
/// drains it, or its file was truncated: what had been taken out of it until then is written; [`Error::Open`], before
/// anything is taken out of the ring; [`Error::Write`] if it was told to end while the output took
/// nothing. A full disk alone is none: it is waited for.
pub fn run(options: &Options, stop: &AtomicBool) -> Result<Summary, Error> {
    begin(
        options,
        Told { stop, reopen: &AtomicBool::new(false), rotate: &AtomicBool::new(false) },
        &mut StandardError,
    )
}

/// The same, with a way to reopen the file, and to hear what happens.
///
/// # Errors
/// As for [`run`].
pub fn run_with(options: &Options, signals: &Signals, events: &mut dyn Events) -> Result<Summary, Error> {
    let Signals { stop, reopen, rotate } = signals;
    begin(options, Told { stop, reopen, rotate }, events)
}

/// The flags that others set, borrowed.
#[derive(Clone, Copy)]
struct Told<'a> {
    stop: &'a AtomicBool,
    reopen: &'a AtomicBool,
    rotate: &'a AtomicBool,
}

fn begin(options: &Options, told: Told<'_>, events: &mut dyn Events) -> Result<Summary, Error> {
    options.check()?;
    let ring = Ring::open(&options.ring)?;
    let mut consumer = ring.consumer()?;
    if let Some(grace) = options.grace {
        consumer.set_grace(grace);
    }
    let mut sink = sink::open(options, ring.path())?;
    consumer.resume(&sink.cursor(&ring.info().uuid))?;
    // The ring is held: only now may anything be done to what is in the file.
    sink.settle(consumer.follows_a_killed_one(), events)?;
    let observer = ring.observe()?;
    let source = Source::new(ring.path(), ring.info());
    let mut writer = Writer {
        options,
        levels: levels::Ends::of(&ring),
        consumer,
        observer,
        used: false,
        format: format::new(options.format, options.newlines, options.ids, &source),
        closes_files: sink.closes_files(),
        sink,
        batch: Vec::with_capacity(2 * BATCH_BYTES),
        // In a small ring the producers need the space of a smaller batch.
        batch_bytes: BATCH_BYTES.min(ring.info().geometry().file_bytes() as usize / 8),
        pending: Pending::default(),
        cursor: Cursor::default(),
        cannot_look: false,
        summary: Summary::default(),
        ending: None,
        told,
        events,
    };
    writer.events.ready();
    writer.carry()?;
    let Writer { mut consumer, mut sink, events, summary, .. } = writer;
    if options.until_idle {
        sink.rest(events);
    }
    // In this order: where the checkpoint is gone, the ring has to know that nothing is missing.
    consumer.end();
    sink.finish(events);
    Ok(summary)
}

/// What is in the batch.
#[derive(Clone, Copy, Default)]
struct Pending {
    records: u64,
    gaps: u64,
    missing: u64,
    deaths: u64,
    /// A record among them has to survive a power cut.
    urgent: bool,
}

impl Pending {
    fn is_empty(self) -> bool {
        self.records == 0 && self.gaps == 0 && self.deaths == 0
    }
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

/// Why no more was put into the batch.
#[derive(PartialEq)]
enum Filled {
    /// It is large enough.
    Batch,
    /// The ring has nothing more to give at the moment.
    RingEmpty,
    /// The last entry, which begins at this byte and has this time, belongs to the next file.
    UpToSeam { at: usize, unix_ns: u64 },
}

/// What persisting a batch came to.
enum Persisted {
    Done,
    /// Who read the output has gone; nothing more can be written.
    ReaderGone,
}

struct Writer<'a> {
    options: &'a Options,
    consumer: Consumer,
    observer: Observer,
    /// Of the level rules.
    levels: levels::Ends,
    /// Some process has logged into the ring, ever.
    used: bool,
    format: Box<dyn Format>,
    sink: Box<dyn Sink>,
    /// The sink has to be asked before each entry.
    closes_files: bool,
    /// Formatted, not yet written.
    batch: Vec<u8>,
    batch_bytes: usize,
    pending: Pending,
    /// Where the ring is after the batch.
    cursor: Cursor,
    /// It has been said that the output is not where it was and cannot be opened anew.
    cannot_look: bool,
    summary: Summary,
    ending: Option<Ending>,
    told: Told<'a>,
    events: &'a mut dyn Events,
}

impl Writer<'_> {
    fn carry(&mut self) -> Result<(), Error> {
        loop {
            let wait = if self.ending.is_some() { Duration::from_millis(1) } else { IDLE };
            let (filled, last_unix_ns) = match self.fill(wait) {
                Ok(filled) => filled,
                Err(error) => {
                    // The ring is lost, but not what was taken out of it before.
                    let written = if self.pending.is_empty() { Ok(Persisted::Done) } else { self.persist() };
                    return written.and(Err(error));
                }
            };
            // What comes behind the seam is persisted at once, or a ring that is never empty would have none of its
            // space back, and nobody could end its writer.
            if let Filled::UpToSeam { at, unix_ns } = filled
                && let Persisted::ReaderGone = self.change_files(at, unix_ns)?
            {
                return Ok(());
            }
            let took_some = !self.pending.is_empty();
            if took_some && let Persisted::ReaderGone = self.persist()? {
                return Ok(());
            }
            if self.told.reopen.swap(false, Ordering::Relaxed) {
                self.reopen_output();
            }
            self.look_at_output();
            self.rotate_if_asked()?;
            self.undo_levels();
            if self.ending.is_some() {
                if self.has_ended(took_some, last_unix_ns)? {
                    return Ok(());
                }
            } else if self.is_told_to_end() {
                self.begin_to_end();
            } else if filled == Filled::RingEmpty && !took_some && self.is_idle()? {
                return Ok(());
            }
        }
    }

    /// Takes out and formats what is there, up to one batch, waiting up to `wait` for the first. Returns
    /// the time of the last record, 0 if there was none.
    fn fill(&mut self, mut wait: Duration) -> Result<(Filled, u64), Error> {
        let mut last_unix_ns = 0;
        let began = Instant::now();
        let mut is_old = false;
        while self.batch.len() < self.batch_bytes && !is_old {
            let Some(entry) = self.consumer.next(wait)? else { return Ok((Filled::RingEmpty, last_unix_ns)) };
            wait = Duration::ZERO;
            match &entry.body {
                Body::Gap(gap) => {
                    is_old = began.elapsed() > BATCH_LIFE;
                    self.pending.gaps += 1;
                    self.pending.missing = self.pending.missing.saturating_add(missing(gap));
                    if let Some(ending) = &mut self.ending {
                        ending.damaged |= gap.reason == GapReason::Damaged;
                    }
                    if self.options.format == FormatKind::Raw {
                        // The output is the messages' bytes and nothing else.
                        let thread = &entry.origin.thread;
                        self.events.say(&format!("{gap} ({}/{thread})", entry.origin.pid));
                    }
                }
                Body::Died(_) => {
                    self.pending.deaths += 1;
                    if self.options.format == FormatKind::Raw {
                        self.events.say(&entry.message());
                    }
                }
                _ => {
                    self.pending.records += 1;
                    let level = entry.record().map(|record| record.level);
                    self.pending.urgent |= level.is_some_and(|level| is_urgent(self.options.fsync, level));
                    // Only of records: when a death was noticed says nothing of what came before.
                    last_unix_ns = entry.unix_ns;
                }
            }
            let at = self.batch.len();
            self.format.entry(&entry, &mut self.batch);
            if self.closes_files && self.sink.closes_before(at, self.batch.len() - at, entry.unix_ns) {
                return Ok((Filled::UpToSeam { at, unix_ns: entry.unix_ns }, last_unix_ns));
            }
        }
        Ok((Filled::Batch, last_unix_ns))
    }

    fn is_told_to_end(&self) -> bool {
        self.told.stop.load(Ordering::Relaxed) || self.consumer.stop_requested()
    }

    fn begin_to_end(&mut self) {
        self.consumer.set_grace(Duration::ZERO);
        let now = SystemTime::now() + CLOCKS_AGREE_WITHIN;
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let unix_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.ending = Some(Ending { unix_ns, stuck_since: None, damaged: false });
    }

    /// Whether all that was published when the writer was told to end is written. Entries come in the
    /// order of time, so one that is younger says so; or there are none at all.
    fn has_ended(&mut self, took_some: bool, last_unix_ns: u64) -> Result<bool, Error> {
        let is_drained = !took_some && self.consumer.is_drained()?;
        let Some(ending) = &mut self.ending else { return Ok(false) };
        if is_drained || last_unix_ns > ending.unix_ns {
            return Ok(true);
        }
        if took_some && !ending.damaged {
            ending.stuck_since = None;
            return Ok(false);
        }
        if ending.stuck_since.get_or_insert_with(Instant::now).elapsed() < FUTURE_MAX {
            return Ok(false);
        }
        self.events.say(if ending.damaged {
            "the ring is damaged and does not come to an end; what is left stays there for the next writer"
        } else {
            "what is left in the ring claims to be from the future; it stays there for the next writer"
        });
        Ok(true)
    }

    /// Whether to end because nobody logs any more. The ring was empty a moment ago.
    fn is_idle(&mut self) -> Result<bool, Error> {
        let abandoned = self.events.is_abandoned();
        if !self.options.until_idle && !abandoned {
            return Ok(false);
        }
        if !self.used {
            self.used = !self.observer.stat()?.lanes.is_empty();
        }
        // In this order: a lane may have published until the moment it was closed.
        Ok((self.used || abandoned) && self.consumer.open_lanes()? == 0 && self.consumer.is_drained()?)
    }
}

/// Whether a record of this level has to survive a power cut.
fn is_urgent(fsync: Fsync, level: Level) -> bool {
    matches!(fsync, Fsync::Level(least) if level >= least)
}

/// How many records a gap stands for; nobody can tell of damaged bytes.
fn missing(gap: &Gap) -> u64 {
    if gap.reason == GapReason::Damaged { 0 } else { gap.count }
}
