//! The process's default logger: where log statements go, and which of them are wanted.
//!
//! Set once and never taken back, so that a statement finds it by one load. What decides about levels runs
//! in any thread, in signal handlers and in forked children: it allocates nothing and takes no lock.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::clock::unix_ns;
use crate::error::Error;
use crate::filter::Filter;
use crate::gate::{self, Decision};
use crate::layout::lane as entry;
use crate::level::Level;
use crate::logger::Logger;
use crate::process::Attachment;
use crate::region::HeaderPage;
use crate::wiped::Wiped;
use crate::{lane, rules, steering, threads};

/// Where log statements go that name no logger of their own.
#[derive(Debug)]
pub(crate) enum Destination {
    /// Into a ring, as far as its rules and the process's own filter want them.
    Ring(Logger, Filter),
    /// To standard error, a line each.
    Stderr(Filter),
    /// Nowhere: no default logger has been set.
    Nothing,
}

/// What has been set, for the rest of the process's life.
struct Installed {
    destination: Destination,
    /// Of the ring, if that is where statements go.
    steered: Option<Steered>,
}

/// What rules from outside are followed by.
struct Steered {
    header: HeaderPage,
    /// This process's id, 0 where it is not known yet. A fork wipes it.
    pid: Wiped,
    /// The filter, as the process lane shows it.
    shown: ShownFilter,
}

type ShownFilter = [u64; entry::FILTER_BYTES / 8];

static INSTALLED: AtomicPtr<Installed> = AtomicPtr::new(std::ptr::null_mut());

/// The epoch where nobody steers from outside.
static UNSTEERED: AtomicU64 = AtomicU64::new(1);

#[inline(always)]
fn installed() -> Option<&'static Installed> {
    // SAFETY: null or what `install` has leaked, complete before the pointer was stored.
    unsafe { INSTALLED.load(Ordering::Acquire).as_ref() }
}

/// Where log statements go.
pub(crate) fn destination() -> &'static Destination {
    installed().map_or(&Destination::Nothing, |installed| &installed.destination)
}

/// Makes `logger` the process's default: log statements go there, as far as `filter` and the ring's level
/// rules want them. Works once in a process.
///
/// # Errors
/// [`Error::DefaultLoggerSet`] if there is one already; what [`Ring::open`](crate::Ring::open) returns if
/// the ring has been removed meanwhile.
///
/// ```
/// # let dir = tempfile::tempdir_in("/dev/shm")?;
/// # let path = dir.path().join("app");
/// let ring = ringlog::Ring::options().size("1MiB").create(path.to_str().unwrap())?;
/// ringlog::set_default(ring.logger(), "info,db=warn".parse()?)?;
/// assert!(ringlog::default_logger().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_default(logger: Logger, filter: Filter) -> Result<(), Error> {
    install(Destination::Ring(logger, filter))
}

/// The process's default logger, if one has been [set](set_default).
#[inline]
pub fn default_logger() -> Option<&'static Logger> {
    match destination() {
        Destination::Ring(logger, _) => Some(logger),
        _ => None,
    }
}

pub(crate) fn install(destination: Destination) -> Result<(), Error> {
    if installed().is_some() {
        return Err(Error::DefaultLoggerSet);
    }
    let steered = match &destination {
        Destination::Ring(logger, filter) => Some(Steered::new(&logger.attachment, filter)?),
        _ => None,
    };
    let new = Box::into_raw(Box::new(Installed { destination, steered }));
    let null = std::ptr::null_mut();
    if INSTALLED.compare_exchange(null, new, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // SAFETY: made above, and given to nobody.
        drop(unsafe { Box::from_raw(new) });
        return Err(Error::DefaultLoggerSet);
    }
    if let Some(installed) = installed() {
        installed.begin();
    }
    Ok(())
}

impl Installed {
    /// From here on gates open.
    fn begin(&'static self) {
        let (Destination::Ring(logger, _), Some(steered)) = (&self.destination, &self.steered) else {
            return gate::follow(&UNSTEERED);
        };
        // The process lane may be open already.
        show_filter(&logger.attachment);
        gate::follow(steered.header.epoch());
    }

    fn decide(&self, level: Level, logger: &str) -> Decision {
        match (&self.destination, &self.steered) {
            (Destination::Ring(_, filter), Some(steered)) => steered.decide(level, logger, filter),
            (Destination::Ring(_, filter) | Destination::Stderr(filter), _) => {
                Decision { is_open: filter.allows(level, logger), epoch: Some(UNSTEERED.load(Ordering::Relaxed)) }
            }
            (Destination::Nothing, _) => Decision { is_open: false, epoch: None },
        }
    }
}

impl Steered {
    fn new(attachment: &Attachment, filter: &Filter) -> Result<Steered, Error> {
        let header = HeaderPage::map(&attachment.path, attachment.identity)?;
        // A ring that is gone nobody steers any more.
        if let Ok(ring) = attachment.ring_or_reattach() {
            steering::begin(ring.memory(), unix_ns());
        }
        let pid = Wiped::new(4096).map_err(|e| Error::io("keep private state for", &attachment.path, e))?;
        let shown = threads::text_words(&filter.text_within(entry::FILTER_BYTES));
        let steered = Steered { header, pid, shown };
        // Asked for now, so that no log call has to: only one in a child does, once.
        steered.pid();
        Ok(steered)
    }

