//! One handler whose output is slow or has no reader: the other handlers do not wait, and the records that its output
//! lacks are reported.

use std::fs;
use std::io::Read;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use ringlog::{Level, Ring};
use ringlog_writer::Error;
use ringlog_writer::status::WriterStatus;

use crate::common::{EventLog, SOON, eventually};
use crate::configured::Scene;

/// One handler's output is a pipe that is not read for a while.
pub(crate) const ONE_IS_SLOW: &str = r#"
[formatters.short]
format = "%(message)s"
[handlers.slow]
kind = "file"
path = "DIR/slow"
formatter = "short"
[handlers.file]
kind = "file"
path = "DIR/file.log"
formatter = "short"
[root]
handlers = ["slow", "file"]
"#;

/// Makes the pipe and opens it for reading.
fn pipe(scratch: &Scene) -> fs::File {
    let path = scratch.path("slow");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // Opening it for writing as well does not wait for another process.
    fs::File::options().read(true).write(true).open(path).unwrap()
}

/// Reads the pipe until the writer has ended.
fn read_on(mut pipe: fs::File) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let (mut text, mut bytes) = (String::new(), [0; 64 << 10]);
        // This file is open for writing too, so a read never reaches an end of file.
        while !text.ends_with("end\n") {
            let read = pipe.read(&mut bytes).unwrap();
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        text
    })
}

