//! The process's default logger: where log statements go, and which of them are wanted.
//!
//! Set once and never taken back, so that a statement finds it by one load. What decides about levels runs
//! in any thread, in signal handlers and in forked children: it allocates nothing and takes no lock.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::error::Error;
use crate::os::thread;
use crate::os::zero_on_fork::ZeroOnFork;
use crate::producer::levels::filter::Filter;
use crate::producer::levels::rules;
use crate::producer::logger::Logger;
use crate::record::level::Level;
use crate::ring::file::HeaderPage;
use crate::ring::lane;
use crate::ring::session::Session;
use crate::shm::clock::unix_ns;
use crate::shm::layout::lane as lane_entry;
use crate::shm::memory::Memory;
use crate::shm::rules_area;

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
    pid: ZeroOnFork,
    /// The filter, as the process lane shows it.
    shown: ShownFilter,
}

type ShownFilter = [u64; lane_entry::FILTER_BYTES / 8];

static INSTALLED: AtomicPtr<Installed> = AtomicPtr::new(std::ptr::null_mut());

/// The logger in it, if there is one: each statement asks for that.
static LOGGER: AtomicPtr<Logger> = AtomicPtr::new(std::ptr::null_mut());

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
    // SAFETY: null or what `install` has leaked, complete before the pointer was stored.
    unsafe { LOGGER.load(Ordering::Acquire).as_ref() }
}

pub(crate) fn install(destination: Destination) -> Result<(), Error> {
    if installed().is_some() {
        return Err(Error::DefaultLoggerSet);
    }
    let steered = match &destination {
        Destination::Ring(logger, filter) => Some(Steered::new(&logger.session, filter)?),
        _ => None,
    };
    let new = Box::into_raw(Box::new(Installed { destination, steered }));
    let null = std::ptr::null_mut();
    if INSTALLED.compare_exchange(null, new, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // SAFETY: made above, and given to nobody.
        drop(unsafe { Box::from_raw(new) });
        return Err(Error::DefaultLoggerSet);
    }
    if let Destination::Ring(logger, _) = self::destination() {
        LOGGER.store(std::ptr::from_ref(logger).cast_mut(), Ordering::Release);
        // The process lane may be open already.
        show_filter(&logger.session);
    }
    Ok(())
}

impl Installed {
    /// The epoch that decisions are compared with.
    fn epoch(&'static self) -> &'static AtomicU64 {
        self.steered.as_ref().map_or(&UNSTEERED, |steered| steered.header.epoch())
    }

    fn wanted(&'static self, logger: &str) -> Option<Wanted> {
        let epoch = self.epoch();
        let (least, as_of) = match (&self.destination, &self.steered) {
            (Destination::Ring(_, filter), Some(steered)) => steered.least(logger, filter),
            (Destination::Ring(_, filter) | Destination::Stderr(filter), _) => {
                (filter.rule_for(logger).1, Some(epoch.load(Ordering::Relaxed)))
            }
            (Destination::Nothing, _) => return None,
        };
        Some(Wanted { least, as_of, epoch })
    }
}

/// What is wanted from a logger.
pub(crate) struct Wanted {
    pub(crate) least: Level,
    /// As long as the epoch is this; `None` if it is for this once only.
    pub(crate) as_of: Option<u64>,
    pub(crate) epoch: &'static AtomicU64,
}

/// What is wanted from a logger by default, after a look at the rules; `None` where statements go nowhere.
pub(crate) fn wanted(logger: &str) -> Option<Wanted> {
    installed().and_then(|installed| installed.wanted(logger))
}

impl Steered {
    fn new(session: &Session, filter: &Filter) -> Result<Steered, Error> {
        let header = HeaderPage::map(&session.path, session.identity)?;
        // A ring that is gone nobody steers any more.
        if let Ok(ring) = session.ring_or_reattach() {
            rules_area::begin(ring.memory(), unix_ns());
        }
        let pid = ZeroOnFork::new(4096).map_err(|e| Error::io("keep private state for", &session.path, e))?;
        let shown = thread::text_words(&filter.text_within(lane_entry::FILTER_BYTES));
        let steered = Steered { header, pid, shown };
        // Asked for now, so that no log call has to: only one in a child does, once.
        steered.pid();
        Ok(steered)
    }

