//! The counts of a writer's run.

use ringlog::reader::{Gap, GapReason};

/// The counts of a writer's run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records written.
    pub records: u64,
    /// Gaps: places at which records are missing.
    pub gaps: u64,
    /// Records missing at these gaps: dropped, or overwritten before they were read.
    pub missing: u64,
    /// Processes that ended without closing their lanes.
    pub unclean_exits: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl Summary {
    pub(crate) fn add(&mut self, other: Summary) {
        self.records += other.records;
        self.gaps += other.gaps;
        self.missing = self.missing.saturating_add(other.missing);
        self.unclean_exits += other.unclean_exits;
        self.bytes += other.bytes;
    }

    pub(crate) fn has_entries(&self) -> bool {
        self.records > 0 || self.gaps > 0 || self.unclean_exits > 0
    }
}

/// The number of records that a gap stands for; 0 for damaged bytes, whose records cannot be counted.
pub(crate) fn missing(gap: &Gap) -> u64 {
    if gap.reason == GapReason::Damaged { 0 } else { gap.count }
}
