//! The process's default destination: where log statements go that name no logger.
//!
//! It is set once and never taken back, so a statement finds it by one load. Only standard error is replaced, by the
//! ring that a process without one looks for. It is read in any thread, in signal handlers and in forked children:
//! reading allocates nothing and takes no lock.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::error::Error;

use crate::producer::levels::steering::{self, Steering};
use crate::producer::logger::Logger;
use crate::producer::search::Search;
use crate::record::level::filter::Filter;
use crate::ring::lane;
use crate::ring::session::NO_FILTER;
use crate::shm::layout::lane as lane_entry;
use crate::shm::words;

/// Where log statements go that name no logger.
#[derive(Debug)]
pub(crate) enum Destination {
    /// Into a ring, as far as its level rules and the process's own filter want them.
    Ring(Logger, Filter),
    /// To standard error, a line each, until the ring is found that is searched for.
    Stderr(Filter, Option<Search>),
    /// Nowhere: no default logger has been set.
    Nothing,
}

/// What has been set, for the rest of the process's life.
pub(crate) struct Installed {
    destination: Destination,
    /// The level rules of the ring; `None` where statements go elsewhere.
    steering: Option<Steering>,
}

impl Installed {
    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    #[inline]
    pub(crate) fn steering(&self) -> Option<&Steering> {
        self.steering.as_ref()
    }

    /// The epoch of the levels in force: a decision that was made at another one is made again.
    pub(crate) fn epoch(&self) -> &AtomicU64 {
        self.steering.as_ref().map_or(steering::unsteered(), Steering::epoch)
    }
}

static INSTALLED: AtomicPtr<Installed> = AtomicPtr::new(std::ptr::null_mut());

/// The logger in it, if there is one: what each statement loads.
static LOGGER: AtomicPtr<Logger> = AtomicPtr::new(std::ptr::null_mut());

#[inline(always)]
pub(crate) fn installed() -> Option<&'static Installed> {
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
    put(std::ptr::null_mut(), destination)
}

/// Looks for the ring if the destination is standard error and it is time to. The logger, if the destination is a ring.
pub(crate) fn look_for_ring() -> Option<&'static Logger> {
    let before = installed()?;
    if let Destination::Stderr(filter, Some(search)) = &before.destination {
        search.look(|ring| {
            // Before the ring is the destination: a child forked in between decides again and again, instead of never.
            steering::end_unsteered();
            put(std::ptr::from_ref(before).cast_mut(), Destination::Ring(ring.logger(), filter.clone()))
        });
    }
    match destination() {
        Destination::Ring(logger, _) => {
            // A child may have been forked before that was done.
            LOGGER.store(std::ptr::from_ref(logger).cast_mut(), Ordering::Release);
            Some(logger)
        }
        _ => None,
    }
}

/// Installs a destination in place of `before`.
fn put(before: *mut Installed, destination: Destination) -> Result<(), Error> {
    let (steering, shown) = match &destination {
        Destination::Ring(logger, filter) => {
            let shown = words::text_words(&filter.text_within(lane_entry::FILTER_BYTES));
            (Some(Steering::new(&logger.named)?), shown)
        }
        _ => (None, NO_FILTER),
    };
    let new = Box::into_raw(Box::new(Installed { destination, steering }));
    if INSTALLED.compare_exchange(before, new, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // SAFETY: made above, and no other reference to it exists.
        drop(unsafe { Box::from_raw(new) });
        return Err(Error::DefaultLoggerSet);
    }
    if let Destination::Ring(logger, _) = self::destination() {
        LOGGER.store(std::ptr::from_ref(logger).cast_mut(), Ordering::Release);
        // A child forked since the exchange above logs by the filter, but its lane does not show it: the text is
        // made before, so that these are a few instructions.
        lane::show_filter(&logger.named.set_shown_filter(shown));
    }
    Ok(())
}
