//! The gate that a log statement passes: a load, a compare and a branch where it is closed.
//!
//! A gate remembers at which epoch of the level rules it was found open or closed. While the epoch
//! stands nothing is decided again; when somebody outside changes the rules, the epoch's word, which all
//! processes share, is another one, and the next call decides afresh. No call enters the kernel for it.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::producer::levels::effective;
use crate::record::level::Level;

/// At no epoch is anything decided yet.
const NEVER: u64 = 0;

/// What a new gate compares with: it finds out with each call whether there is a default logger by now.
static NOBODY: AtomicU64 = AtomicU64::new(NEVER + 1);

/// One of a log statement: whether its level is wanted from its logger at the moment.
///
/// ```
/// use ringlog::{Level, __private::Gate};
/// static GATE: Gate = Gate::new();
/// assert!(!GATE.is_open(|| (Level::CRITICAL, "db")), "there is no default logger");
/// ```
#[derive(Debug)]
pub struct Gate {
    /// Where the epoch lies: in the header of the ring that log statements go to. Kept here and not in one
    /// place for all gates, which would cost another load and another line of the cache.
    epoch: AtomicPtr<AtomicU64>,
    /// The epoch at which it was last found closed, and that at which it was last found open.
    closed_at: AtomicU64,
    open_at: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// One that has not been asked yet.
    pub const fn new() -> Gate {
        Gate {
            epoch: AtomicPtr::new((&raw const NOBODY).cast_mut()),
            closed_at: AtomicU64::new(NEVER),
            open_at: AtomicU64::new(NEVER),
        }
    }

    /// Whether records of this level are wanted from this logger. Each gate is asked for one level and
    /// one logger only, which are looked up where they are not decided about yet.
    #[inline(always)]
    pub fn is_open(&self, of: impl FnOnce() -> (Level, &'static str)) -> bool {
        // Relaxed: the first load's value leads to the second, and neither carries anything else.
        // SAFETY: a static or a word in a mapping that stays: `decide` stores references without an end.
        let epoch = unsafe { &*self.epoch.load(Ordering::Relaxed) }.load(Ordering::Relaxed);
        if self.closed_at.load(Ordering::Relaxed) == epoch {
            return false;
        }
        self.open_at.load(Ordering::Relaxed) == epoch || {
            let (level, logger) = of();
            self.decide(level, logger)
        }
    }

    #[cold]
    #[inline(never)]
    fn decide(&self, level: Level, logger: &'static str) -> bool {
        let Some((effective, word)) = effective::by_default(logger) else { return false };
        let is_open = level >= effective.least;
        if let Some(epoch) = effective.as_of {
            let at = if is_open { &self.open_at } else { &self.closed_at };
            at.store(epoch, Ordering::Relaxed);
            self.epoch.store(std::ptr::from_ref(word).cast_mut(), Ordering::Relaxed);
        }
        is_open
    }
}
