//! A named pipe as output, which may have no reader: it holds up neither the start of the writer nor its end.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::config::Formatter;
use ringlog_writer::{Error, Options, Out, Signals, Summary, run_with};

use crate::common::{EventLog, eventually};

/// A ring, a pipe without a reader, and the options of a writer with that one output.
struct Scene {
    at: Scratch,
    ring: Ring,
    events: EventLog,
}

impl Scene {
    fn new() -> Scene {
        let at = Scratch::new();
        let ring = Ring::options().size("1MiB").create(&at.text("ring")).unwrap();
        nix::unistd::mkfifo(&at.file("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        Scene { at, ring, events: EventLog::default() }
    }

    fn path(&self) -> PathBuf {
        self.at.file("pipe")
    }

    fn log(&self, text: &str) {
        self.ring.logger().text(Level::INFO, "x", text).unwrap();
    }

    fn says(&self, text: &str) -> usize {
        self.events.messages().iter().filter(|message| message.contains(text)).count()
    }

    /// Logs more than a pipe holds, and returns the number of records.
    fn log_much(&self) -> u64 {
        (0..200).for_each(|number| self.log(&format!("{number:01000}")));
        200
    }

    fn unwritten(&self) -> u64 {
        self.ring.observe().unwrap().stat().unwrap().lag()
    }

    /// Runs `act` while a writer runs, then stops the writer, which has to end.
    fn beside_a_writer(&self, act: impl FnOnce()) -> Result<Summary, Error> {
        self.beside(|_| act())
    }

    /// The same, with the requests to the writer.
    fn beside(&self, act: impl FnOnce(&Signals)) -> Result<Summary, Error> {
        let (signals, mut events) = (Signals::default(), self.events.clone());
        let mut options = Options::new(self.ring.path().to_str().unwrap());
        (options.out, options.formatter) = (Out::file(self.path()), Formatter::Raw);
        let writer_signals = signals.clone();
        let writer = thread::spawn(move || run_with(&options, &writer_signals, &mut events));
        eventually("the writer begins", || self.events.is_ready());
        act(&signals);
        signals.stop.store(true, Ordering::SeqCst);
        eventually("the writer ends", || writer.is_finished());
        writer.join().unwrap()
    }
}

/// Reads this many bytes.
fn read(mut pipe: impl Read, bytes: usize) -> String {
    let mut text = vec![0; bytes];
    pipe.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_pipe_without_a_reader_holds_up_no_start_and_no_stop() {
    let at = Scene::new();
    assert_eq!(at.beside_a_writer(|| {}).unwrap().records, 0);
    assert_eq!(at.says("has no reader yet; start the program that reads it"), 1);
    at.log("one");
    let error = at
        .beside_a_writer(|| {
            eventually("the failure is reported", || at.says("cannot write to") == 1);
        })
        .unwrap_err()
        .to_string();
    let path = at.path();
    assert_eq!(
        error,
        format!(
            "cannot write to {}: this pipe has no reader yet; start the program that reads it; 1 record is not \
             written and stays in the ring for the next writer",
            path.display()
        )
    );
    let mut got = String::new();
    at.beside_a_writer(|| got = read(fs::File::open(at.path()).unwrap(), 4)).unwrap();
    assert_eq!(got, "one\n");
}

#[test]
fn a_pipe_is_opened_once_it_has_a_reader() {
    let at = Scene::new();
    at.beside_a_writer(|| {
        // A reader's `open` returns as soon as there is a writer, also without records.
        let pipe = fs::File::open(at.path()).unwrap();
        eventually("it is reported", || at.says("has a reader now") == 1);
        at.log("one");
        assert_eq!(read(&pipe, 4), "one\n");
    })
    .unwrap();
}

#[test]
fn a_pipe_that_lost_its_reader_is_opened_after_a_replacement() {
    let at = Scene::new();
    let path = at.ring.path().to_str().unwrap();
    let mut got = String::new();
    at.beside_a_writer(|| {
        drop(fs::File::open(at.path()).unwrap());
        fs::remove_file(path).unwrap();
        Ring::options().size("1MiB").create(path).unwrap();
        eventually("the pipe is opened again", || at.says("has no reader yet") == 2);
        at.log("one");
        got = read(fs::File::open(at.path()).unwrap(), 4);
    })
    .unwrap();
    assert_eq!(got, "one\n");
}

/// A pipe with a reader that takes nothing.
fn unread(at: &Scene) -> fs::File {
    // Opening it for writing as well does not wait for another process.
    fs::File::options().read(true).write(true).open(at.path()).unwrap()
}

/// The reader of another pipe that has come to the same path gets whole lines, also where the line before is torn.
#[test]
fn a_line_that_a_reopen_interrupts_is_whole_in_the_new_pipe() {
    let at = Scene::new();
    let (first, logged) = (unread(&at), at.log_much());
    let (mut got, mut before) = (String::new(), String::new());
    at.beside(|signals| {
        let is_full = || {
            let mut ends = [PollFd::new(first.as_fd(), PollFlags::POLLOUT)];
            poll(&mut ends, PollTimeout::ZERO).unwrap() == 0
        };
        eventually("the first pipe is full", is_full);
        fs::rename(at.path(), at.at.file("moved")).unwrap();
        nix::unistd::mkfifo(&at.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let next = unread(&at);
        signals.reopen.store(true, Ordering::SeqCst);
        let line = read(&next, 1001);
        let number: u64 = line.trim().parse().unwrap();
        assert_eq!(line, format!("{number:01000}\n"));
        got = line + &read(&next, 1001 * (logged - number - 1) as usize);
        before = read(&first, 1001 * number as usize);
    })
    .unwrap();
    let expected: String = (0..logged).map(|number| format!("{number:01000}\n")).collect();
    assert!(before + &got == expected, "each record is whole in one of the pipes");
}

#[test]
fn a_pipe_that_is_not_read_is_given_up_at_the_end() {
    let at = Scene::new();
    let pipe = unread(&at);
    let logged = at.log_much();
    let error = at.beside_a_writer(|| ()).unwrap_err();
    let path = at.path();
    let expected = format!(
        "cannot write to {}: its reader takes nothing; {logged} records are not written and stay in the ring for the \
         next writer",
        path.display()
    );
    assert_eq!((error.to_string(), error.exit_code()), (expected, 3));
    assert_eq!(at.unwritten(), logged);
    assert_eq!(at.says("they are in it a second time"), 1, "{:?}", at.events.messages());
    drop(pipe);
}

#[test]
fn a_slow_reader_gets_everything_before_the_end() {
    let at = Scene::new();
    let pipe = unread(&at);
    let logged = at.log_much();
    let reader = thread::spawn(move || read(pipe, 1001 * logged as usize));
    at.beside_a_writer(|| ()).unwrap();
    assert_eq!(reader.join().unwrap().lines().count() as u64, logged);
    assert_eq!(at.unwritten(), 0);
}

#[test]
fn a_second_request_ends_the_writer_at_once() {
    let at = Scene::new();
    let pipe = unread(&at);
    let logged = at.log_much();
    let error = at
        .beside(|signals| {
            signals.stop.store(true, Ordering::SeqCst);
            signals.now.store(true, Ordering::SeqCst);
        })
        .unwrap_err();
    // Not that it has waited for the pipe.
    assert!(matches!(error, Error::EndedAtOnce { records } if records == logged), "{error}");
    assert_eq!((error.exit_code(), at.unwritten()), (3, logged));
    drop(pipe);
}
