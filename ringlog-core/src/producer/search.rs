//! The search of a process that began without its ring: log calls that go to standard error look whether it is there.

#![allow(unsafe_code)]

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Error;
use crate::error::shown::Shown;
use crate::os::owner_lock::OwnerLock;
use crate::os::zero_on_fork::ZeroOnFork;
use crate::ring::handle::Ring;
use crate::ring::name::Places;
use crate::shm::clock::monotonic_ns;

/// What a process does that cannot open its ring.
pub(crate) const UNTIL_THEN: &str = "logging to standard error until it can be opened";

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The search for one ring.
#[derive(Debug)]
pub(crate) struct Search {
    /// Where the ring may lie, as the environment said at the start.
    places: Places,
    /// Held by the thread that looks. A forked child finds it free.
    gate: ZeroOnFork,
    /// When it was last looked, in monotonic nanoseconds.
    looked_ns: AtomicU64,
    /// Whether a ring that cannot be used was reported.
    is_reported: AtomicBool,
    /// What else is to be done once the ring is the destination.
    when_found: fn(),
}

impl Search {
    /// The search for the ring that `$RINGLOG` names, after a first attempt that failed with `error`. `None` if no
    /// later attempt can succeed.
    pub(crate) fn after(error: &Error, when_found: fn()) -> Option<Search> {
        // A relative directory of rings means the one of the start.
        let places = Places::of(".").and_then(Places::absolute).ok()?;
        let gate = ZeroOnFork::new(4096).ok()?;
        Some(Search {
            places,
            gate,
            looked_ns: AtomicU64::new(monotonic_ns()),
            is_reported: AtomicBool::new(!matches!(error, Error::NoSuchRing { .. })),
            when_found,
        })
    }

    /// Looks for the ring, if that was not done within the last second, and gives it to `take`. Goes on as before where
    /// another thread is looking, or this is a signal handler that interrupts a look.
    pub(crate) fn look(&self, take: impl FnOnce(&Ring) -> Result<(), Error>) {
        if !self.is_due() {
            return;
        }
        // SAFETY: a lock, valid when zero, alone in its page.
        let gate: &OwnerLock = unsafe { self.gate.at(0) };
        let Some(_gate) = gate.try_lock() else { return };
        // Another thread may have looked meanwhile.
        if !self.is_due() {
            return;
        }
        self.looked_ns.store(monotonic_ns(), Ordering::Relaxed);
        let opened = Ring::open_at(self.places.present());
        match opened.and_then(|ring| take(&ring).map(|()| ring)) {
            Ok(ring) => {
                (self.when_found)();
                ring.named().report_losses();
                say(&format!("found {}; logging into it from now on", ring.path().shown()));
            }
            Err(Error::NoSuchRing { .. }) => {}
            Err(error) if !self.is_reported.swap(true, Ordering::Relaxed) => {
                say(&format!("{error}; {UNTIL_THEN}"));
            }
            Err(_) => {}
        }
        // A look may take longer than the pause.
        self.looked_ns.store(monotonic_ns(), Ordering::Relaxed);
    }

    /// Whether the last look was a second ago.
    fn is_due(&self) -> bool {
        let since = monotonic_ns().saturating_sub(self.looked_ns.load(Ordering::Relaxed));
        since >= LOOK_EVERY.as_nanos() as u64
    }
}

/// Reports what a search has found.
pub(crate) fn say(what: &str) {
    // If standard error is gone too there is nowhere left to report it.
    let _ = writeln!(std::io::stderr(), "ringlog: {what}");
}
