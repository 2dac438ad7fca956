//! Tests of one output.

mod left_behind;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use ringlog::{Level, Ring};

use super::*;
use crate::config::{EVERYTHING, FileConfig, Formatter, HandlerConfig, NullConfig, SinkConfig};
use crate::events::StandardError;
use crate::format::RingIdentity;
use crate::pipeline::worker::Limit;
use crate::sink::{self, Abandoned, Opening, Sink};

/// An output with one handler.
const NOTHING: Opening<'static> = Opening { rings: &[], total: None, takes_all: false };

fn output_of(ring: &Ring, formatter: Formatter, sink: Box<dyn Sink>, had: Vec<Cursor>) -> Output {
    let handler = HandlerConfig {
        name: String::new(),
        level: EVERYTHING,
        formatter,
        sink: SinkConfig::Null(NullConfig),
    };
    let identity = RingIdentity::new(ring.path(), ring.info());
    let formatting = Formatting::new(&handler, 1, &[identity]).unwrap();
    Output::start(
        "out".to_owned(),
        Place::Named("out".to_owned()),
        vec![formatting],
        Delivery::new("out".to_owned(), sink, None),
        Guarantee::ExactlyOnce,
        had,
    )
    .unwrap()
}

/// Waits until an output is over.
fn finish(
    output: Output,
    limit: Limit,
    others: Option<Others>,
    now: bool,
    events: &mut dyn Events,
) -> FinishedOutput {
    let mut ending = output.begin_to_end(limit);
    let now = AtomicBool::new(now);
    while !ending.is_over(Duration::from_millis(5), &now, events) {}
    ending.finish(others, events)
}

/// As long as it takes.
const FOR_EVER: Limit = Limit::WritesNothingFor(Duration::MAX);

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
    let mut sink = sink::open(&config, &NOTHING).unwrap().unwrap();
    sink.recover(false, &mut StandardError).unwrap();
    let mut output = output_of(&ring, Formatter::Json, sink, vec![had]);
    output.left_out = LeftOut { records: 1, mask: 1, ..LeftOut::default() };
    output.format_left_out();
    output.write(1, &[nothing_came]);
    let finished = finish(output, FOR_EVER, None, false, &mut StandardError);
    let delivery = finished.thread.ok().unwrap();
    assert!(delivery.sink().cursor(&ring.info().uuid).covers(&step));
}

#[test]
fn an_output_says_once_what_was_left_out_of_it() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    let path = dir.path().join("app.log");
    let config = SinkConfig::File(FileConfig::new(path.clone()));
    let mut sink = sink::open(&config, &NOTHING).unwrap().unwrap();
    sink.recover(false, &mut StandardError).unwrap();
    let mut output = output_of(&ring, Formatter::Raw, sink, Vec::new());
    let identity = RingIdentity::new(ring.path(), ring.info());
    for (bit, formatter) in [(2, Formatter::Json), (4, Formatter::default()), (8, Formatter::Json)] {
        let handler = HandlerConfig {
            name: String::new(),
            level: EVERYTHING,
            formatter,
            sink: SinkConfig::Null(NullConfig),
        };
        output.handlers.push(Formatting::new(&handler, bit, std::slice::from_ref(&identity)).unwrap());
    }
    // The raw handler has no line for it, and the first of the others lacks nothing.
    output.left_out = LeftOut { records: 7, mask: 1 | 4 | 8, ..LeftOut::default() };
    output.format_left_out();
    output.write(1, &[]);
    finish(output, FOR_EVER, None, false, &mut StandardError).result.unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let is_right = text.contains(" 7 records left out here: ") && !text.contains('{');
    assert!(is_right && text.lines().count() == 1, "one line, of the text handler: {text}");
}

/// A file whose disk does not answer.
#[derive(Clone, Default)]
struct Hung {
    has_begun: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    /// The number of batches that it was given.
    batches: Arc<AtomicU64>,
}

