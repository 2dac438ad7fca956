//! What a writer has done, in numbers.

use ringlog::reader::{Gap, GapReason};

/// What a writer has done, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records written.
    pub records: u64,
    /// Gaps: places at which records are missing.
    pub gaps: u64,
    /// Records missing at these gaps: dropped, or overwritten before they were read.
    pub missing: u64,
    /// Lanes whose process ended without closing them.
    pub deaths: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl Summary {
    pub(super) fn add(&mut self, other: Summary) {
        self.records += other.records;
        self.gaps += other.gaps;
        self.missing = self.missing.saturating_add(other.missing);
        self.deaths += other.deaths;
        self.bytes += other.bytes;
    }

    pub(super) fn has_entries(&self) -> bool {
        self.records > 0 || self.gaps > 0 || self.deaths > 0
    }
}

/// The number of records that a gap stands for; 0 for damaged bytes, whose records cannot be counted.
pub(super) fn missing(gap: &Gap) -> u64 {
    if gap.reason == GapReason::Damaged { 0 } else { gap.count }
}