#[test]
fn a_slow_handler_delays_no_other_and_reports_its_gaps() {
    let scratch = Scene::with(1, || Ring::options().size("256KiB"), ONE_IS_SLOW);
    let pipe = pipe(&scratch);
    let logger = scratch.rings[0].logger();
    let text = "x".repeat(1000);
    let mut reader = None;
    let (mut sent, mut refused) = (0, 0);
    scratch
        .beside_a_writer(|_, events| {
            // Ten times what the ring holds: records are dropped if the other handlers wait too.
            let begun = Instant::now();
            while sent < 2500 {
                assert!(begun.elapsed() < 3 * SOON, "{sent} sent, {refused} refused: the others wait");
                match logger.text(Level::INFO, "x", format!("{sent} {text}")) {
                    Ok(()) => sent += 1,
                    Err(_) => {
                        refused += 1;
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            }
            eventually("the file has all", || scratch.lines("file.log").len() >= sent);
            assert!(
                events
                    .messages()
                    .iter()
                    .any(|said| said.contains("does not keep up: the other handlers go on")),
                "{:?}",
                events.messages()
            );
            reader = Some(read_on(pipe));
            eventually("it keeps up again", || {
                events.messages().iter().any(|said| said.contains("keeps up again"))
            });
            logger.text(Level::INFO, "x", "end").unwrap();
        })
        .unwrap();
    let number = |line: &str| line.split(' ').next().unwrap().parse::<usize>().ok();
    // Drops are reported among the lines, and every accepted record is in the file.
    let file: Vec<usize> = scratch
        .lines("file.log")
        .iter()
        .filter(|line| line.len() > 900)
        .filter_map(|line| number(line))
        .collect();
    assert_eq!(file, (0..sent).collect::<Vec<_>>());
    let slow = reader.unwrap().join().unwrap();
    let had: Vec<usize> = slow.lines().filter(|line| line.len() > 900).filter_map(number).collect();
    let gap = slow.lines().position(|line| line.contains("left out here")).unwrap();
    let is_report = |line: &&str| line.contains("dropped here") || line.contains("left out here");
    let missing: usize = slow.lines().filter(is_report).filter_map(number).sum();
    assert_eq!(missing, sent - had.len() + refused, "{refused} were refused");
    assert_eq!(
        had[..gap.min(had.len())],
        (0..gap.min(had.len())).collect::<Vec<_>>(),
        "no record before the gap is missing"
    );
}

#[test]
fn where_producers_wait_for_room_a_slow_handler_gets_everything() {
    let options = || Ring::options().size("256KiB").overflow(ringlog::Overflow::Block(SOON));
    let scratch = Scene::with(1, options, ONE_IS_SLOW);
    let pipe = pipe(&scratch);
    let logger = scratch.rings[0].logger();
    let text = "x".repeat(1000);
    let mut slow = None;
    scratch
        .beside_a_writer(|_, events| {
            let reader = thread::spawn(move || {
                // Longer than the writer waits for an output if producers do not wait.
                thread::sleep(Duration::from_millis(1500));
                read_on(pipe).join().unwrap()
            });
            (0..2500).for_each(|n| logger.text(Level::INFO, "x", format!("{n} {text}")).unwrap());
            logger.text(Level::INFO, "x", "end").unwrap();
            slow = Some(reader.join().unwrap());
            assert_eq!(events.messages(), [""; 0]);
        })
        .unwrap();
    assert_eq!(slow.unwrap().lines().count(), 2501);
    assert_eq!(scratch.lines("file.log").len(), 2501);
}

/// Logs until the writer reports that a pipe has lost its reader.
fn log_until_the_reader_is_missed(scratch: &Scene, events: &EventLog) {
    eventually("the writer misses the reader", || {
        scratch.log(0, "x", Level::INFO, "on and on");
        events.messages().iter().any(|said| said.contains("has gone; going on without it"))
    });
}

#[test]
fn a_handler_without_a_reader_disturbs_no_other() {
    let scratch = Scene::new(ONE_IS_SLOW);
    let pipe = pipe(&scratch);
    scratch
        .beside_a_writer(|_, events| {
            drop(pipe);
            log_until_the_reader_is_missed(&scratch, events);
            let lines = scratch.lines("file.log").len();
            scratch.log(0, "x", Level::INFO, "the last");
            eventually("it is written", || scratch.lines("file.log").len() > lines);
            eventually("and acknowledged", || scratch.rings[0].observe().unwrap().stat().unwrap().lag() == 0);
        })
        .unwrap();
}

#[test]
fn an_unread_pipe_prevents_neither_stop_nor_reload() {
    let scratch = Scene::new(ONE_IS_SLOW);
    let pipe = pipe(&scratch);
    let text = "x".repeat(1000);
    let mut said = Vec::new();
    // Each time more than a pipe holds.
    let log = |from: usize| {
        (from..from + 150).for_each(|n| scratch.log(0, "x", Level::INFO, &format!("{n} {text}")))
    };
    let error = scratch
        .beside_a_writer(|_, events| {
            log(0);
            eventually("the file has all", || scratch.lines("file.log").len() == 150);
            scratch.reload(true);
            log(150);
            eventually("the file has all", || scratch.lines("file.log").len() == 300);
            said = events.messages();
        })
        .unwrap_err();
    drop(pipe);
    assert!(matches!(error, Error::LeftOut { records: 300, .. }) && error.exit_code() == 3, "{error}");
    let expected = "its reader takes nothing; its records wait in the ring";
    assert!(said.iter().any(|said| said.contains(expected)), "{said:?}");
    let numbers = |line: &String| line.split(' ').next().unwrap().parse::<usize>().unwrap();
    assert_eq!(
        scratch.lines("file.log").iter().map(numbers).collect::<Vec<_>>(),
        (0..300).collect::<Vec<_>>()
    );
}

#[test]
fn without_time_to_stop_a_pipe_gets_what_it_takes_at_once() {
    let config = format!("stop-timeout = \"0s\"\n{ONE_IS_SLOW}");
    let scratch = Scene::with(1, || Ring::options().size("1MiB"), "");
    let mut pipe = pipe(&scratch);
    scratch.configure(&config);
    let log = |count| (0..count).for_each(|n| scratch.log(0, "x", Level::INFO, &format!("{n:0999}")));
    // A pipe holds 64 KiB.
    log(60);
    scratch.drain().unwrap();
    let mut bytes = vec![0; 60_000];
    pipe.read_exact(&mut bytes).unwrap();
    log(150);
    let error = scratch.drain().unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("its reader takes nothing"), "{error}");
    pipe.read_exact(&mut bytes).unwrap();
    assert!(String::from_utf8(bytes).unwrap().starts_with(&format!("{:0999}\n", 0)));
    // The file is written to its end.
    assert_eq!(scratch.lines("file.log").len(), 210);
}

#[test]
fn a_reload_repeats_nothing_in_a_pipe_read_late() {
    let scratch = Scene::new(ONE_IS_SLOW);
    let observer = scratch.rings[0].observe().unwrap();
    let name = scratch.rings[0].path().to_str().unwrap().to_owned();
    let pipe = pipe(&scratch);
    let text = "x".repeat(1000);
    let mut slow = None;
    scratch
        .beside_a_writer(|_, _| {
            // More than a pipe holds.
            (0..150).for_each(|n| scratch.log(0, "x", Level::INFO, &format!("{n} {text}")));
            eventually("the file has all", || scratch.lines("file.log").len() == 150);
            let request = ringlog::admin::request(&name, ringlog::admin::Request::Reload).unwrap();
            // Late, but within the time that a reload waits for an output.
            thread::sleep(Duration::from_millis(500));
            slow = Some(read_on(pipe));
            eventually("the configuration is reloaded", || {
                observer.stat().unwrap().reloads == (request, true)
            });
            scratch.log(0, "x", Level::INFO, "end");
        })
        .unwrap();
    let slow = slow.unwrap().join().unwrap();
    let numbers: Vec<_> = slow.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let expected: Vec<_> = (0..150).map(|n| n.to_string()).chain(["end".to_owned()]).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn a_closed_pipe_prevents_no_rotation_of_others() {
    let config = ONE_IS_SLOW
        .replace("path = \"DIR/file.log\"", "path = \"DIR/file.log\"\nrotate = { naming = \"number\" }");
    let scratch = Scene::with(1, || Ring::options().size("1MiB"), "");
    let pipe = pipe(&scratch);
    scratch.configure(&config);
    let observer = scratch.rings[0].observe().unwrap();
    scratch
        .beside_a_writer(|_, events| {
            drop(pipe);
            log_until_the_reader_is_missed(&scratch, events);
            let request = ringlog::admin::request(
                scratch.rings[0].path().to_str().unwrap(),
                ringlog::admin::Request::Rotate,
            )
            .unwrap();
            eventually("it is rotated", || observer.stat().unwrap().rotations == request);
            assert!(scratch.path("file.000001.log").exists());
        })
        .unwrap();
}

#[test]
fn a_pipe_without_a_reader_yet_delays_no_other() {
    let scratch = Scene::new(ONE_IS_SLOW);
    drop(pipe(&scratch));
    let mut slow = String::new();
    scratch
        .beside_a_writer(|_, events| {
            scratch.log(0, "x", Level::INFO, "one");
            eventually("the file has it", || scratch.lines("file.log") == ["one"]);
            let said = |what: &str| events.messages().iter().any(|said| said.contains(what));
            eventually("it is reported", || said("this pipe has no reader yet"));
            // A reload opens the pipe anew.
            scratch.reload(true);
            let pipe = fs::File::options().read(true).write(true).open(scratch.path("slow")).unwrap();
            let reader = read_on(pipe);
            scratch.log(0, "x", Level::INFO, "end");
            slow = reader.join().unwrap();
        })
        .unwrap();
    assert_eq!(slow, "one\nend\n");
    assert_eq!(scratch.lines("file.log"), ["one", "end"]);
}

/// A scene in which the slow handler writes to a device that is always full.
fn with_a_full_disk() -> Scene {
    let config = ONE_IS_SLOW.replace("DIR/slow", "/dev/full");
    Scene::with(1, || Ring::options().size("256KiB"), &config)
}

/// Logs until the other handlers go on without the full output.
fn log_until_the_others_go_on(scratch: &Scene, events: &EventLog) {
    let (logger, text) = (scratch.rings[0].logger(), "x".repeat(1000));
    eventually("the other handlers go on", || {
        // A drop is counted and reported in the output, so the error needs no handling.
        let _ = logger.text(Level::INFO, "x", &text);
        events.messages().iter().any(|said| said.contains("does not keep up: the other handlers go on"))
    });
}

#[test]
fn the_final_error_names_an_output_that_fell_behind() {
    let scratch = with_a_full_disk();
    let ended = scratch.beside_a_writer(|_, events| log_until_the_others_go_on(&scratch, events));
    match ended {
        Err(Error::LeftOut { out, records }) => {
            assert!(out == "/dev/full" && records > 0, "{records} of {out}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reload_reports_what_an_abandoned_output_loses() {
    let scratch = with_a_full_disk();
    let error = scratch
        .beside_a_writer(|signals, events| {
            log_until_the_others_go_on(&scratch, events);
            scratch.configure(
                &ONE_IS_SLOW.replace(r#"["slow", "file"]"#, r#"["file"]"#).replace("DIR/slow", "DIR/s"),
            );
            signals.reopen.store(true, Ordering::Relaxed);
            eventually("the loss is reported", || {
                events.messages().iter().any(|said| {
                    said.starts_with("cannot write to /dev/full")
                        && said.contains("records that other handlers have written are missing there")
                })
            });
            let lines = scratch.lines("file.log").len();
            eventually("it goes on", || {
                scratch.log(0, "x", Level::INFO, "with the others");
                scratch.lines("file.log").len() > lines
            });
        })
        .unwrap_err();
    assert!(matches!(error, Error::LeftOut { .. }) && error.exit_code() == 3, "{error}");
}

/// The rings give its records out to the others only.
#[test]
fn a_reload_that_removes_a_failing_output_counts_what_it_lacks() {
    let scratch = with_a_full_disk();
    let log = |number: u32| scratch.log(0, "x", Level::INFO, &number.to_string());
    let error = scratch
        .beside_a_writer(|_, events| {
            let said = |what: &str| events.messages().iter().filter(|said| said.contains(what)).count();
            (0..10).for_each(log);
            eventually("the file has them", || scratch.lines("file.log").len() == 10);
            eventually("the other one fails", || said("cannot write to /dev/full") == 1);
            // One that cannot take effect removes nothing.
            let without = |file: &str| {
                let config =
                    ONE_IS_SLOW.replace(r#"["slow", "file"]"#, r#"["file"]"#).replace("DIR/slow", "DIR/s");
                config.replace("DIR/file.log", file)
            };
            fs::write(scratch.path("other.log.checkpoint"), "another program's").unwrap();
            scratch.configure(&without("DIR/other.log"));
            scratch.reload(false);
            assert_eq!(said("is not in the new configuration"), 0, "{:?}", events.messages());
            log(10);
            eventually("the file has it", || scratch.lines("file.log").len() == 11);
            scratch.configure(&without("DIR/file.log"));
            scratch.reload(true);
            let lacks = "is not in the new configuration, and up to 11 records are missing there";
            eventually("it is reported", || said(lacks) == 1);
            // Its count is there when it comes back.
            scratch.configure(&ONE_IS_SLOW.replace("DIR/slow", "/dev/full"));
            scratch.reload(true);
            let path = scratch.rings[0].observe().unwrap().status_path();
            eventually("the status has it", || {
                let status = WriterStatus::read(&path).unwrap();
                let outputs = status.map(|status| status.outputs).unwrap_or_default();
                outputs.iter().any(|output| output.out == "/dev/full" && output.left_out == 11)
            });
        })
        .unwrap_err();
    assert!(matches!(error, Error::LeftOut { records: 11, .. }) && error.exit_code() == 3, "{error}");
}

/// Otherwise the ring would forget what no output has.
#[test]
fn where_no_output_keeps_up_records_wait_in_the_ring() {
    let config = ONE_IS_SLOW.replace("path = \"DIR/file.log\"", "path = \"/dev/full\"");
    let scratch = Scene::with(1, || Ring::options().size("256KiB"), &config);
    let pipe = pipe(&scratch);
    let logger = scratch.rings[0].logger();
    let observer = scratch.rings[0].observe().unwrap();
    let begun = Instant::now();
    let error = scratch
        .beside_a_writer(|_, _| {
            // Longer than an output is waited for where others go on.
            while begun.elapsed() < Duration::from_millis(2_500) {
                let _ = logger.text(Level::INFO, "x", "x".repeat(1000));
                thread::sleep(Duration::from_millis(1));
            }
        })
        .unwrap_err();
    let stat = observer.stat().unwrap();
    // The pipe holds 64 KiB.
    assert!(stat.dropped > 0 && stat.published > 100 && stat.lag() + 100 > stat.published, "{stat:?}");
    assert_eq!(error.exit_code(), 3);
    drop(pipe);
    // The next writer gets all that the pipe has not.
    scratch.configure(&ONE_IS_SLOW.replace("handlers = [\"slow\", \"file\"]", "handlers = [\"file\"]"));
    scratch.drain().unwrap();
    let lines = scratch.lines("file.log").iter().filter(|line| line.len() == 1000).count() as u64;
    assert_eq!((lines, observer.stat().unwrap().lag()), (stat.lag(), 0));
}

#[test]
fn the_reader_of_a_pipe_sees_no_end_at_a_reload() {
    let scratch = Scene::new(ONE_IS_SLOW);
    let path = scratch.path("slow");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = thread::spawn(move || fs::read_to_string(path).unwrap());
    let log = |number: u32| scratch.log(0, "x", Level::INFO, &number.to_string());
    let mut has_lost_it = true;
    scratch
        .beside_a_writer(|_, events| {
            for number in 0..5 {
                log(number);
                eventually("the file has it", || scratch.lines("file.log").len() as u32 == number + 1);
                scratch.reload(true);
            }
            log(5);
            eventually("the file has all", || scratch.lines("file.log").len() == 6);
            has_lost_it = events.messages().iter().any(|said| said.contains("has gone"));
        })
        .unwrap();
    assert!(!has_lost_it);
    let expected: String = (0..6).map(|number| format!("{number}\n")).collect();
    assert_eq!(reader.join().unwrap(), expected, "up to the writer's end");
}
