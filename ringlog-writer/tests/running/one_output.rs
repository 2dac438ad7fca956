//! The writer on real rings: every record is written once, whatever the output does.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ringlog::{Level, Logger, Overflow, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::config::Formatter;
use ringlog_writer::{Error, Existing, Options, Out, Signals, Summary, run, run_with};

use crate::common::{EventLog, SOON, eventually};

/// A ring and an output in a temporary directory.
struct Scene {
    dir: Scratch,
    ring: Ring,
}

impl Scene {
    fn new() -> Scene {
        Self::with(Ring::options().size("1MiB"))
    }

    fn with(options: ringlog::Options) -> Scene {
        let dir = Scratch::new();
        let ring = options.create(&dir.text("app")).unwrap();
        Scene { dir, ring }
    }

    fn out(&self) -> PathBuf {
        self.dir.file("app.log")
    }

    fn options(&self, format: Formatter) -> Options {
        let mut options = Options::new(self.ring.path().to_str().unwrap());
        options.out = Out::file(self.out());
        options.formatter = format;
        options
    }

    fn written(&self) -> String {
        fs::read_to_string(self.out()).unwrap_or_default()
    }

    /// Writes everything that is in the ring.
    fn drain(&self, options: &Options) -> Result<Summary, Error> {
        run(options, &AtomicBool::new(true))
    }

    fn persisted(&self) -> u64 {
        self.ring.observe().unwrap().stat().unwrap().persisted
    }
}

fn say(log: &Logger, messages: &[&str]) {
    messages.iter().for_each(|message| log.text(Level::INFO, "test", message).unwrap());
}

/// A writer in a thread of its own.
struct Running {
    events: EventLog,
    signals: Signals,
    thread: thread::JoinHandle<Result<Summary, Error>>,
}

impl Running {
    fn start(options: &Options) -> Running {
        let (events, signals, options) = (EventLog::default(), Signals::default(), options.clone());
        let thread = {
            let (mut events, signals) = (events.clone(), signals.clone());
            thread::spawn(move || run_with(&options, &signals, &mut events))
        };
        let running = Running { events, signals, thread };
        eventually("the writer holds the ring", || running.events.is_ready());
        running
    }

