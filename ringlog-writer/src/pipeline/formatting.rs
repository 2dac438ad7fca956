//! What a handler takes is formatted and put into batches.

use ringlog::Level;
use ringlog::reader::{Body, Cursor, Entry, Gap, GapReason, Origin, Step};

use super::Summary;
use super::batch::{Batch, Place};
use crate::config::options::Fsync;
use crate::config::{Formatter, Handler, Output};
use crate::error::Error;
use crate::format::{self, Format, Source};
use crate::pipeline::Events;
use crate::sink::Sink;

pub(super) struct Formatting {
    /// By the ring that an entry is of.
    formats: Vec<Box<dyn Format>>,
    /// The output is the messages' bytes and nothing else.
    is_raw: bool,
    fsync: Fsync,
    /// Entries have places: files are closed between them.
    has_places: bool,
    /// What the output had of each ring when the writer began, where the rings did not begin there.
    had: Vec<Cursor>,
    pub(super) batch: Batch,
    /// How the batch was before the last entry was put into it.
    before: (usize, Summary, bool),
}

impl Formatting {
    pub(super) fn new(
        handler: &Handler,
        sources: &[Source],
        sink: &dyn Sink,
        had: Vec<Cursor>,
    ) -> Result<Formatting, Error> {
        let color = match handler.output {
            Output::Console { stream, color } => color.is_wanted(stream),
            Output::File(_) | Output::Null => false,
        };
        let format = |source| {
            let format = format::of(&handler.formatter, color, source);
            format.map_err(|problem| Error::Config(format!("handler {:?}: {problem}", handler.name)))
        };
        let fsync = match &handler.output {
            Output::File(file) => file.fsync,
            Output::Console { .. } | Output::Null => Fsync::Never,
        };
        Ok(Formatting {
            formats: sources.iter().map(format).collect::<Result<_, _>>()?,
            is_raw: handler.formatter == Formatter::Raw,
            fsync,
            has_places: sink.closes_files(),
            had,
            batch: Batch::default(),
            before: Default::default(),
        })
    }

    /// Whether [`settle`](Self::settle) has to be told each entry's step.
    #[inline]
    pub(super) fn needs_steps(&self) -> bool {
        self.has_places || !self.had.is_empty()
    }

    /// Formats an entry of this ring.
    #[inline]
    pub(super) fn put(&mut self, ring: usize, entry: &Entry<'_>, events: &mut dyn Events) {
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
                    events.say(&format!("{gap} ({}/{thread})", entry.origin.pid));
                }
            }
            Body::UncleanExit(_) => {
                batch.counts.deaths += 1;
                if self.is_raw {
                    events.say(&entry.message());
                }
            }
            _ => {}
        }
        self.formats[ring].entry(entry, &mut batch.bytes);
    }

    /// What the entry that was put last changes in its ring's cursor. Takes it out again if the output has it.
    /// Returns how long its line is.
    pub(super) fn settle(&mut self, ring: usize, unix_ns: u64, step: Step) -> usize {
        let batch = &mut self.batch;
        let (len, counts, is_urgent) = self.before;
        if self.had.get(ring).is_some_and(|had| had.covers(&step)) {
            batch.bytes.truncate(len);
            (batch.counts, batch.is_urgent) = (counts, is_urgent);
        } else if self.has_places {
            batch.places.push(Place { end: batch.bytes.len(), unix_ns, ring, step });
        }
        batch.bytes.len() - len
    }

    /// A line for records that were left out of the output.
    pub(super) fn put_lost(&mut self, count: u64, unix_ns: u64) {
        let body = Body::Gap(Gap { count, reason: GapReason::Unwritten });
        let entry = Entry { unix_ns, origin: Origin::no_lane(), body };
        if !self.is_raw {
            self.formats[0].entry(&entry, &mut self.batch.bytes);
        }
        self.batch.counts.gaps += 1;
        self.batch.counts.missing = self.batch.counts.missing.saturating_add(count);
    }

    /// The batch is complete; behind it the rings stand at these cursors.
    pub(super) fn end_batch(&mut self, cursors: &[Cursor]) {
        self.batch.cursors = cursors.to_vec();
        // What the output has of lanes that have not come again is not to be forgotten.
        self.batch.cursors.iter_mut().zip(&self.had).for_each(|(cursor, had)| cursor.join(had));
    }
}

/// Whether a record of this level has to survive a power cut.
fn is_urgent(fsync: Fsync, level: Level) -> bool {
    matches!(fsync, Fsync::Level(least) if level >= least)
}

/// How many records a gap stands for; nobody can tell of damaged bytes.
pub(super) fn missing(gap: &Gap) -> u64 {
    if gap.reason == GapReason::Damaged { 0 } else { gap.count }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringlog::Ring;

    use super::*;
    use crate::config::{EVERYTHING, FileOutput};
    use crate::sink;

    /// The next writer would otherwise give a file what it has of a lane that has not come again by then.
    #[test]
    fn what_an_output_has_of_a_lane_is_not_forgotten_while_only_others_have_come_again() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
        ring.logger().text(Level::INFO, "x", "one").unwrap();
        let mut consumer = ring.consumer().unwrap();
        consumer.next(Duration::from_secs(5)).unwrap().unwrap();
        let (step, had) = (consumer.step(), consumer.cursor());
        drop(consumer);
        let nothing_came = ring.consumer().unwrap().cursor();
        assert!(!nothing_came.covers(&step));

        let output = Output::File(FileOutput::new(dir.path().join("app.log")));
        let sink = sink::open(&output, &[], true).unwrap().unwrap();
        let handler = Handler { name: String::new(), level: EVERYTHING, formatter: Formatter::Json, output };
        let source = Source::new(ring.path(), ring.info());
        let mut formatting = Formatting::new(&handler, &[source], &*sink, vec![had]).unwrap();
        formatting.end_batch(&[nothing_came]);
        assert!(formatting.batch.cursors[0].covers(&step));
    }
}
