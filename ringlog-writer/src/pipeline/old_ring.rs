//! A ring of an earlier boot, which is drained and then removed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringlog::Ring;
use ringlog::reader::Consumer;

use crate::error::Error;
use crate::events::Events;

/// How often to look whether the ring is drained: that takes a scan of the whole ring.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// So many looks have to find it drained, because unclean exits are not found at the first.
const LOOKS: u32 = 3;

/// Opens the rings of earlier boots that wait beside these. Reports those that cannot be opened.
pub(super) fn open_all(rings: &[Ring], events: &mut dyn Events) -> Vec<Ring> {
    let waiting = rings.iter().flat_map(Ring::of_earlier_boots);
    let open = |path: PathBuf| match Ring::open(&path.to_string_lossy()) {
        Ok(ring) => Some(ring),
        Err(error) => {
            events.report(&format!("{error}; its records stay in it"));
            None
        }
    };
    waiting.filter_map(open).collect()
}

/// How far a ring of an earlier boot is drained. It gets no new records, and its file is removed at the end.
pub(super) struct OldRing {
    path: PathBuf,
    looked_at: Option<Instant>,
    /// How many looks in sequence have found the ring drained.
    drained_looks: u32,
    is_done: bool,
}

impl OldRing {
    /// `None` for a ring of this boot.
    pub(super) fn of(ring: &Ring) -> Option<OldRing> {
        let path = ring.path().to_owned();
        let old = OldRing { path, looked_at: None, drained_looks: 0, is_done: false };
        ring.info().is_of_earlier_boot().then_some(old)
    }

    /// Whether the file is removed and nothing more comes.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Removes the file if everything in it is persisted. Returns whether that is so. If it cannot be removed it is
    /// reported, and the next writer finds it empty.
    pub(super) fn remove_if_drained(
        &mut self,
        consumer: &mut Consumer,
        events: &mut dyn Events,
    ) -> Result<bool, Error> {
        if self.is_done || self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(self.is_done);
        }
        self.looked_at = Some(Instant::now());
        self.drained_looks = if consumer.is_drained()? { self.drained_looks + 1 } else { 0 };
        if self.drained_looks < LOOKS {
            return Ok(false);
        }
        self.is_done = true;
        consumer.end();
        // By force: this process itself is attached to it.
        if let Err(error) = ringlog::admin::remove(&self.path.to_string_lossy(), true) {
            events.report(&format!("{error}; every record in it is written"));
        }
        Ok(true)
    }
}
