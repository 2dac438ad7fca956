//! A ring that gets no new producers: it is drained to its end, and then let go.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringlog::Ring;
use ringlog::reader::Consumer;

use crate::error::Error;
use crate::events::Events;

/// How often to look whether the ring is drained: that takes a scan of the whole ring.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// So many looks have to find it drained: unclean exits are not found at the first, and a process that has just looked
/// at its path may still open a lane.
const LOOKS: u32 = 3;

/// The rings of earlier boots that wait beside these.
pub(super) fn of_earlier_boots<'a>(rings: impl Iterator<Item = &'a Ring>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = rings.flat_map(Ring::of_earlier_boots).collect();
    let mut known = HashSet::new();
    paths.retain(|path| known.insert(path.clone()));
    paths
}

/// Why a ring gets no new producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// It is of an earlier boot. Its file is removed at the end.
    EarlierBoot,
    /// Another ring has taken its place at its path. Threads that have a lane in it may still log.
    Replaced,
}

/// How far such a ring is drained.
pub(super) struct Leaving {
    reason: Reason,
    looked_at: Option<Instant>,
    /// How many looks in sequence have found it drained, without an open lane.
    drained_looks: u32,
    is_done: bool,
}

impl Leaving {
    fn new(reason: Reason) -> Leaving {
        Leaving { reason, looked_at: None, drained_looks: 0, is_done: false }
    }

    /// `None` for a ring of this boot.
    pub(super) fn of(ring: &Ring) -> Option<Leaving> {
        ring.info().is_of_earlier_boot().then(|| Leaving::new(Reason::EarlierBoot))
    }

    pub(super) fn replaced() -> Leaving {
        Leaving::new(Reason::Replaced)
    }

    pub(super) fn is_replaced(&self) -> bool {
        self.reason == Reason::Replaced
    }

    /// Whether nothing more comes.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Nothing more can be read from the ring.
    pub(super) fn give_up(&mut self) {
        self.is_done = true;
    }

    /// Ends the consumer if everything in the ring is persisted and nothing more can come. The file of an earlier boot
    /// is removed then. If it cannot be removed it is reported, and the next writer finds it empty.
    pub(super) fn end_if_drained(
        &mut self,
        path: &Path,
        consumer: &mut Consumer,
        events: &mut dyn Events,
    ) -> Result<(), Error> {
        if self.is_done || self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.looked_at = Some(Instant::now());
        // In this order: a lane may publish records until it is closed.
        let is_drained = (!self.is_replaced() || consumer.open_lanes()? == 0) && consumer.is_drained()?;
        self.drained_looks = if is_drained { self.drained_looks + 1 } else { 0 };
        if self.drained_looks < LOOKS {
            return Ok(());
        }
        self.is_done = true;
        consumer.end();
        // By force: this process itself is attached to it.
        if self.reason == Reason::EarlierBoot
            && let Err(error) = ringlog::admin::remove(&path.to_string_lossy(), true)
        {
            events.report(&format!("{error}; every record in it is written"));
        }
        Ok(())
    }
}