    fn decide(&self, level: Level, logger: &str, own: &Filter) -> Decision {
        let mut room = steering::ROOM;
        let Some((epoch, text)) = steering::read(&self.header.memory(), &mut room) else {
            // Somebody changes the rules without a pause; the next call looks again.
            return Decision { is_open: own.allows(level, logger), epoch: None };
        };
        let verdict = rules::judge(rules::lines(text), Some(own), logger, || self.pid());
        let is_open = verdict.as_ref().is_none_or(|verdict| level >= verdict.least);
        // A child has the gates of its parent, but another process id.
        let holds = verdict.is_some_and(|verdict| !verdict.by_pid);
        Decision { is_open, epoch: holds.then_some(epoch) }
    }

    fn pid(&self) -> u32 {
        // SAFETY: an atomic, valid when zero, alone in its page.
        let known: &AtomicU32 = unsafe { self.pid.at(0) };
        match known.load(Ordering::Relaxed) {
            0 => {
                let pid = std::process::id();
                known.store(pid, Ordering::Relaxed);
                pid
            }
            pid => pid,
        }
    }
}

/// Whether records of this level are wanted from this logger by default. Looks at the rules.
pub(crate) fn decide(level: Level, logger: &str) -> Decision {
    installed().map_or(Decision { is_open: false, epoch: None }, |installed| installed.decide(level, logger))
}

/// The process's own filter, as the process lane of `attachment` shows it: zeros where log statements go
/// elsewhere.
pub(crate) fn shown_filter(attachment: &Attachment) -> ShownFilter {
    match installed() {
        Some(Installed { destination: Destination::Ring(logger, _), steered: Some(steered) })
            if std::ptr::eq(&*logger.attachment, attachment) =>
        {
            steered.shown
        }
        _ => [0; entry::FILTER_BYTES / 8],
    }
}

/// Shows the filter in a process lane that was open before.
fn show_filter(attachment: &Attachment) {
    // Held by who opens the process lane: it is open by now, or its owner is going to find the filter.
    let _guard = attachment.try_lock();
    if let (Some(ring), Some(local)) = (attachment.ring(), lane::of_process(attachment)) {
        lane::write_filter(&ring, local.lane.load(Ordering::Relaxed), &shown_filter(attachment));
    }
}

/// A quick answer for names that are not known at compile time: below the first number in it nothing is
/// wanted, from the second on everything; `epoch:48 | greatest:8 | least:8`, 0 where nothing is known.
static BOUNDS: AtomicU64 = AtomicU64::new(0);

/// Whether records of this level are wanted from this logger by default: for levels or names that are not
/// known at compile time.
#[inline]
pub fn wants(level: Level, logger: &str) -> bool {
    let (bounds, epoch) = (BOUNDS.load(Ordering::Relaxed), gate::epoch());
    if bounds != 0 && bounds >> 16 == epoch << 16 >> 16 {
        if level.number() < bounds as u8 {
            return false;
        }
        if level.number() >= (bounds >> 8) as u8 {
            return true;
        }
    }
    wants_by_name(level, logger)
}

#[cold]
fn wants_by_name(level: Level, logger: &str) -> bool {
    let Some(installed) = installed() else { return false };
    if let (Destination::Ring(_, filter), Some(steered)) = (&installed.destination, &installed.steered)
        && let mut room = steering::ROOM
        && let Some((epoch, text)) = steering::read(&steered.header.memory(), &mut room)
    {
        let (least, greatest) = rules::bounds(text, filter);
        let levels = u64::from(greatest.number()) << 8 | u64::from(least.number());
        BOUNDS.store(epoch << 16 | levels, Ordering::Relaxed);
    }
    installed.decide(level, logger).is_open
}

impl Logger {
    /// Whether records of this level are wanted from the logger of this name: by the level rules of the
    /// ring and the process's own filter, which is the one that was given to [`set_default`] or found in
    /// `$RINGLOG_LEVEL`. Where neither says anything, all are.
    ///
    /// What is pushed is logged whatever this says; log statements ask before they evaluate anything.
    pub fn allows(&self, level: Level, logger: &str) -> bool {
        let own = match destination() {
            Destination::Ring(_, filter) | Destination::Stderr(filter) => Some(filter),
            Destination::Nothing => None,
        };
        // A child that has not attached yet is about to log, and attaches for that.
        let ring = self.attachment.ring_or_reattach().ok();
        let mut room = steering::ROOM;
        let text = ring.and_then(|ring| steering::read(ring.memory(), &mut room)).map_or(&[][..], |(_, text)| text);
        let pid = || self.attachment.state().pid.load(Ordering::Relaxed);
        let verdict = rules::judge(rules::lines(text), own, logger, pid);
        verdict.is_none_or(|verdict| level >= verdict.least)
    }
}
