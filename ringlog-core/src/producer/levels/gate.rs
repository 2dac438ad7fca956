//! The gate of a log statement: whether its level is wanted. A closed gate takes five instructions.
//!
//! A gate keeps the epoch of the level rules at which it was found open or closed, and decides again only
//! when the epoch has changed. The epoch's word is shared by all processes of a ring: a change of the rules
//! from outside stores a new one. No call enters the kernel for it.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::producer::levels::effective;
use crate::record::level::Level;

/// The epoch before any decision. Not 0, which is what a gate reads where the header of its ring was truncated.
const NEVER: u64 = u64::MAX;

/// The word of a gate without a destination. It differs from [`NEVER`], so each call decides again, until there is
/// a default logger.
static UNDECIDED: AtomicU64 = AtomicU64::new(1);

/// Whether the level of one log statement is wanted from its logger at the moment.
///
/// ```
/// use ringlog::{Level, __private::Gate};
/// static GATE: Gate = Gate::new();
/// assert!(!GATE.is_open(|| (Level::CRITICAL, "db")), "there is no default logger");
/// ```
#[derive(Debug)]
pub struct Gate {
    /// The word of the epoch, in the header of the ring that log statements go to. Kept in each gate: one place for
    /// all gates would cost another load and another cache line.
    epoch: AtomicPtr<AtomicU64>,
    /// The epochs at which it was last found closed, and last found open.
    closed_at: AtomicU64,
    open_at: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A gate that has decided nothing yet.
    pub const fn new() -> Gate {
        Gate {
            epoch: AtomicPtr::new((&raw const UNDECIDED).cast_mut()),
            closed_at: AtomicU64::new(NEVER),
            open_at: AtomicU64::new(NEVER),
        }
    }

    /// Whether records of this level are wanted from this logger. Each gate serves one level and one logger; `of`
    /// gives them where a decision is due.
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
