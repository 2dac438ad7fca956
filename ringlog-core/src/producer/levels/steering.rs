//! Levels steered from outside: the rules in a ring's header, followed by the process that logs into it.

#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::error::Error;
use crate::os::zero_on_fork::ZeroOnFork;
use crate::record::level::filter::Filter;
use crate::record::level::rules::{self, EffectiveLevel};
use crate::ring::by_name::Named;
use crate::shm::memory::Memory;
use crate::shm::rules_area;

/// The epoch of decisions while no ring steers the levels, and the one after it, at which nothing is decided. No ring
/// comes to these: its epochs grow from the clock's time.
pub(crate) const UNSTEERED: u64 = u64::MAX - 2;
const ENDED: u64 = u64::MAX - 1;

static EPOCH: AtomicU64 = AtomicU64::new(UNSTEERED);

/// The epoch in force while the levels come from no ring.
pub(crate) fn unsteered() -> &'static AtomicU64 {
    &EPOCH
}

/// Ends all decisions that were made without a ring.
pub(crate) fn end_unsteered() {
    EPOCH.store(ENDED, Ordering::Release);
}

/// The rules of the ring that the default logger logs into. Its page stays mapped in a forked child.
pub(crate) struct Steering {
    named: Arc<Named>,
    /// This process's id; 0 until it is known. A fork wipes it.
    pid: ZeroOnFork,
}

impl Steering {
    pub(crate) fn new(named: &Arc<Named>) -> Result<Steering, Error> {
        // A child attaches with its first record.
        named.begin_levels();
        let pid = ZeroOnFork::new(4096).map_err(|e| Error::io("keep private state for", named.path(), e))?;
        let steering = Steering { named: named.clone(), pid };
        // Looked up now, so that no log call has to, except for one in each forked child.
        steering.pid();
        Ok(steering)
    }

    /// Looks whether the ring was replaced, if it is time to. Called where a decision is due, because statements behind
    /// closed gates log no record that would look.
    pub(crate) fn look(&self) {
        self.named.look_if_due();
    }

    /// The epoch of the rules. It stays valid as long as the process.
    pub(crate) fn epoch(&self) -> &AtomicU64 {
        self.named.header().epoch()
    }

    /// The least level of a logger by these rules and the process's own filter; by the filter alone while the
    /// rules cannot be read.
    pub(crate) fn resolve(&self, logger: &str, own: &Filter) -> EffectiveLevel {
        let level = resolve(&self.named.header().memory(), Some(own), logger, || self.pid());
        level.unwrap_or_else(|| EffectiveLevel { least: own.rule_for(logger).1, as_of: None })
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

/// The least level of a logger by the rules in a ring's header and the process's own filter; all levels where
/// neither names one. `None` while the rules change faster than they can be read: the next call tries again.
pub(crate) fn resolve(
    header: &Memory,
    own: Option<&Filter>,
    logger: &str,
    pid: impl Fn() -> u32,
) -> Option<EffectiveLevel> {
    let mut room = rules_area::ROOM;
    let (epoch, text) = rules_area::read(header, &mut room)?;
    Some(rules::resolve(text, epoch, own, logger, pid))
}
