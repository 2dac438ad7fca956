use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringlog::{Level, Ring};

use super::*;
use crate::config::{EVERYTHING, FileConfig, Formatter, HandlerConfig, SinkConfig};
use crate::events::StandardError;
use crate::format::RingIdentity;
use crate::sink::{self, Abandoned, Sink};

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
    let mut sink = sink::open(&config, &[]).unwrap().unwrap();
    sink.recover(false, &mut StandardError).unwrap();
    let formatter = Formatter::Json;
    let handler = HandlerConfig { name: String::new(), level: EVERYTHING, formatter, sink: config };
    let identity = RingIdentity::new(ring.path(), ring.info());
    let formatting = Formatting::new(&handler, 1, &[identity]).unwrap();
    let delivery = Delivery::new("app.log".to_owned(), sink);
    let mut output = Output::start(vec![formatting], delivery, Guarantee::ExactlyOnce, vec![had]).unwrap();
    output.left_out = LeftOut { records: 1, ..LeftOut::default() };
    output.format_left_out();
    output.write(1, &[nothing_came]);
    let finished = output.finish(None, &AtomicBool::new(false), &mut StandardError);
    let delivery = finished.delivery.unwrap();
    assert!(delivery.sink().cursor(&ring.info().uuid).covers(&step));
}

/// A file whose disk does not answer.
struct Hung {
    is_over: Arc<AtomicBool>,
}

impl Sink for Hung {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn deliver(&mut self, _batch: &Batch, _events: &mut dyn Events) -> std::io::Result<()> {
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

#[test]
fn an_output_that_a_call_of_the_kernel_blocks_is_left_behind() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = Ring::options().size("1MiB").create(dir.path().join("app").to_str().unwrap()).unwrap();
    ring.logger().text(Level::INFO, "x", "one").unwrap();
    let mut consumer = ring.consumer().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    for by_request in [false, true] {
        let sink = SinkConfig::Null;
        let handler =
            HandlerConfig { name: String::new(), level: EVERYTHING, formatter: Formatter::Json, sink };
        let formatting =
            Formatting::new(&handler, 1, &[RingIdentity::new(ring.path(), ring.info())]).unwrap();
        let delivery = Delivery::new("hung".to_owned(), Box::new(Hung { is_over: is_over.clone() }));
        let mut output =
            Output::start(vec![formatting], delivery, Guarantee::ExactlyOnce, Vec::new()).unwrap();
        let unix_ns = match consumer.next(Duration::from_secs(5)).unwrap() {
            Some(entry) => {
                output.format(1, 0, &entry, &mut StandardError);
                entry.unix_ns
            }
            None => panic!("a record was logged"),
        };
        output.complete(0, unix_ns, consumer.step());
        output.write(1, &[consumer.cursor()]);
        output.give_up_if_stuck(Duration::from_secs(60));
        assert!(!output.has_failed(), "it is waited for");
        let deadline = (!by_request).then(Instant::now);
        if !by_request {
            output.give_up_if_stuck(Duration::ZERO);
            assert!(output.has_failed());
        }
        let finished = output.finish(deadline, &AtomicBool::new(by_request), &mut StandardError);
        assert!(finished.delivery.is_none() && !finished.is_whole);
        assert!(matches!(finished.result, Err(Error::Write { records: 1, .. })), "{:?}", finished.result);
        ring.logger().text(Level::INFO, "x", "another").unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
}