    fn stop(self) -> Result<Summary, Error> {
        self.signals.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

#[test]
fn everything_published_before_the_stop_is_written() {
    let at = Scene::new();
    say(&at.ring.logger(), &["one", "two"]);
    let summary = at.drain(&at.options(Formatter::Raw)).unwrap();
    assert_eq!(summary, Summary { records: 2, bytes: 8, ..Summary::default() });
    assert_eq!(at.written(), "one\ntwo\n");
    assert_eq!(at.persisted(), 2);
    // Nothing is written twice.
    assert_eq!(at.drain(&at.options(Formatter::Raw)).unwrap().records, 0);
    assert_eq!(at.written(), "one\ntwo\n");
}

#[test]
fn lines_look_as_the_format_says() {
    let at = Scene::new();
    say(&at.ring.logger(), &["91%"]);
    at.drain(&at.options(Formatter::default())).unwrap();
    let line = at.written();
    assert!(line.starts_with("20") && line.contains("Z INFO  test["), "{line}");
    assert!(line.contains("/one_output::lin") && line.ends_with("] 91%\n"), "{line}");

    say(&at.ring.logger(), &["92%"]);
    let mut options = at.options(Formatter::Json);
    options.out.as_file_mut().unwrap().existing = Existing::Truncate;
    at.drain(&options).unwrap();
    let line: serde_json::Value = serde_json::from_str(&at.written()).unwrap();
    assert_eq!((&line["ring"], &line["message"]), (&"app".into(), &"92%".into()));
    assert_eq!((&line["sequence"], &line["pid"]), (&1.into(), &std::process::id().into()));
}

#[test]
fn a_lone_record_is_not_held_back() {
    let at = Scene::new();
    let log = at.ring.logger();
    let writer = Running::start(&at.options(Formatter::Raw));
    for message in ["first", "second"] {
        say(&log, &[message]);
        log.flush(SOON).unwrap();
        assert!(at.written().ends_with(&format!("{message}\n")));
    }
    assert_eq!(writer.stop().unwrap().records, 2);
}

#[test]
fn a_writer_ends_when_asked_through_the_ring() {
    let at = Scene::new();
    let writer = Running::start(&at.options(Formatter::Raw));
    say(&at.ring.logger(), &["last words"]);
    ringlog::admin::request(at.ring.path().to_str().unwrap(), ringlog::admin::Request::Stop).unwrap();
    assert_eq!(writer.thread.join().unwrap().unwrap().records, 1);
    assert_eq!(at.written(), "last words\n");
}

#[test]
fn a_writer_ends_although_a_producer_goes_on_logging() {
    let at = Scene::with(Ring::options().size("1MiB").overflow(Overflow::Block(Duration::from_millis(100))));
    let writer = Running::start(&at.options(Formatter::Raw));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let log = at.ring.logger();
            while !done.load(Ordering::Relaxed) {
                let _ = log.text(Level::INFO, "", "more and more");
            }
        });
        eventually("something is written", || !at.written().is_empty());
        assert!(writer.stop().unwrap().records > 0);
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn until_idle_waits_for_the_first_and_ends_after_the_last() {
    let at = Scene::new();
    let mut options = at.options(Formatter::Raw);
    options.until_idle = true;
    let writer = Running::start(&options);
    thread::sleep(Duration::from_millis(100));
    assert!(!writer.thread.is_finished());
    for _ in 0..3 {
        thread::scope(|scope| {
            scope.spawn(|| {
                let log = at.ring.logger();
                for _ in 0..10 {
                    say(&log, &["x"]);
                    thread::sleep(Duration::from_millis(5));
                }
            });
        });
    }
    // The process's own lane is closed with the last handle.
    let Scene { dir, ring } = at;
    drop(ring);
    let summary = writer.thread.join().unwrap().unwrap();
    assert_eq!(summary.records, 30);
    assert_eq!(fs::read_to_string(dir.file("app.log")).unwrap(), "x\n".repeat(30));
}

/// Ends a writer that removes its ring, which is held if `is_held`. Returns whether the ring is there still.
fn stays_after_the_writer(is_held: bool) -> bool {
    let at = Scene::new();
    let mut options = at.options(Formatter::Raw);
    (options.until_idle, options.general.remove_rings) = (true, true);
    let writer = Running::start(&options);
    let hold = is_held.then(|| at.ring.hold().unwrap().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| say(&at.ring.logger(), &["x"]));
    });
    let Scene { dir, ring } = at;
    let path = ring.path().to_owned();
    drop(ring);
    assert_eq!(writer.thread.join().unwrap().unwrap().records, 1);
    assert_eq!(fs::read_to_string(dir.file("app.log")).unwrap(), "x\n");
    drop(hold);
    path.exists()
}

#[test]
fn a_writer_removes_its_ring_unless_somebody_holds_it() {
    assert!(stays_after_the_writer(true));
    assert!(!stays_after_the_writer(false));
}

#[test]
fn an_abandoned_writer_ends_when_idle() {
    let at = Scene::new();
    let writer = Running::start(&at.options(Formatter::Raw));
    thread::sleep(Duration::from_millis(50));
    assert!(!writer.thread.is_finished());
    writer.events.abandoned.store(true, Ordering::SeqCst);
    assert_eq!(writer.thread.join().unwrap().unwrap(), Summary::default());
}

/// Logs while a writer runs whose output's directory is gone. `end` makes it one that ends without processes.
fn without_directory(end: impl FnOnce(&mut Options), abandoned: bool) {
    let at = Scene::new();
    let directory = at.dir.file("logs");
    fs::create_dir(&directory).unwrap();
    let mut options = at.options(Formatter::Raw);
    options.out = Out::file(directory.join("app.log"));
    options.general.stop_timeout = Duration::from_millis(20);
    end(&mut options);
    let writer = Running::start(&options);
    say(&at.ring.logger(), &["written"]);
    at.ring.logger().flush(SOON).unwrap();
    fs::remove_dir_all(&directory).unwrap();
    say(&at.ring.logger(), &["left", "left too"]);
    writer.events.abandoned.store(abandoned, Ordering::SeqCst);
    let observer = at.ring.observe().unwrap();
    let is_failing = || writer.events.messages().iter().any(|message| message.contains("app.log"));
    eventually("the output fails", is_failing);
    // A process that has a lane open is waited for, however long: many times the bound.
    thread::sleep(Duration::from_millis(500));
    assert!(!writer.thread.is_finished());
    let Scene { dir, ring } = at;
    drop(ring);
    eventually("the writer ends", || writer.thread.is_finished());
    let error = writer.thread.join().unwrap().unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("2 records"), "{error}");
    // The next writer has them.
    assert_eq!(observer.stat().unwrap().lag(), 2);
    fs::create_dir(&directory).unwrap();
    run(&options, &AtomicBool::new(true)).unwrap();
    assert_eq!(fs::read_to_string(directory.join("app.log")).unwrap(), "left\nleft too\n");
    drop(dir);
}

