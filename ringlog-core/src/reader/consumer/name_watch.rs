//! Whether the ring's path still leads to it.

use super::Consumer;
use crate::ring::follow;
use crate::ring::replacement::{self, Found};
use crate::shm::block::SharedRing;

/// What the last look at the path has found.
#[derive(Debug)]
pub(super) struct NameWatch {
    found: Found,
}

impl NameWatch {
    pub(super) fn new() -> NameWatch {
        NameWatch { found: Found::Same }
    }
}

impl Consumer {
    /// Looks at the path. Where it does not lead to the ring, leaves word of it to producers, which then look too.
    pub(super) fn watch_name(&mut self, ring: &SharedRing) {
        let before = self.name.found;
        self.name.found = replacement::look(self.session.named().place(), &self.session);
        if self.is_nameless() {
            follow::mark_nameless(ring, true);
        } else if before != self.name.found {
            follow::mark_nameless(ring, false);
        }
    }

    /// Looks at the ring's path now, and not only with the next scan.
    pub fn look_for_name(&mut self) {
        if let Some(ring) = self.session.ring() {
            self.watch_name(&ring);
        }
    }

    /// Whether the ring's path no longer led to it at the last look: the ring was removed, or another file has taken
    /// its place. Producers then move to a ring that they find there; what is in this one is given out as before.
    pub fn is_nameless(&self) -> bool {
        matches!(self.name.found, Found::Nothing | Found::Other)
    }

    /// Whether the ring was removed by [`admin::remove`](crate::admin::remove), as `ringlog rm --force` does while the
    /// ring is in use: its consumer is to end.
    pub fn is_removed(&self) -> bool {
        self.is_nameless() && self.session.ring().is_some_and(|ring| ring.is_retired())
    }
}
