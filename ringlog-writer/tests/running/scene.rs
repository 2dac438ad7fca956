//! A ring, and a writer whose file is rotated.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::config::Formatter;
use ringlog_writer::rotation::Rotation;
use ringlog_writer::{Options, Out, Signals, Summary, run_with};

use crate::common::{EventLog, SOON};

pub(crate) struct Scene {
    pub(crate) dir: Scratch,
    pub(crate) ring: Ring,
    pub(crate) next: u64,
    pub(crate) rotation: Rotation,
    events: EventLog,
}

impl Scene {
    pub(crate) fn new(rotation: Rotation) -> Scene {
        let dir = Scratch::new();
        let ring = Ring::options().size("1MiB").create(&dir.text("ring")).unwrap();
        Scene { dir, ring, next: 0, rotation, events: EventLog::default() }
    }

    /// Logs this many numbered lines of ten bytes.
    pub(crate) fn log(&mut self, count: u64) {
        let log = self.ring.logger();
        for _ in 0..count {
            log.text(Level::INFO, "test", format!("{:09}", self.next)).unwrap();
            self.next += 1;
        }
    }

    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(self.ring.path().to_str().unwrap());
        options.out = Out::file(self.path("app.log"));
        options.formatter = Formatter::Raw;
        options.out.as_file_mut().unwrap().rotation = self.rotation.clone();
        options
    }

    /// Writes everything that is in the ring.
    pub(crate) fn drain(&self) -> Summary {
        let signals = Signals::default();
        signals.stop.store(true, Ordering::Relaxed);
        run_with(&self.options(), &signals, &mut self.events.clone()).unwrap()
    }

    /// Runs `act` while a writer runs, then stops the writer.
    pub(crate) fn beside_a_writer(&mut self, options: &Options, act: impl FnOnce(&mut Scene, &Signals)) {
        let (signals, mut events) = (Signals::default(), self.events.clone());
        thread::scope(|scope| {
            let writer = scope.spawn(|| run_with(options, &signals, &mut events));
            let guard = StopAtEnd(&signals.stop);
            act(self, &signals);
            drop(guard);
            writer.join().unwrap().unwrap();
        });
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.file(name)
    }

    pub(crate) fn flush(&self) {
        self.ring.logger().flush(SOON).unwrap();
    }

    /// The output's files, but not the checkpoint, in the order of their names.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> =
            names.filter(|name| !is_of_the_ring(name) && !name.ends_with(".checkpoint")).collect();
        names.sort();
        names
    }

    /// The numbers in these files, one file after the other.
    pub(crate) fn numbers(&self, names: &[&str]) -> Vec<u64> {
        names.iter().flat_map(|name| numbers_of(&self.path(name))).collect()
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.events.messages()
    }
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The numbers in a file of whole lines of ten bytes.
fn numbers_of(path: &Path) -> Vec<u64> {
    let mut text = String::new();
    let file = fs::File::open(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        (&file).read_to_string(&mut text).unwrap();
    }
    assert_eq!(text.len() % 10, 0, "{}: no line is torn", path.display());
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// Whether it is the ring's file or its lock file.
fn is_of_the_ring(name: &str) -> bool {
    name == "ring" || name.starts_with(".ringlog-")
}
