//! Formatting: the entries that a handler takes become lines of a batch.

use ringlog::Level;
use ringlog::reader::{Body, Cursor, Entry, Gap, GapReason, Origin, Step};

use super::batch::{Batch, BatchEntry};
use super::summary::{Summary, missing};
use crate::config::options::Fsync;
use crate::config::{Formatter, HandlerConfig, SinkConfig};
use crate::error::Error;
use crate::events::Events;
use crate::format::{self, Colored, Format, FormatKind, Newlines, Pattern, PatternError, RingIdentity};
use crate::sink::Sink;

pub(super) struct Formatting {
    /// One format for each ring.
    formats: Vec<Box<dyn Format>>,
    /// Whether lines are the messages' bytes and nothing else, so that gaps cannot be written.
    is_raw: bool,
    fsync: Fsync,
    /// Whether the batch keeps its entries, because the sink closes files between them.
    keeps_entries: bool,
    /// The sink's position in each ring when the writer started; empty if the rings were started there.
    had: Vec<Cursor>,
    pub(super) batch: Batch,
    /// The batch's length, counts and urgency before the last entry.
    before: (usize, Summary, bool),
}

impl Formatting {
    pub(super) fn new(
        handler: &HandlerConfig,
        rings: &[RingIdentity],
        sink: &dyn Sink,
        had: Vec<Cursor>,
    ) -> Result<Formatting, Error> {
        let color = match handler.sink {
            SinkConfig::Console { stream, color } => color.is_wanted(stream),
            SinkConfig::File(_) | SinkConfig::Null => false,
        };
        let format = |ring| {
            let format = format_of(&handler.formatter, color, ring);
            format.map_err(|error| Error::Config(format!("handler {:?}: {error}", handler.name)))
        };
        let fsync = match &handler.sink {
            SinkConfig::File(file) => file.fsync,
            SinkConfig::Console { .. } | SinkConfig::Null => Fsync::Never,
        };
        Ok(Formatting {
            formats: rings.iter().map(format).collect::<Result<_, _>>()?,
            is_raw: handler.formatter == Formatter::Raw,
            fsync,
            keeps_entries: sink.rotates(),
            had,
            batch: Batch::default(),
            before: Default::default(),
        })
    }

    /// Whether [`record_step`](Self::record_step) has to be called for every entry.
    #[inline]
    pub(super) fn needs_steps(&self) -> bool {
        self.keeps_entries || !self.had.is_empty()
    }

    /// Appends the line of an entry of this ring to the batch.
    #[inline]
    pub(super) fn format(&mut self, ring: usize, entry: &Entry<'_>, events: &mut dyn Events) {
        let batch = &mut self.batch;
        self.before = (batch.bytes.len(), batch.counts, batch.is_urgent);
        match &entry.body {
            Body::Record(record) => {
                batch.counts.records += 1;
                batch.is_urgent |= is_urgent(self.fsync, record.level);
            }
            Body::Gap(gap) => {
                batch.counts.gaps += 1;
                batch.counts.missing = batch.counts.missing.saturating_add(missing(gap));
                if self.is_raw {
                    let thread = &entry.origin.thread;
                    events.report(&format!("{gap} ({}/{thread})", entry.origin.pid));
                }
            }
            Body::UncleanExit(_) => {
                batch.counts.unclean_exits += 1;
                if self.is_raw {
                    events.report(&entry.message());
                }
            }
            _ => {}
        }
        self.formats[ring].entry(entry, &mut batch.bytes);
    }

    /// Records how the last entry moves its ring's cursor. Removes the entry again if the sink has it already. Returns
    /// the length of its line.
    pub(super) fn record_step(&mut self, ring: usize, unix_ns: u64, step: Step) -> usize {
        let batch = &mut self.batch;
        let (len, counts, is_urgent) = self.before;
        if self.had.get(ring).is_some_and(|had| had.covers(&step)) {
            batch.bytes.truncate(len);
            (batch.counts, batch.is_urgent) = (counts, is_urgent);
        } else if self.keeps_entries {
            batch.entries.push(BatchEntry { end: batch.bytes.len(), unix_ns, ring, step });
        }
        batch.bytes.len() - len
    }

    /// Appends a line for records that were left out of the sink.
    pub(super) fn format_left_out(&mut self, count: u64, unix_ns: u64) {
        let body = Body::Gap(Gap { count, reason: GapReason::Unwritten });
        let entry = Entry { unix_ns, origin: Origin::no_lane(), body };
        if !self.is_raw {
            self.formats[0].entry(&entry, &mut self.batch.bytes);
        }
        self.batch.counts.gaps += 1;
        self.batch.counts.missing = self.batch.counts.missing.saturating_add(count);
    }

    /// Completes the batch. After it the rings stand at these cursors.
    pub(super) fn end_batch(&mut self, cursors: &[Cursor]) {
        self.batch.cursors = cursors.to_vec();
        // Lanes whose records the rings have not given out again yet keep their old positions.
        self.batch.cursors.iter_mut().zip(&self.had).for_each(|(cursor, had)| cursor.join(had));
    }
}

/// The format of a handler for one ring.
fn format_of(
    formatter: &Formatter,
    color: bool,
    ring: &RingIdentity,
) -> Result<Box<dyn Format>, PatternError> {
    let format = match formatter {
        Formatter::Text { newlines, ids } => format::new(FormatKind::Text, *newlines, *ids, ring),
        Formatter::Json => format::new(FormatKind::Json, Newlines::default(), false, ring),
        Formatter::Raw => format::new(FormatKind::Raw, Newlines::default(), false, ring),
        Formatter::Pattern { pattern, date, zone, newlines } => {
            let pattern = Pattern::new(pattern, date.as_deref(), zone.zone().clone(), *newlines)?;
            Box::new(pattern.of_ring(ring))
        }
    };
    Ok(if color { Box::new(Colored::new(format)) } else { format })
}

/// Whether a record of this level has to survive a power cut.
fn is_urgent(fsync: Fsync, level: Level) -> bool {
    matches!(fsync, Fsync::Level(least) if level >= least)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringlog::Ring;

    use super::*;
    use crate::config::{EVERYTHING, FileConfig};
    use crate::sink;

    /// Otherwise the next writer would write the lane's records a second time.
    #[test]
    fn positions_of_lanes_that_gave_nothing_yet_are_kept() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
        ring.logger().text(Level::INFO, "x", "one").unwrap();
        let mut consumer = ring.consumer().unwrap();
        consumer.next(Duration::from_secs(5)).unwrap().unwrap();
        let (step, had) = (consumer.step(), consumer.cursor());
        drop(consumer);
        let nothing_came = ring.consumer().unwrap().cursor();
        assert!(!nothing_came.covers(&step));

        let config = SinkConfig::File(FileConfig::new(dir.path().join("app.log")));
        let sink = sink::open(&config, &[]).unwrap().unwrap();
        let handler = HandlerConfig {
            name: String::new(),
            level: EVERYTHING,
            formatter: Formatter::Json,
            sink: config,
        };
        let identity = RingIdentity::new(ring.path(), ring.info());
        let mut formatting = Formatting::new(&handler, &[identity], &*sink, vec![had]).unwrap();
        formatting.end_batch(&[nothing_came]);
        assert!(formatting.batch.cursors[0].covers(&step));
    }
}
