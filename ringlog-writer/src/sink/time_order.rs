//! The order of time in an output: how many of its entries stand behind a younger one.

use std::ops::Range;

use super::batch::Batch;

/// The entries that were written after an entry with a later time stamp, in the same file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeOrder {
    /// The latest time stamp in the file; 0 in an empty one.
    pub(crate) newest_unix_ns: u64,
    /// The number of these entries, in all files since the checkpoint was made, or since the sink was opened.
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
                // The count may come from a file, and be any number.
                self.late = self.late.saturating_add(u64::from(entry.unix_ns < self.newest_unix_ns));
                self.newest_unix_ns = self.newest_unix_ns.max(entry.unix_ns);
            }
            begin = entry.end;
        }
    }
}

#[cfg(test)]
mod tests {
    use ringlog::reader::{Body, Entry, Gap, GapReason, Origin};

    use super::*;

    /// A batch with an entry for each pair of a time and the length of its lines.
    fn batch(entries: &[(u64, usize)]) -> Batch {
        let mut batch = Batch::default();
        let origin = Origin::no_lane();
        for (unix_ns, len) in entries {
            let body = Body::Gap(Gap { count: 1, reason: GapReason::Dropped });
            let lines = batch.begin(&Entry { unix_ns: *unix_ns, origin, body });
            lines.resize(lines.len() + len, b'x');
            batch.complete(*unix_ns, None);
        }
        batch
    }

    #[test]
    fn entries_behind_a_younger_one_are_late() {
        let mut order = TimeOrder::default();
        let first = batch(&[(5, 10), (3, 10), (5, 10), (4, 10), (9, 10)]);
        order.add(&first, 0..5);
        assert_eq!(order, TimeOrder { newest_unix_ns: 9, late: 2 });
        // In the parts of a batch that goes into two files, too, and in the next batch.
        order.begin_file();
        order.add(&first, 1..2);
        order.add(&first, 2..4);
        assert_eq!(order, TimeOrder { newest_unix_ns: 5, late: 3 });
        order.add(&batch(&[(4, 10)]), 0..1);
        assert_eq!(order.late, 4);
        order.late = u64::MAX;
        order.add(&batch(&[(4, 10)]), 0..1);
        assert_eq!(order.late, u64::MAX, "a checkpoint may say anything");
    }

    #[test]
    fn an_entry_without_lines_is_not_in_the_file() {
        let mut order = TimeOrder::default();
        let entries = batch(&[(5, 10), (9, 0), (6, 10), (3, 0), (4, 10)]);
        order.add(&entries, 0..3);
        order.add(&entries, 3..5);
        assert_eq!(order, TimeOrder { newest_unix_ns: 6, late: 1 });
    }
}
