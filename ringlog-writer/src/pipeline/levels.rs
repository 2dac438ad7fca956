//! Undoing level rules that have expired: the writer's part of `ringlog level --for`.

use std::time::{Duration, Instant};

use ringlog::Ring;

use crate::events::Events;

/// How often to check for expired rules.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Undoes the expired level rules of a ring.
pub(super) struct LevelExpiry {
    ring: Ring,
    checked_at: Option<Instant>,
    /// Whether the last failure has been reported.
    is_reported: bool,
}

impl LevelExpiry {
    pub(super) fn new(ring: &Ring) -> LevelExpiry {
        LevelExpiry { ring: ring.clone(), checked_at: None, is_reported: false }
    }

    /// Undoes expired rules, if a check is due. Reports a failure once; it does not affect records.
    pub(super) fn undo(&mut self, events: &mut dyn Events) {
        if self.checked_at.is_some_and(|at| at.elapsed() < CHECK_EVERY) {
            return;
        }
        self.checked_at = Some(Instant::now());
        match self.ring.undo_ended_levels() {
            Ok(()) => self.is_reported = false,
            Err(error) if std::mem::replace(&mut self.is_reported, true) => drop(error),
            Err(error) => events.report(&format!("cannot undo expired levels: {error}; they stay in force")),
        }
    }
}
