//! Formatted entries on their way to an output.

use ringlog::reader::{Cursor, Step};

use super::Summary;

#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Its entries, where files are closed between two of them.
    pub(super) places: Vec<Place>,
    /// Where the rings are behind it.
    pub(super) cursors: Vec<Cursor>,
    /// What it holds.
    pub(super) counts: Summary,
    /// A record in it has to survive a power cut.
    pub(super) is_urgent: bool,
}

/// An entry of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Where its line ends.
    pub(super) end: usize,
    pub(super) unix_ns: u64,
    /// What it changes in the cursor of which ring.
    pub(super) ring: usize,
    pub(super) step: Step,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        let Summary { records, gaps, deaths, .. } = self.counts;
        records == 0 && gaps == 0 && deaths == 0
    }

    /// How much memory it takes, about.
    pub(super) fn weight(&self) -> usize {
        let cursors: usize = self.cursors.iter().map(Cursor::encoded_len).sum();
        self.bytes.len() + self.places.len() * size_of::<Place>() + cursors
    }

    /// Empties it. One record of many megabytes shall not be paid for ever after.
    pub(super) fn clear(&mut self, keep: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep);
        self.places.clear();
        (self.counts, self.is_urgent) = (Summary::default(), false);
    }
}
