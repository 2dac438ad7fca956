//! An output that a call of the kernel blocks is waited for no longer, and changes nothing more.

use super::*;
use crate::pipeline::context::Context;
use crate::pipeline::flags::{AskedAt, Flags, Signals};
use crate::pipeline::outputs::Outputs;
use crate::pipeline::source::Source;
use crate::pipeline::sources::Sources;

/// Formats and sends so many batches of one record each.
fn send_batches(output: &mut Output, consumer: &mut ringlog::reader::Consumer, count: u64) {
    for turn in 1..=count {
        let entry = consumer.next(Duration::from_secs(5)).unwrap().expect("a record was logged");
        output.format(1, 0, &entry, &mut StandardError);
        let unix_ns = entry.unix_ns;
        output.complete(0, unix_ns, consumer.step());
        output.write(turn, &[consumer.cursor()]);
    }
}

fn wait_until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::yield_now();
    }
}

#[test]
fn an_output_that_a_call_of_the_kernel_blocks_is_left_behind() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    ring.logger().text(Level::INFO, "x", "one").unwrap();
    let mut consumer = ring.consumer().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    for by_request in [false, true] {
        let hung = Hung { is_over: is_over.clone(), ..Hung::default() };
        let has_begun = hung.has_begun.clone();
        let mut output = output_of(&ring, Formatter::Json, Box::new(hung), Vec::new());
        let unix_ns = match consumer.next(Duration::from_secs(5)).unwrap() {
            Some(entry) => {
                output.format(1, 0, &entry, &mut StandardError);
                entry.unix_ns
            }
            None => panic!("a record was logged"),
        };
        output.complete(0, unix_ns, consumer.step());
        output.write(1, &[consumer.cursor()]);
        while !has_begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        output.give_up_if_stuck(Duration::from_secs(60));
        assert!(!output.has_failed(), "it is waited for");
        let limit = if by_request { FOR_EVER } else { Limit::GivesUpAt(Instant::now()) };
        if !by_request {
            output.give_up_if_stuck(Duration::ZERO);
            assert!(output.has_failed());
        }
        let finished = finish(output, limit, None, by_request, &mut StandardError);
        assert!(finished.thread.is_err() && !finished.is_whole);
        assert!(matches!(finished.result, Err(Error::Write { records: 1, .. })), "{:?}", finished.result);
        ring.logger().text(Level::INFO, "x", "another").unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
}

/// What it did not get after it was given up stays in the ring, though it has written the rest since.
#[test]
fn an_output_that_writes_again_lacks_what_came_meanwhile() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    let log = ring.logger();
    (0..2).for_each(|_| log.text(Level::INFO, "x", "text").unwrap());
    let mut consumer = ring.consumer().unwrap();
    let hung = Hung::default();
    let (has_begun, is_over) = (hung.has_begun.clone(), hung.is_over.clone());
    let mut output = output_of(&ring, Formatter::Json, Box::new(hung), Vec::new());
    for turn in [1, 2] {
        let entry = consumer.next(Duration::from_secs(5)).unwrap().expect("a record was logged");
        output.format(1, 0, &entry, &mut StandardError);
        let unix_ns = entry.unix_ns;
        output.complete(0, unix_ns, consumer.step());
        output.write(turn, &[consumer.cursor()]);
        while !has_begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        output.give_up_if_stuck(Duration::ZERO);
        assert!(output.has_failed());
    }
    is_over.store(true, Ordering::Relaxed);
    while output.worker().queued_bytes() > 0 {
        output.poll(Duration::from_millis(1), 0, Others::Never, true, &mut StandardError);
    }
    assert_eq!(output.written_turn(), Some(1), "the second is not acknowledged");
    let finished = finish(output, FOR_EVER, Some(Others::Gone), false, &mut StandardError);
    assert_eq!(finished.written_turn, Some(1));
    match finished.result {
        Err(Error::Write { records: 1, source, .. }) => {
            assert_eq!(source.to_string(), "it took nothing for too long");
        }
        other => panic!("{other:?}"),
    }
}

/// What is queued for it is given out again by the rings, and another session may write it.
#[test]
fn a_thread_that_was_left_behind_begins_no_further_batch() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    (0..3).for_each(|_| ring.logger().text(Level::INFO, "x", "text").unwrap());
    let hung = Hung::default();
    let mut output = output_of(&ring, Formatter::Json, Box::new(hung.clone()), Vec::new());
    send_batches(&mut output, &mut ring.consumer().unwrap(), 3);
    wait_until(|| hung.has_begun.load(Ordering::Relaxed));
    let limit = Limit::WritesNothingFor(Duration::ZERO);
    let thread = finish(output, limit, None, false, &mut StandardError).thread.err().unwrap();
    hung.is_over.store(true, Ordering::Relaxed);
    wait_until(|| thread.is_finished());
    assert_eq!(hung.batches.load(Ordering::Relaxed), 1);
}

/// A file that refuses every batch.
struct Refuses;

impl Sink for Refuses {
    fn late(&self) -> u64 {
        0
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn deliver(&mut self, _batch: &Batch, _events: &mut dyn Events) -> std::io::Result<()> {
        Err(std::io::Error::other("no"))
    }

    fn abandon(&mut self, batch: &Batch, _events: &mut dyn Events) -> Abandoned {
        Abandoned::Unwritten { records: batch.records_from(0) }
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        None
    }
}

/// It waits before its next attempt, and obeys in a moment.
#[test]
fn an_output_that_refuses_is_not_left_behind() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    ring.logger().text(Level::INFO, "x", "text").unwrap();
    let mut output = output_of(&ring, Formatter::Json, Box::new(Refuses), Vec::new());
    send_batches(&mut output, &mut ring.consumer().unwrap(), 1);
    wait_until(|| output.worker().standing().retries > 3);
    output.worker().stop_retrying();
    let limit = Limit::WritesNothingFor(Duration::ZERO);
    let finished = finish(output, limit, None, false, &mut Silent);
    assert!(finished.thread.is_ok() && finished.result.is_err());
}

/// One after the other they would take half a second each.
#[test]
fn many_outputs_are_left_behind_in_the_time_for_one() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    let hung = Hung::default();
    for is_last in [false, true] {
        ring.logger().text(Level::INFO, "x", "text").unwrap();
        let mut all = Vec::new();
        for _ in 0..40 {
            let mut output = output_of(&ring, Formatter::Json, Box::new(hung.clone()), Vec::new());
            send_batches(&mut output, &mut ring.consumer().unwrap(), 1);
            if is_last {
                output.give_up_if_stuck(Duration::ZERO);
            }
            all.push(output);
        }
        let (signals, asked_at) = (Signals::default(), AskedAt::default());
        let sources = Sources::new(vec![Source::open(&ring, None).unwrap()], None);
        let mut context = Context { sources, flags: Flags::of(&signals, &asked_at), events: &mut Silent };
        let mut outputs = Outputs::new(all, false, 1 << 20, Duration::ZERO);
        outputs.give_up();
        let begun = Instant::now();
        let outcome = outputs.finish(is_last, &mut context);
        assert_eq!((outcome.errors.len(), outcome.deliveries.len()), (40, 0));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    hung.is_over.store(true, Ordering::Relaxed);
}
