//! What becomes of the lines that were put into a ring which is removed meanwhile.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use ringlog::Ring;
use ringlog::admin::Shown;
use ringlog::reader::{LaneStat, Observer};

use super::lines;
use crate::humanize;

/// The pause between two looks at what is persisted.
const PAUSE: Duration = Duration::from_millis(5);

/// The ring in which the lines are put, and the lane of this thread.
pub(super) struct RemovalWatch {
    ring: Observer,
    /// The device and the inode at its path.
    file: Option<(u64, u64)>,
    lane: u32,
    /// The records in the lane that are not of this process.
    before: u64,
}

impl RemovalWatch {
    /// Watches the ring in which this thread has just opened its lane.
    pub(super) fn new(ring: &Ring) -> Result<RemovalWatch, ringlog::Error> {
        let ring = ring.observe()?;
        let is_own = |lane: &&LaneStat| !lane.is_process && lane.open && lane.pid == std::process::id();
        let own = ring.stat()?.lanes.iter().find(is_own).map(|lane| (lane.lane, lane.published));
        let (lane, before) = own.unwrap_or_default();
        Ok(RemovalWatch { file: file_at(&ring), ring, lane, before })
    }

    /// What is lost because the ring was removed or replaced, in words; `None` if nothing is, or if another ring of
    /// this name counts it, so that its output reports it: counters that were taken over look like those of persisted
    /// records. Where a writer drains the removed ring, waits up to
    /// `within` for it.
    pub(super) fn loss(&self, within: Duration) -> Option<String> {
        if file_at(&self.ring) == self.file {
            return None;
        }
        let left = self.unpersisted(within);
        let (lines, are) = (humanize::counted(left, "line"), humanize::verb(left, "is", "are"));
        let path = self.ring.path().shown();
        (left > 0).then(|| format!("{path} was removed: {lines} in it {are} not persisted and lost with it"))
    }

    /// The number of lines in the ring that are not persisted.
    fn unpersisted(&self, within: Duration) -> u64 {
        let begun = Instant::now();
        let mut was_undrained = false;
        loop {
            // A ring that was truncated cannot be asked, and the error of the line says so.
            let Ok(stat) = self.ring.stat() else { return 0 };
            let own = stat.lanes.iter().find(|lane| lane.lane == self.lane);
            let left = own.map_or(0, |lane| lane.published.saturating_sub(lane.persisted.max(self.before)));
            if left == 0 || was_undrained || begun.elapsed() >= within {
                return left;
            }
            // The lanes were read before: a consumer may have written the rest and ended in between.
            was_undrained = stat.consumer.is_none();
            std::thread::sleep(PAUSE);
        }
    }
}

fn file_at(ring: &Observer) -> Option<(u64, u64)> {
    fs::metadata(ring.path()).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// How many lines were put and how many were not. `rest`: the number of lines after the refused one, and whether these
/// are all.
pub(super) fn refused(put: u64, rest: (u64, bool)) -> String {
    let (after, is_all) = rest;
    let (left, at_least) = (after + 1, if is_all { "" } else { "at least " });
    let were = humanize::verb(left, "was", "were");
    format!("{} put before it, {at_least}{} {were} not", lines(put), humanize::counted(left, "line"))
}
