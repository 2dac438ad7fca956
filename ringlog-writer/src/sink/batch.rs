//! A batch: formatted entries on their way to a sink.

use ringlog::Level;
use ringlog::reader::{Body, Cursor, Entry, Step};
#[cfg(test)]
use ringlog::reader::{Gap, GapReason, Origin};

use crate::summary::{Summary, missing};

/// Entries in the order of their time, as bytes that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    entries: Vec<BatchEntry>,
    /// The rings' cursors after the batch.
    cursors: Vec<Cursor>,
    /// The number of records and other entries.
    counts: Summary,
    /// The highest level of its records.
    level: Option<Level>,
    /// Its state before the entry that is being added.
    before: Before,
}

/// An entry of a batch: the lines of one entry of a ring, by one handler or several. They are not torn apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchEntry {
    /// The end of its lines within the batch.
    pub(crate) end: usize,
    pub(crate) unix_ns: u64,
    /// The ring that it is from, and how it moves that ring's cursor; `None` for a line of the writer's own.
    pub(crate) step: Option<(usize, Step)>,
    /// Whether it is a record.
    pub(crate) is_record: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Before {
    len: usize,
    counts: Summary,
    level: Option<Level>,
}

impl Batch {
    /// The lines of all entries.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn entries(&self) -> &[BatchEntry] {
        &self.entries
    }

    /// The rings' cursors after the batch.
    pub(crate) fn cursors(&self) -> &[Cursor] {
        &self.cursors
    }

    pub(crate) fn counts(&self) -> Summary {
        self.counts
    }

    /// The highest level of its records; `None` without records.
    pub(crate) fn level(&self) -> Option<Level> {
        self.level
    }

    /// Whether it has neither lines nor entries without one, such as gaps in a format that has no lines for them.
    pub(crate) fn is_empty(&self) -> bool {
        !self.counts.has_entries()
    }

    /// Begins an entry: counts it, and returns the buffer to which its lines are appended.
    #[inline]
    pub(crate) fn begin(&mut self, entry: &Entry<'_>) -> &mut Vec<u8> {
        self.before = Before { len: self.bytes.len(), counts: self.counts, level: self.level };
        match &entry.body {
            Body::Record(record) => {
                self.counts.records += 1;
                self.level = self.level.max(Some(record.level));
            }
            Body::Gap(gap) => {
                self.counts.gaps += 1;
                self.counts.missing = self.counts.missing.saturating_add(missing(gap));
            }
            Body::UncleanExit(_) => self.counts.unclean_exits += 1,
            _ => {}
        }
        &mut self.bytes
    }

    /// Completes the entry. `ring` and `step` are where it is from, and how it moves that ring's cursor.
    #[inline]
    pub(crate) fn complete(&mut self, unix_ns: u64, step: Option<(usize, Step)>) {
        let is_record = self.counts.records > self.before.counts.records;
        self.entries.push(BatchEntry { end: self.bytes.len(), unix_ns, step, is_record });
    }

    /// Removes the entry that was begun.
    pub(crate) fn discard(&mut self) {
        let Before { len, counts, level } = self.before;
        self.bytes.truncate(len);
        (self.counts, self.level) = (counts, level);
    }

    /// Completes the batch: after it the rings stand at these cursors.
    pub(crate) fn end(&mut self, cursors: impl Iterator<Item = Cursor>) {
        self.cursors.clear();
        self.cursors.extend(cursors);
    }

    /// The number of records from the entry with this number on.
    pub(crate) fn records_from(&self, first: usize) -> u64 {
        self.entries.iter().skip(first).filter(|entry| entry.is_record).count() as u64
    }

    /// The approximate amount of memory that it takes.
    pub(crate) fn weight(&self) -> usize {
        let cursors: usize = self.cursors.iter().map(Cursor::encoded_len).sum();
        self.bytes.len() + self.entries.len() * size_of::<BatchEntry>() + cursors
    }

    /// Empties the batch, and keeps a buffer of at most `keep` bytes: a single record of many megabytes must not hold
    /// its memory for ever.
    pub(crate) fn clear(&mut self, keep: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep);
        self.entries.clear();
        (self.counts, self.level) = (Summary::default(), None);
    }
}

#[cfg(test)]
impl Batch {
    /// A batch of gaps with these lines.
    pub(super) fn of_lines(lines: &[&str]) -> Batch {
        let mut batch = Batch::default();
        for line in lines {
            let body = Body::Gap(Gap { count: 1, reason: GapReason::Dropped });
            batch.begin(&Entry { unix_ns: 0, origin: Origin::no_lane(), body }).extend(line.as_bytes());
            batch.complete(0, None);
        }
        batch
    }
}