impl Sink for Hung {
    fn late(&self) -> u64 {
        0
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn deliver(&mut self, _batch: &Batch, _events: &mut dyn Events) -> std::io::Result<()> {
        self.has_begun.store(true, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        while !self.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn abandon(&mut self, batch: &Batch, _events: &mut dyn Events) -> Abandoned {
        Abandoned::Unwritten { records: batch.records_from(0) }
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        None
    }
}

/// An output counts as stuck by the time since it wrote something, not by the age of what it has queued.
#[test]
fn an_output_that_writes_slowly_is_not_stuck() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    let log = ring.logger();
    (0..3).for_each(|_| log.text(Level::INFO, "x", "text").unwrap());
    let mut consumer = ring.consumer().unwrap();
    let (steps, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stepped = Stepped { steps: steps.clone(), done: done.clone() };
    let mut output = output_of(&ring, Formatter::Json, Box::new(stepped), Vec::new());
    for turn in 1..=3 {
        let entry = consumer.next(Duration::from_secs(5)).unwrap().expect("a record was logged");
        output.format(1, 0, &entry, &mut StandardError);
        let unix_ns = entry.unix_ns;
        output.complete(0, unix_ns, consumer.step());
        output.write(turn, &[consumer.cursor()]);
    }
    std::thread::sleep(Duration::from_millis(50));
    assert!(output.worker().stalled() >= Duration::from_millis(50));
    steps.store(1, Ordering::Relaxed);
    while output.written_turn() != Some(1) {
        output.poll(Duration::from_millis(1), 0, Others::Never, true, &mut StandardError);
    }
    let (stalled, lag) = (output.worker().stalled(), output.worker().lag());
    assert!(lag >= stalled + Duration::from_millis(50), "{lag:?} {stalled:?}");
    steps.store(3, Ordering::Relaxed);
    finish(output, FOR_EVER, None, false, &mut StandardError).result.unwrap();
    assert_eq!(done.load(Ordering::Relaxed), 3);
}

/// A file that writes one batch more for each step.
struct Stepped {
    steps: Arc<AtomicU64>,
    done: Arc<AtomicU64>,
}

impl Sink for Stepped {
    fn late(&self) -> u64 {
        0
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn deliver(&mut self, _batch: &Batch, _events: &mut dyn Events) -> std::io::Result<()> {
        while self.done.load(Ordering::Relaxed) >= self.steps.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn abandon(&mut self, batch: &Batch, _events: &mut dyn Events) -> Abandoned {
        Abandoned::Unwritten { records: batch.records_from(0) }
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        None
    }
}

/// The raw format has no lines for gaps, of which a ring that is being damaged yields ever more.
#[test]
fn entries_without_lines_fill_a_batch() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    let hung = Hung { is_over: Arc::new(AtomicBool::new(true)), ..Hung::default() };
    let mut output = output_of(&ring, Formatter::Raw, Box::new(hung), Vec::new());
    let (gap, step) = (formatting::left_out(1, 0), ring.consumer().unwrap().step());
    let mut entries = 0;
    while !output.is_full(64 << 10) {
        output.format(1, 0, &gap, &mut Silent);
        output.complete(0, 0, step);
        entries += 1;
        assert!(entries <= ENTRIES_MAX, "no end of it");
    }
    assert_eq!((entries, output.batch_len()), (ENTRIES_MAX, 0));
}

/// A sink whose first attempt fails.
#[derive(Default)]
struct FailsOnce(bool);

impl Sink for FailsOnce {
    fn late(&self) -> u64 {
        0
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::BestEffort
    }

    fn deliver(&mut self, _batch: &Batch, _events: &mut dyn Events) -> std::io::Result<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Ok(()),
            false => Err(std::io::Error::other("no")),
        }
    }

    fn abandon(&mut self, batch: &Batch, _events: &mut dyn Events) -> Abandoned {
        Abandoned::Unwritten { records: batch.records_from(0) }
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        None
    }
}

struct Messages(Vec<String>);

impl Events for Messages {
    fn report(&mut self, message: &str) {
        self.0.push(message.to_owned());
    }
}

#[test]
fn a_failure_that_is_over_at_the_end_only_is_reported_so() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    let mut output = output_of(&ring, Formatter::Json, Box::new(FailsOnce::default()), Vec::new());
    output.left_out = LeftOut { mask: 1, unix_ns: 1, ..LeftOut::default() };
    output.format_left_out();
    output.write(1, &[]);
    let mut messages = Messages(Vec::new());
    let finished = finish(output, FOR_EVER, None, false, &mut messages);
    finished.result.unwrap();
    let expected = [
        "cannot write to out: no; trying again, records wait in the ring",
        "writing to out again; no record was lost",
    ];
    assert_eq!(messages.0, expected);
}

struct Silent;

impl Events for Silent {
    fn report(&mut self, _message: &str) {}
}

/// A pipe without a reader.
struct Unread;

impl Sink for Unread {
    fn late(&self) -> u64 {
        0
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn deliver(&mut self, _batch: &Batch, _events: &mut dyn Events) -> std::io::Result<()> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn abandon(&mut self, batch: &Batch, _events: &mut dyn Events) -> Abandoned {
        Abandoned::Unwritten { records: batch.records_from(0) }
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        None
    }
}

#[test]
fn a_reader_that_dies_during_the_stop_leaves_a_number() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    let mut consumer = ring.consumer().unwrap();
    // `seen`: whether the loop has seen the death, and whether the writer was stopping then.
    let mut end = |seen: Option<bool>, others: Option<Others>| {
        let mut output = output_of(&ring, Formatter::Json, Box::new(Unread), Vec::new());
        for turn in 1..=2 {
            ring.logger().text(Level::INFO, "x", "one").unwrap();
            let entry = consumer.next(Duration::from_secs(5)).unwrap().unwrap();
            output.format(1, 0, &entry, &mut Silent);
            let unix_ns = entry.unix_ns;
            output.complete(0, unix_ns, consumer.step());
            output.write(turn, &[consumer.cursor()]);
            while let Some(is_stopping) = seen.filter(|_| !output.has_lost_reader()) {
                let wait = Duration::from_millis(5);
                output.poll(wait, 0, Others::Some, is_stopping, &mut Silent);
            }
        }
        finish(output, FOR_EVER, others, false, &mut Silent).result.map_err(|error| error.to_string())
    };
    let waits = "cannot write to out: its reader has gone; 2 records are not written and stay in the ring for the next \
                 writer";
    let lost = "cannot write to out; up to 2 records that other handlers have written are missing there";
    for (seen, others, expected) in [
        (Some(true), Some(Others::Some), Err(lost)),
        (Some(true), Some(Others::Gone), Err(waits)),
        (None, Some(Others::Some), Err(waits)),
        // Before the stop, and without one, it is as for any program.
        (Some(false), Some(Others::Some), Ok(())),
        (None, None, Ok(())),
    ] {
        assert_eq!(end(seen, others), expected.map_err(str::to_owned), "{seen:?} {others:?}");
    }
}
