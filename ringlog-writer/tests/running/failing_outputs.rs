//! One handler whose output fails when the writer stops: the others get everything, and the error says what it lacks.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::Ordering;

use ringlog::{Level, Ring};
use ringlog_writer::{Error, Events, Signals, run_config};

use crate::common::EventLog;
use crate::configured::Scene;

const RECORDS: usize = 10_000;

/// A pipe without a reader beside a file.
const ONE_FAILS: &str = r#"
[formatters.short]
format = "%(message)s"
[handlers.pipe]
kind = "file"
path = "DIR/pipe"
formatter = "short"
[handlers.file]
kind = "file"
path = "DIR/file.log"
formatter = "short"
[root]
handlers = ["pipe", "file"]
"#;

/// Fifty batches in the ring.
fn with_backlog() -> Scene {
    let scene = Scene::with(1, || Ring::options().size("16MiB"), ONE_FAILS);
    nix::unistd::mkfifo(&scene.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let log = scene.rings[0].logger();
    (0..RECORDS).for_each(|number| log.text(Level::INFO, "x", format!("{number:0300}")).unwrap());
    scene
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

fn has_each_once(lines: &[String]) -> bool {
    lines.len() == RECORDS && lines.iter().collect::<BTreeSet<_>>().len() == RECORDS
}

#[test]
fn the_other_outputs_get_everything_before_the_end() {
    let scene = with_backlog();
    let error = stopped_at_start(&scene, || ()).to_string();
    let expected = format!("{RECORDS} records are not written and stay in the ring for the next writer");
    assert!(error.ends_with(&expected), "{error}");
    assert!(has_each_once(&scene.lines("file.log")), "{} lines", scene.lines("file.log").len());
    // The next writer gives the pipe all of them, and the file none twice.
    fs::remove_file(scene.path("pipe")).unwrap();
    scene.drain().unwrap();
    assert!(has_each_once(&scene.lines("pipe")), "{} lines", scene.lines("pipe").len());
    assert!(has_each_once(&scene.lines("file.log")));
}

#[test]
fn a_removed_ring_is_drained_into_the_other_outputs() {
    let scene = with_backlog();
    let path = scene.rings[0].path().to_owned();
    let error = stopped_at_start(&scene, || fs::remove_file(&path).unwrap()).to_string();
    let expected = format!(
        "{RECORDS} records are not written, and those of them that came from a removed ring are lost with it"
    );
    assert!(error.ends_with(&expected), "{error}");
    assert!(has_each_once(&scene.lines("file.log")), "{} lines", scene.lines("file.log").len());
    // What the file has is not counted as left in the ring that takes the place.
    let ring = Ring::options().size("1MiB").create(path.to_str().unwrap()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    scene.log(0, "x", Level::INFO, "after");
    let mut consumer = ring.consumer().unwrap();
    let entry = consumer.next(std::time::Duration::from_secs(5)).unwrap().map(|entry| entry.message());
    assert_eq!(entry.as_deref(), Some("after"));
    assert_eq!(ring.observe().unwrap().stat().unwrap().dropped, 0);
}