#[test]
fn an_abandoned_writer_ends_where_its_output_only_fails() {
    without_directory(|_| (), true);
}

#[test]
fn until_idle_ends_where_its_output_only_fails() {
    without_directory(|options| options.until_idle = true, false);
}

#[test]
fn a_second_writer_is_refused_and_touches_nothing() {
    let at = Scene::new();
    say(&at.ring.logger(), &["kept"]);
    let writer = Running::start(&at.options(Formatter::Raw));
    at.ring.logger().flush(SOON).unwrap();
    let mut options = at.options(Formatter::Raw);
    options.out.as_file_mut().unwrap().existing = Existing::Truncate;
    let error = at.drain(&options).unwrap_err();
    let pid = std::process::id();
    let expected = format!(
        "(pid {pid}) already; a ring has one consumer; `ringlog stop {}` asks it to end",
        at.ring.path().display()
    );
    assert!(error.to_string().ends_with(&expected), "{error}");
    assert_eq!((error.exit_code(), at.written().as_str()), (1, "kept\n"));
    writer.stop().unwrap();
}

#[test]
fn an_output_that_cannot_be_opened_costs_nothing() {
    let at = Scene::new();
    say(&at.ring.logger(), &["kept"]);
    let mut options = at.options(Formatter::Raw);
    let missing = at.dir.file("logs");
    options.out = Out::file(missing.join("app.log"));
    let error = at.drain(&options).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot open {0}/app.log for writing: there is no directory {0}; make it with `mkdir -p {0}`",
            missing.display()
        )
    );
    options.out = Out::file(at.ring.path().to_owned());
    let error = at.drain(&options).unwrap_err().to_string();
    assert!(error.ends_with("it is the ring; choose another file"), "{error}");
    assert_eq!((error_code(&at, &options), at.persisted()), (1, 0));
    at.drain(&at.options(Formatter::Raw)).unwrap();
    assert_eq!(at.written(), "kept\n");
}

fn error_code(at: &Scene, options: &Options) -> u8 {
    at.drain(options).unwrap_err().exit_code()
}

#[test]
fn no_such_ring_has_its_own_exit_code() {
    let at = Scene::new();
    let mut options = at.options(Formatter::Raw);
    options.ring = at.dir.text("ap");
    let error = at.drain(&options).unwrap_err();
    let expected = format!("no ring \"ap\" in {}; did you mean \"app\"?", at.dir.path().display());
    assert_eq!((error.to_string(), error.exit_code()), (expected, 4));
    assert!(!at.out().exists());
}

#[test]
fn a_full_disk_is_reported_once_and_nothing_acknowledged() {
    let at = Scene::new();
    let mut options = at.options(Formatter::Raw);
    options.out = Out::file("/dev/full");
    let writer = Running::start(&options);
    say(&at.ring.logger(), &["one", "two"]);
    let events = writer.events.clone();
    eventually("the writer reports the error", || !events.messages().is_empty());
    say(&at.ring.logger(), &["three"]);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(
        events.messages(),
        [
            "cannot write to /dev/full: No space left on device (os error 28); trying again, records wait in the ring"
        ]
    );
    let error = writer.stop().unwrap_err();
    assert!(matches!(error, Error::Write { records: 3, .. }), "{error}");
    assert_eq!((error.exit_code(), at.persisted()), (3, 0));
    at.drain(&at.options(Formatter::Raw)).unwrap();
    assert_eq!(at.written(), "one\ntwo\nthree\n");
}