    /// The least level, and the epoch as of which it is so.
    fn least(&self, logger: &str, own: &Filter) -> (Level, Option<u64>) {
        let judged = judge(&self.header.memory(), Some(own), logger, || self.pid());
        judged.map_or((own.rule_for(logger).1, None), |judged| (judged.least, judged.as_of))
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

/// The process's own filter, as the process lane of `attachment` shows it: zeros where log statements go
/// elsewhere.
pub(crate) fn shown_filter(session: &Session) -> ShownFilter {
    match installed() {
        Some(Installed { destination: Destination::Ring(logger, _), steered: Some(steered) })
            if std::ptr::eq(&*logger.session, session) =>
        {
            steered.shown
        }
        _ => [0; lane_entry::FILTER_BYTES / 8],
    }
}

/// Shows the filter in a process lane that was open before.
fn show_filter(session: &Session) {
    // Held by who opens the process lane: it is open by now, or its owner is going to find the filter.
    let _guard = session.try_lock();
    if let (Some(ring), Some(local)) = (session.ring(), lane::of_process(session)) {
        lane::write_filter(&ring, local.lane.load(Ordering::Relaxed), &shown_filter(session));
    }
}

/// What the rules in a ring say of a logger; all levels where they say nothing.
struct Judged {
    least: Level,
    as_of: Option<u64>,
}

/// `None` if somebody changes the rules without a pause; the next call looks again.
fn judge(header: &Memory, own: Option<&Filter>, logger: &str, pid: impl Fn() -> u32) -> Option<Judged> {
    let mut room = rules_area::ROOM;
    let (epoch, text) = rules_area::read(header, &mut room)?;
    Some(match rules::judge(rules::lines(text), own, logger, pid) {
        // A child has what its parent remembers, but another process id.
        Some(verdict) => Judged { least: verdict.least, as_of: (!verdict.by_pid).then_some(epoch) },
        None => Judged { least: EVERYTHING, as_of: Some(epoch) },
    })
}

const EVERYTHING: Level = Level::from_number(1);

/// What is wanted from loggers whose names were asked for, each at a place that its hash gives: the hash,
/// which the epoch goes into, with the least level in place of its lowest byte.
static NAMES: [AtomicU64; 1 << 10] = [const { AtomicU64::new(0) }; 1 << 10];

/// The least level remembered for a name as of an epoch.
#[inline]
fn remembered(logger: &str, epoch: u64) -> Option<Level> {
    let hash = hash(logger, epoch);
    let known = NAMES[hash as usize % NAMES.len()].load(Ordering::Relaxed);
    (known >> 8 == hash >> 8 && known as u8 != 0).then_some(Level::from_number(known as u8))
}

fn remember(logger: &str, epoch: u64, least: Level) {
    let hash = hash(logger, epoch);
    NAMES[hash as usize % NAMES.len()].store(hash & !0xff | u64::from(least.number()), Ordering::Relaxed);
}

/// Whether records of this level are wanted from this logger by default: for levels or names that are not
/// known at compile time.
#[inline]
pub fn wants(level: Level, logger: &str) -> bool {
    let Some(installed) = installed() else { return false };
    match remembered(logger, installed.epoch().load(Ordering::Relaxed)) {
        Some(least) => level >= least,
        None => wants_by_rules(installed, level, logger),
    }
}

#[cold]
fn wants_by_rules(installed: &'static Installed, level: Level, logger: &str) -> bool {
    let Some(wanted) = installed.wanted(logger) else { return false };
    if let Some(epoch) = wanted.as_of {
        remember(logger, epoch, wanted.least);
    }
    level >= wanted.least
}

/// All 64 bits count: two names are one here less often than a machine errs.
#[inline]
fn hash(name: &str, epoch: u64) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15; // the golden ratio's fraction
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(FACTOR);
        (product >> 64) as u64 ^ product as u64
    };
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let rest = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    mix(words.fold(mix(epoch, name.len() as u64), mix), rest)
}

impl Logger {
    /// Whether records of this level are wanted from the logger of this name: by the level rules of the
    /// ring and the process's own filter, which is the one that was given to [`set_default`] or found in
    /// `$RINGLOG_LEVEL`. Where neither says anything, all are.
    ///
    /// What is pushed is logged whatever this says; log statements ask before they evaluate anything.
    pub fn allows(&self, level: Level, logger: &str) -> bool {
        // A child that has not attached yet is about to log, and attaches for that.
        let Ok(ring) = self.session.ring_or_reattach() else { return true };
        let header = ring.memory();
        let (own, mark) = match destination() {
            Destination::Ring(_, filter) | Destination::Stderr(filter) => (Some(filter), 0),
            // What is said without a filter does not hold any more once there is one.
            Destination::Nothing => (None, 1 << 63),
        };
        let epoch = rules_area::epoch_word(header).load(Ordering::Relaxed);
        if let Some(least) = remembered(logger, epoch ^ mark) {
            return level >= least;
        }
        let pid = || self.session.state().pid.load(Ordering::Relaxed);
        let Some(judged) = judge(header, own, logger, pid) else {
            return own.is_none_or(|own| own.allows(level, logger));
        };
        if let Some(epoch) = judged.as_of {
            remember(logger, epoch ^ mark, judged.least);
        }
        level >= judged.least
    }
}
