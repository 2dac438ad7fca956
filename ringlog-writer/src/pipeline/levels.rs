//! Undoing level rules whose end has come: what `ringlog level --for` leaves to the writer.

use std::time::{Duration, Instant};

use ringlog::Ring;

use super::Events;

/// How often to look whether a rule has ended.
const LOOK: Duration = Duration::from_secs(1);

/// When the level rules of a ring were last looked at.
pub(super) struct Ends {
    ring: Ring,
    looked: Option<Instant>,
    complained: bool,
}

impl Ends {
    pub(super) fn of(ring: &Ring) -> Ends {
        Ends { ring: ring.clone(), looked: None, complained: false }
    }

    /// Looks at the rules when it is time to. Says once that they cannot be undone; records go on.
    pub(super) fn undo(&mut self, events: &mut dyn Events) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        match self.ring.undo_ended_levels() {
            Ok(()) => self.complained = false,
            Err(error) if std::mem::replace(&mut self.complained, true) => drop(error),
            Err(error) => events.say(&format!("levels that were to end stay in force: {error}")),
        }
    }
}
