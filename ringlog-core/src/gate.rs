//! The gate that a log statement passes: a load, a compare and a branch where it is closed.
//!
//! A gate remembers at which epoch of the level rules it was found open or closed. While the epoch
//! stands nothing is decided again; when somebody outside changes the rules, the epoch's word, which all
//! processes share, is another one, and the next call decides afresh. No call enters the kernel for it.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};

use crate::global;
use crate::level::Level;

/// The epoch before anything is decided: gates are closed at it from the first.
const NEVER: u64 = 0;

static NOBODY: AtomicU64 = AtomicU64::new(NEVER);

/// Where the epoch lies that gates compare with: in the header of the ring that log statements go to, by
/// a mapping of its own that stays and that children inherit; before there is one, in [`NOBODY`].
static EPOCH: AtomicPtr<AtomicU64> = AtomicPtr::new((&raw const NOBODY).cast_mut());

/// From here on gates follow this epoch.
pub(crate) fn follow(epoch: &'static AtomicU64) {
    // Release: who sees this epoch sees where log statements go.
    EPOCH.store(std::ptr::from_ref(epoch).cast_mut(), Ordering::Release);
}

/// The epoch that gates compare with.
#[inline(always)]
pub(crate) fn epoch() -> u64 {
    // Relaxed: the first load's value leads to the second, and neither carries anything else.
    // SAFETY: a static or a word in a mapping that stays: `follow` takes nothing that ends.
    unsafe { &*EPOCH.load(Ordering::Relaxed) }.load(Ordering::Relaxed)
}

/// One of a log statement: whether its level is wanted from its logger at the moment.
///
/// ```
/// use ringlog::{Level, __private::Gate};
/// static GATE: Gate = Gate::new();
/// assert!(!GATE.is_open(Level::CRITICAL, "db"), "there is no default logger");
/// ```
#[derive(Debug)]
pub struct Gate {
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
        Gate { closed_at: AtomicU64::new(NEVER), open_at: AtomicU64::new(NEVER) }
    }

    /// Whether records of this level are wanted from this logger. Each gate is asked for one level and
    /// one logger only.
    #[inline(always)]
    pub fn is_open(&self, level: Level, logger: &'static str) -> bool {
        let epoch = epoch();
        if self.closed_at.load(Ordering::Relaxed) == epoch {
            return false;
        }
        self.open_at.load(Ordering::Relaxed) == epoch || self.decide(level, logger)
    }

    #[cold]
    #[inline(never)]
    fn decide(&self, level: Level, logger: &'static str) -> bool {
        // Pairs with `follow`.
        fence(Ordering::Acquire);
        let decision = global::decide(level, logger);
        if let Some(epoch) = decision.epoch {
            let at = if decision.is_open { &self.open_at } else { &self.closed_at };
            at.store(epoch, Ordering::Relaxed);
        }
        decision.is_open
    }
}

/// An answer, and the epoch at which it holds; `None` if it is for this once only.
pub(crate) struct Decision {
    pub(crate) is_open: bool,
    pub(crate) epoch: Option<u64>,
}
