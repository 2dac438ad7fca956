//! A batch: formatted entries on their way to a sink.

use ringlog::reader::{Cursor, Step};

use super::summary::Summary;

#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// The entries, if the sink closes files between two of them; otherwise empty.
    pub(super) entries: Vec<BatchEntry>,
    /// The rings' cursors after the batch.
    pub(super) cursors: Vec<Cursor>,
    /// The number of records and other entries.
    pub(super) counts: Summary,
    /// Whether a record in it has to survive a power cut.
    pub(super) is_urgent: bool,
}

/// An entry of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchEntry {
    /// The end of its line within the batch.
    pub(super) end: usize,
    pub(super) unix_ns: u64,
    /// The ring that it is from.
    pub(super) ring: usize,
    /// How it moves that ring's cursor.
    pub(super) step: Step,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        !self.counts.has_entries()
    }

    /// The approximate amount of memory that it takes.
    pub(super) fn weight(&self) -> usize {
        let cursors: usize = self.cursors.iter().map(Cursor::encoded_len).sum();
        self.bytes.len() + self.entries.len() * size_of::<BatchEntry>() + cursors
    }

    /// Empties the batch, and keeps a buffer of at most `keep` bytes: a single record of many megabytes must not hold
    /// its memory for ever.
    pub(super) fn clear(&mut self, keep: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep);
        self.entries.clear();
        (self.counts, self.is_urgent) = (Summary::default(), false);
    }
}
