//! The order of time in an output: how many of its entries stand behind a younger one.

use std::ops::Range;

use super::batch::Batch;

/// The entries that were written after an entry with a later time stamp, in the same file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeOrder {
    /// The latest time stamp in the file; 0 in an empty one.
    pub(crate) newest_unix_ns: u64,
    /// The number of these entries, in all files.
    pub(crate) late: u64,
}

impl TimeOrder {
    /// The next entry is the first of a file.
    pub(crate) fn begin_file(&mut self) {
        self.newest_unix_ns = 0;
    }

    /// Adds these entries of a batch. Those without lines are not in the file.
    pub(crate) fn add(&mut self, batch: &Batch, range: Range<usize>) {
        let mut begin =
            range.start.checked_sub(1).and_then(|last| batch.entries().get(last)).map_or(0, |last| last.end);
        for entry in batch.entries().get(range).unwrap_or_default() {
            if entry.end > begin {
                self.late += u64::from(entry.unix_ns < self.newest_unix_ns);
                self.newest_unix_ns = self.newest_unix_ns.max(entry.unix_ns);
            }
            begin = entry.end;
        }
    }
}
