//! Writing a batch into the file, or into several if one is closed between two entries: each part is prepared in the
//! checkpoint, written, and committed.

use std::io::{self, ErrorKind};
use std::ops::Range;

use ringlog::admin::Shown;
use ringlog::reader::Cursor;

use super::FileSink;
use crate::clock::now_unix_ns;
use crate::events::Events;
use crate::sink::batch::Batch;
use crate::sink::stream::report_twice;
use crate::sink::traits::Abandoned;

/// How much of a batch is in the files.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// The number of entries that are written and count.
    entries: usize,
    /// Whether the file has been closed before the next of them.
    has_closed: bool,
    /// What is being written.
    part: Option<Part>,
}

/// Entries of a batch that go into one file.
#[derive(Debug)]
struct Part {
    entries: Range<usize>,
    bytes: Range<usize>,
    is_prepared: bool,
    written: usize,
    /// Whether a sync of it has failed, so that it is written again before the next one.
    is_unsure: bool,
}

impl Part {
    fn new(entries: Range<usize>, bytes: Range<usize>) -> Part {
        Part { entries, bytes, is_prepared: false, written: 0, is_unsure: false }
    }

    fn records(&self, batch: &Batch) -> u64 {
        let entries = &batch.entries()[self.entries.clone()];
        entries.iter().filter(|entry| entry.is_record).count() as u64
    }
}

impl FileSink {
    /// Writes the next part of the batch. Returns whether it was the last.
    pub(super) fn deliver_part(&mut self, batch: &Batch, events: &mut dyn Events) -> io::Result<bool> {
        let mut part = match self.delivered.part.take() {
            Some(part) => part,
            None => self.next_part(batch, events)?,
        };
        let end = part.entries.end;
        if let Err(error) = self.write_part(batch, &mut part, events) {
            self.delivered.part = Some(part);
            return Err(error);
        }
        let is_last = end == batch.entries().len();
        self.delivered =
            if is_last { Delivered::default() } else { Delivered { entries: end, ..Delivered::default() } };
        Ok(is_last)
    }

    /// Closes the file if that comes next, and finds what goes into the present one.
    fn next_part(&mut self, batch: &Batch, events: &mut dyn Events) -> io::Result<Part> {
        let (entries, first) = (batch.entries(), self.delivered.entries);
        let end_of = |count: usize| count.checked_sub(1).map_or(0, |last| entries[last].end);
        let from = end_of(first);
        let mut end = entries.len();
        if self.rotation.rotates() {
            let closes_before = |sink: &mut FileSink, number: usize| {
                let (start, entry) = (end_of(number), entries[number]);
                let len = sink.file.len + (start - from) as u64;
                sink.rotation.rotates_before(len, (entry.end - start) as u64, entry.unix_ns)
            };
            if first < end && !self.delivered.has_closed && closes_before(self, first) {
                self.rotate(entries[first].unix_ns, events)?;
                self.delivered.has_closed = true;
            }
            end = (first + 1..end).find(|number| closes_before(self, *number)).unwrap_or(end);
        }
        Ok(Part::new(first..end, from..end_of(end).max(from)))
    }

