//! One handler whose output fails when the writer stops: the others get everything, and the error says what it lacks.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringlog::{Level, Ring};
use ringlog_writer::{Error, Events, Signals, run_config};

use crate::common::EventLog;
use crate::configured::Scene;
use crate::slow_outputs::ONE_IS_SLOW;

/// Longer than the pause between two looks at a ring's path.
const A_LOOK: Duration = Duration::from_millis(1_100);

/// A ring with many batches of records, and a pipe without a reader beside the file. Returns the number of records that
/// the ring has taken.
fn with_backlog(size: &str, config: &str) -> (Scene, usize) {
    let scene = Scene::with(1, || Ring::options().size(size), config);
    nix::unistd::mkfifo(&scene.path("slow"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let log = scene.rings[0].logger();
    let is_taken = |number: &u32| log.text(Level::INFO, "x", format!("{number:0300}")).is_ok();
    let taken = (0..10_000).filter(is_taken).count();
    (scene, taken)
}

/// Has the writer stop as soon as it is ready, and calls `at_start` then.
struct StopAtStart<F>(Signals, EventLog, F);

impl<F: FnMut()> Events for StopAtStart<F> {
    fn ready(&mut self) {
        self.2();
        self.0.stop.store(true, Ordering::SeqCst);
    }

    fn report(&mut self, message: &str) {
        self.1.report(message);
    }
}

fn stopped_at_start(scene: &Scene, at_start: impl FnMut()) -> Error {
    let signals = Signals::default();
    let mut events = StopAtStart(signals.clone(), EventLog::default(), at_start);
    run_config(&scene.file, &signals, &mut events).unwrap_err()
}

/// How many different records are in a file; none is there twice.
fn records_in(scene: &Scene, name: &str) -> usize {
    let lines = scene.lines(name);
    let records: Vec<_> =
        lines.iter().filter(|line| line.bytes().all(|byte| byte.is_ascii_digit())).collect();
    assert_eq!(records.iter().collect::<BTreeSet<_>>().len(), records.len());
    records.len()
}

#[test]
fn the_other_outputs_get_everything_before_the_end() {
    // What does not fit into the ring is a gap in the outputs, and no record that they lack.
    let (scene, taken) = with_backlog("2MiB", ONE_IS_SLOW);
    assert!((1_000..9_000).contains(&taken), "{taken}");
    let error = stopped_at_start(&scene, || ()).to_string();
    let expected = format!("{taken} records are not written and stay in the ring for the next writer");
    assert!(error.ends_with(&expected), "{error}, expected {expected}");
    assert_eq!(records_in(&scene, "file.log"), taken);
    // The next writer gives the pipe all of them, and the file none twice.
    fs::remove_file(scene.path("slow")).unwrap();
    scene.drain().unwrap();
    assert_eq!([records_in(&scene, "slow"), records_in(&scene, "file.log")], [taken; 2]);
}

/// The records of the removed ring that are counted as left in the one that takes its place.
fn left_behind(scene: &Scene) -> u64 {
    let path = scene.rings[0].path().to_str().unwrap();
    let ring = Ring::options().size("1MiB").create(path).unwrap();
    std::thread::sleep(A_LOOK);
    scene.log(0, "x", Level::INFO, "after");
    ring.observe().unwrap().stat().unwrap().refused.left
}

#[test]
fn a_removed_ring_is_drained_into_the_other_outputs() {
    let (scene, taken) = with_backlog("16MiB", ONE_IS_SLOW);
    let error = stopped_at_start(&scene, || fs::remove_file(scene.rings[0].path()).unwrap()).to_string();
    let expected = format!(
        "{taken} records are not written, and those of them that came from a removed ring are lost with it"
    );
    assert!(error.ends_with(&expected), "{error}, expected {expected}");
    assert_eq!(records_in(&scene, "file.log"), taken);
    assert_eq!(left_behind(&scene), 0, "the file has them");
}

#[test]
fn what_no_file_has_of_a_removed_ring_is_counted_as_left() {
    let config = ONE_IS_SLOW.replace("file.log\"", "file.log\"\nlevel = \"ERROR\"");
    let (scene, taken) = with_backlog("16MiB", &config);
    stopped_at_start(&scene, || fs::remove_file(scene.rings[0].path()).unwrap());
    assert_eq!(records_in(&scene, "file.log"), 0);
    assert_eq!(left_behind(&scene), taken as u64);
}