#[test]
fn an_output_that_recovers_gets_every_byte_once() {
    // The link leads to a full device at first; reopening finds a file.
    let at = Scene::new();
    std::os::unix::fs::symlink("/dev/full", at.out()).unwrap();
    let writer = Running::start(&at.options(Formatter::Raw));
    say(&at.ring.logger(), &["one", "two"]);
    eventually("the writer reports the error", || !writer.events.messages().is_empty());
    fs::remove_file(at.out()).unwrap();
    writer.signals.reopen.store(true, Ordering::SeqCst);
    at.ring.logger().flush(SOON).unwrap();
    assert_eq!(at.written(), "one\ntwo\n");
    eventually("the writer reports that it writes again", || writer.events.messages().len() == 2);
    let expected = format!("writing to {} again; no record was lost", at.out().display());
    assert_eq!(writer.events.messages()[1], expected);
    writer.stop().unwrap();
}

#[test]
fn a_rotated_file_is_reopened_and_no_line_is_torn() {
    let at = Scene::new();
    let log = at.ring.logger();
    let moved = at.dir.file("app.log.1");
    let writer = Running::start(&at.options(Formatter::Raw));
    say(&log, &["before"]);
    log.flush(SOON).unwrap();
    fs::rename(at.out(), &moved).unwrap();
    writer.signals.reopen.store(true, Ordering::SeqCst);
    eventually("the file is opened anew", || at.out().exists());
    say(&log, &["after"]);
    log.flush(SOON).unwrap();
    writer.stop().unwrap();
    assert_eq!((fs::read_to_string(&moved).unwrap(), at.written()), ("before\n".into(), "after\n".into()));
}

#[test]
fn gaps_are_lines_in_text_and_messages_in_raw() {
    for format in [Formatter::default(), Formatter::Json, Formatter::Raw] {
        let at = Scene::with(Ring::options().size("64KiB").block_bytes(1024).lanes(2));
        let log = at.ring.logger();
        let sent = 5_000;
        let published = (0..sent).filter(|_| log.text(Level::INFO, "", "flood").is_ok()).count() as u64;
        log.text(Level::WARN, "", "urgent").unwrap();
        let writer = Running::start(&at.options(format.clone()));
        let events = writer.events.clone();
        let summary = writer.stop().unwrap();
        assert_eq!((summary.records, summary.missing), (published + 1, sent - published));
        assert!(summary.gaps > 0);
        let missing = format!("{} records dropped here: the ring was full", sent - published);
        let written = at.written();
        let lines: Vec<&str> = written.lines().collect();
        let [.., gap, urgent] = lines[..] else { panic!("{written}") };
        assert!(urgent.contains("urgent"), "{urgent}");
        if format == Formatter::Raw {
            assert_eq!((gap, lines.len() as u64), ("flood", summary.records));
            assert!(events.messages()[0].starts_with(&missing), "{:?}", events.messages());
        } else {
            assert!(gap.contains(&missing), "{gap}");
            assert_eq!((lines.len() as u64, events.messages().len()), (summary.records + summary.gaps, 0));
        }
    }
}

#[test]
fn many_times_the_rings_size_comes_out_whole_and_in_order() {
    let at = Scene::with(Ring::options().size("256KiB").overflow(Overflow::Block(SOON)));
    let writer = Running::start(&at.options(Formatter::Raw));
    const COUNT: usize = 100_000;
    thread::scope(|scope| {
        for producer in 0..2 {
            let log = at.ring.logger();
            scope.spawn(move || {
                (0..COUNT).for_each(|i| log.text(Level::INFO, "", format!("{producer} {i}")).unwrap());
                // Longer than a batch.
                log.text(Level::INFO, "", format!("{producer} {COUNT} {}", "-".repeat(60_000))).unwrap();
            });
        }
    });
    assert_eq!(writer.stop().unwrap().records as usize, 2 * (COUNT + 1));
    let mut next = [0, 0];
    for line in at.written().lines() {
        let mut words = line.split(' ').map(|word| word.parse::<usize>().unwrap_or(60_000 - word.len()));
        let (producer, number) = (words.next().unwrap(), words.next().unwrap());
        assert_eq!((number, words.next().unwrap_or(0)), (next[producer], 0));
        next[producer] += 1;
    }
    assert_eq!(next, [COUNT + 1; 2]);
}