    fn write_part(&mut self, batch: &Batch, part: &mut Part, events: &mut dyn Events) -> io::Result<()> {
        let bytes = &batch.bytes()[part.bytes.clone()];
        if part.is_unsure && !self.is_committed && !self.file.write_again(bytes)? {
            // It is not at the end any more, or cannot be changed there: it begins anew behind what is there.
            self.take_back_bytes(part.written, events);
            *part = Part::new(part.entries.clone(), part.bytes.clone());
        }
        if !part.is_prepared {
            self.is_committed = false;
            self.adopt_foreign_changes(events)?;
            self.prepare(batch, part)?;
            part.is_prepared = true;
        }
        while let Some(rest) = bytes.get(part.written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest)? {
                0 => return Err(ErrorKind::WriteZero.into()),
                taken => part.written += taken,
            }
        }
        self.commit(batch, part, events)
    }

    /// The rings' cursors once the part is written.
    fn cursors_after(&self, batch: &Batch, part: &Part) -> Vec<Cursor> {
        let mut cursors = Vec::new();
        for (number, after) in batch.cursors().iter().enumerate() {
            let mut cursor = self.committed.cursor(&after.ring);
            cursor.ring = after.ring;
            let steps = batch.entries()[part.entries.clone()].iter().filter_map(|entry| entry.step.as_ref());
            cursor.advance(steps.filter(|(ring, _)| *ring == number).map(|(_, step)| step));
            cursors.push(cursor);
        }
        cursors
    }

    /// Announces the part in the checkpoint. Once it is written, the rings are at the cursors behind it.
    fn prepare(&mut self, batch: &Batch, part: &Part) -> io::Result<()> {
        self.prepared.order = self.committed.order;
        if self.file.len == 0 {
            self.prepared.order.begin_file();
            if !self.rotation.rotates() {
                self.rotation.begin_file(now_unix_ns());
            }
        }
        self.prepared.order.add(batch, part.entries.clone());
        self.prepared.file = Some(self.state_with(&batch.bytes()[part.bytes.clone()]));
        self.prepared.clock = self.rotation.clock();
        let is_last = part.entries.end == batch.entries().len();
        match is_last {
            true => self.prepared.set_cursors(batch.cursors()),
            false => self.prepared.set_cursors(&self.cursors_after(batch, part)),
        }
        self.checkpoint.prepare(&self.prepared)
    }

    /// Makes the written part count.
    fn commit(&mut self, batch: &Batch, part: &mut Part, events: &mut dyn Events) -> io::Result<()> {
        // The commit happens once; only the sync after it may have to be retried.
        let sync = self.is_committed || self.syncs.is_due(batch.level());
        if !self.is_committed {
            if sync {
                let synced = self.syncs.sync(&self.file, events);
                part.is_unsure = synced.is_err();
                synced?;
            }
            self.checkpoint.commit()?;
            self.is_committed = true;
            if !sync && self.syncs.are_wanted() {
                let bytes = &batch.bytes()[part.bytes.clone()];
                self.syncs.note_unsynced(self.file.len - bytes.len() as u64, bytes, part.records(batch));
            }
        }
        if sync {
            self.checkpoint.sync(&self.prepared)?;
            self.syncs.note_synced(&self.file, events);
        }
        self.end_part();
        Ok(())
    }

    /// The state with the part counts from now on.
    fn end_part(&mut self) {
        self.is_committed = false;
        std::mem::swap(&mut self.committed, &mut self.prepared);
        self.prepared.copy_rings_of(&self.committed);
    }

    /// Gives up a batch. A part that is committed counts, although its sync has failed.
    pub(super) fn abandon_batch(&mut self, batch: &Batch, events: &mut dyn Events) -> Abandoned {
        self.take_back(events);
        let is_committed = self.is_committed;
        if is_committed {
            self.end_part();
        }
        let Delivered { entries, part, .. } = std::mem::take(&mut self.delivered);
        match part.filter(|_| is_committed) {
            Some(part) if part.entries.end == batch.entries().len() => {
                Abandoned::Unsynced { records: part.records(batch) }
            }
            Some(part) => Abandoned::Unwritten { records: batch.records_from(part.entries.end) },
            None => Abandoned::Unwritten { records: batch.records_from(entries) },
        }
    }

    /// Removes the part that is being written from the file, unless it is committed, so that it is written from its
    /// start again.
    pub(super) fn take_back(&mut self, events: &mut dyn Events) {
        if !self.is_committed
            && let Some(part) = self.delivered.part.take()
        {
            self.take_back_bytes(part.written, events);
        }
    }

    fn take_back_bytes(&mut self, written: usize, events: &mut dyn Events) {
        let (path, file) = (self.file.path.clone(), &mut self.file);
        report_twice(written as u64, &path.shown(), |bytes| file.take_back(bytes), events);
    }
}
