//! The writer and its files: rotation, retention, compression, and changes made by other processes.

use std::fs;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use ringlog::Level;
use ringlog_writer::rotation::Rotation;
use ringlog_writer::{Fsync, Out, Signals, run_with};

use crate::common::{EventLog, SOON, eventually};
use crate::scene::Scene;

fn numbered(size: u64) -> Rotation {
    Rotation { size: Some(size), naming: "number".parse().unwrap(), ..Rotation::default() }
}

#[test]
fn a_file_is_closed_before_the_line_that_would_overfill_it() {
    let mut scratch = Scene::new(numbered(101));
    scratch.log(35);
    let summary = scratch.drain();
    assert_eq!((summary.records, summary.bytes), (35, 350));
    assert_eq!(scratch.names(), ["app.000001.log", "app.000002.log", "app.000003.log", "app.log"]);
    assert_eq!(scratch.numbers(&["app.000002.log"]), (10..20).collect::<Vec<_>>());
    // The next writer goes on in the file and with the numbers.
    scratch.log(10);
    scratch.drain();
    let names = ["app.000001.log", "app.000002.log", "app.000003.log", "app.000004.log", "app.log"];
    assert_eq!(scratch.names(), names);
    assert_eq!(scratch.numbers(&names), (0..45).collect::<Vec<_>>());
}

#[test]
fn numbers_of_closed_files_grow_though_files_are_deleted() {
    let mut scratch = Scene::new(numbered(21));
    scratch.log(4);
    scratch.drain();
    fs::remove_file(scratch.path("app.000001.log")).unwrap();
    scratch.log(2);
    scratch.drain();
    assert_eq!(scratch.names(), ["app.000002.log", "app.log"]);
}

#[test]
fn kept_files_survive_restarts_and_are_compressed() {
    let mut scratch = Scene::new(Rotation {
        keep: "3".parse().unwrap(),
        compression: Some("gzip".parse().unwrap()),
        ..numbered(101)
    });
    for _ in 0..3 {
        scratch.log(20);
        scratch.drain();
    }
    // The next writer compresses the files that the earlier ones did not.
    let mut options = scratch.options();
    options.until_idle = true;
    scratch.beside_a_writer(&options, |scratch, _| {
        let all = ["app.000003.log.gz", "app.000004.log.gz", "app.000005.log.gz", "app.log"];
        eventually("all closed files are compressed", || scratch.names() == all);
    });
    let names = ["app.000003.log.gz", "app.000004.log.gz", "app.000005.log.gz", "app.log"];
    assert_eq!(scratch.numbers(&names), (20..60).collect::<Vec<_>>());
}

#[test]
fn a_closed_file_is_compressed_while_the_writer_goes_on() {
    let compression = Some("gzip".parse().unwrap());
    let mut scratch = Scene::new(Rotation { compression, ..numbered(101) });
    let options = scratch.options();
    scratch.beside_a_writer(&options, |scratch, _| {
        scratch.log(11);
        eventually("it is compressed", || scratch.names() == ["app.000001.log.gz", "app.log"]);
        scratch.log(1);
    });
    assert_eq!(scratch.numbers(&["app.000001.log.gz", "app.log"]), (0..12).collect::<Vec<_>>());
}

#[test]
fn files_shift_as_pythons_do() {
    let mut scratch = Scene::new(Rotation {
        naming: "python".parse().unwrap(),
        keep: "2".parse().unwrap(),
        ..numbered(101)
    });
    scratch.log(40);
    scratch.drain();
    assert_eq!(scratch.names(), ["app.log", "app.log.1", "app.log.2"]);
    assert_eq!(scratch.numbers(&["app.log.2", "app.log.1", "app.log"]), (10..40).collect::<Vec<_>>());
}

#[test]
fn an_empty_file_is_closed_by_nothing() {
    for naming in ["python", "time", "number"] {
        let rotation = |size, every: Option<&str>| Rotation {
            on_start: true,
            every: every.map(|every| every.parse().unwrap()),
            size,
            naming: naming.parse().unwrap(),
            keep: "3".parse().unwrap(),
            ..Rotation::default()
        };
        // On the first start, by time and on request.
        let mut scratch = Scene::new(rotation(None, Some("1s")));
        let options = scratch.options();
        scratch.beside_a_writer(&options, |scratch, signals| {
            scratch.log(1);
            scratch.flush();
            signals.rotate.store(true, Ordering::Relaxed);
            eventually("the first file is closed", || scratch.names().len() == 2);
            signals.rotate.store(true, Ordering::Relaxed);
            eventually("the signal is seen", || !signals.rotate.load(Ordering::Relaxed));
        });
        assert_eq!(scratch.names().len(), 2, "{naming}: {:?}", scratch.names());
        // By records larger than the size.
        let mut scratch = Scene::new(rotation(Some(5), None));
        scratch.log(4);
        scratch.drain();
        let names = scratch.names();
        assert_eq!(names.len(), 4, "{naming}: {names:?}");
        assert!(names.iter().all(|name| fs::metadata(scratch.path(name)).unwrap().len() > 0));
    }
}

#[test]
fn closing_a_file_acknowledges_it_though_records_follow() {
    let keep = "3".parse().unwrap();
    let mut scratch = Scene::new(Rotation { naming: "python".parse().unwrap(), keep, ..numbered(101) });
    fs::create_dir(scratch.path("app.log.3")).unwrap();
    scratch.log(100);
    let options = scratch.options();
    scratch.beside_a_writer(&options, |scratch, _| {
        eventually("a file is in the way", || {
            scratch.messages().iter().any(|said| said.contains("in the way"))
        });
        // Two files are closed, and a batch is no larger than a file: the third has the end of the second batch.
        assert_eq!(scratch.ring.observe().unwrap().stat().unwrap().persisted, 22);
        fs::remove_dir(scratch.path("app.log.3")).unwrap();
        scratch.flush();
    });
}

#[test]
fn a_file_is_closed_on_start_on_a_signal_and_on_request() {
    let mut scratch = Scene::new(Rotation { on_start: true, ..numbered(u64::MAX) });
    scratch.log(1);
    scratch.drain();
    let options = scratch.options();
    scratch.beside_a_writer(&options, |scratch, signals| {
        scratch.log(1);
        scratch.flush();
        assert_eq!(scratch.names(), ["app.000001.log", "app.log"]);
        signals.rotate.store(true, Ordering::Relaxed);
        eventually("the signal is obeyed", || scratch.names().len() == 3);
        scratch.log(1);
        scratch.flush();
        let request =
            ringlog::admin::request(scratch.ring.path().to_str().unwrap(), ringlog::admin::Request::Rotate)
                .unwrap();
        let stat = || scratch.ring.observe().unwrap().stat().unwrap();
        eventually("the request is answered", || stat().rotations == request);
        assert_eq!(scratch.names().len(), 4);
        // An empty file is not closed, and the request is answered all the same.
        let request =
            ringlog::admin::request(scratch.ring.path().to_str().unwrap(), ringlog::admin::Request::Rotate)
                .unwrap();
        eventually("the request is answered", || stat().rotations == request);
        scratch.log(1);
    });
    let names = ["app.000001.log", "app.000002.log", "app.000003.log", "app.log"];
    assert_eq!(scratch.names(), names);
    assert_eq!(scratch.numbers(&names), [0, 1, 2, 3]);
}

#[test]
fn a_file_is_closed_when_its_time_is_over() {
    let mut scratch = Scene::new(Rotation { every: Some("1s".parse().unwrap()), ..numbered(u64::MAX) });
    let options = scratch.options();
    let begun = Instant::now();
    scratch.beside_a_writer(&options, |scratch, _| {
        while scratch.names().len() < 3 {
            scratch.log(1);
            scratch.flush();
            assert!(begun.elapsed() < SOON, "a new file each second");
            thread::sleep(Duration::from_millis(20));
        }
    });
    let names = scratch.names();
    assert!(names.len() as u64 <= begun.elapsed().as_secs() + 2, "one file each second, not more: {names:?}");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(scratch.numbers(&names), (0..scratch.next).collect::<Vec<_>>());
}

#[test]
fn a_renamed_file_is_noticed_without_a_signal() {
    let mut scratch = Scene::new(Rotation::default());
    let options = scratch.options();
    scratch.beside_a_writer(&options, |scratch, _| {
        scratch.log(5);
        scratch.flush();
        fs::rename(scratch.path("app.log"), scratch.path("moved")).unwrap();
        eventually("a new file is there", || scratch.path("app.log").exists());
        scratch.log(5);
    });
    assert_eq!((scratch.numbers(&["moved"]).len(), scratch.numbers(&["app.log"]).len()), (5, 5));
    assert_eq!(scratch.messages(), [""; 0]);
}

#[test]
fn records_wait_in_the_ring_while_the_directory_is_missing() {
    let mut scratch = Scene::new(Rotation::default());
    let (mut options, logs) = (scratch.options(), scratch.path("logs"));
    fs::create_dir(&logs).unwrap();
    options.out = Out::file(logs.join("app.log"));
    scratch.beside_a_writer(&options, |scratch, _| {
        scratch.log(5);
        scratch.flush();
        fs::remove_dir_all(&logs).unwrap();
        scratch.log(5);
        eventually("the writer says that it cannot write", || !scratch.messages().is_empty());
        fs::create_dir(&logs).unwrap();
        scratch.flush();
        assert!(logs.join("app.log.checkpoint").exists(), "what is acknowledged counts after a kill too");
    });
    assert_eq!(scratch.numbers(&["logs/app.log"]), (5..10).collect::<Vec<_>>());
    let (out, logs) = (logs.join("app.log").display().to_string(), logs.display());
    let why = format!(
        "cannot open {out} for writing: there is no directory {logs}; make it with `mkdir -p {logs}`"
    );
    let waiting = format!("cannot write to {out}: {why}; trying again, records wait in the ring");
    assert_eq!(scratch.messages(), [waiting, format!("writing to {out} again; no record was lost")]);
}

#[test]
fn a_directory_that_was_moved_away_is_reported_once() {
    let mut scratch = Scene::new(Rotation::default());
    let (mut options, logs, moved) = (scratch.options(), scratch.path("logs"), scratch.path("moved"));
    fs::create_dir(&logs).unwrap();
    options.out = Out::file(logs.join("app.log"));
    scratch.beside_a_writer(&options, |scratch, _| {
        scratch.log(5);
        scratch.flush();
        fs::rename(&logs, &moved).unwrap();
        eventually("the writer has noticed the missing directory", || !scratch.messages().is_empty());
        let begun = Instant::now();
        // The writer checks its file every quarter of a second.
        eventually("the writer has checked again", || {
            scratch.log(1);
            scratch.flush();
            begun.elapsed() > Duration::from_secs(1)
        });
    });
    let said = scratch.messages();
    assert!(said.len() == 1 && said[0].ends_with("; going on with the file that is open"), "{said:?}");
    assert_eq!(scratch.numbers(&["moved/app.log"]), (0..scratch.next).collect::<Vec<_>>());
}

#[test]
fn a_file_truncated_by_others_is_continued_and_reported_once() {
    let mut scratch = Scene::new(Rotation::default());
    let options = scratch.options();
    scratch.beside_a_writer(&options, |scratch, _| {
        for _ in 0..3 {
            scratch.log(5);
            scratch.flush();
            // As logrotate's copytruncate does.
            fs::OpenOptions::new().write(true).open(scratch.path("app.log")).unwrap().set_len(0).unwrap();
        }
        scratch.log(5);
    });
    assert_eq!(scratch.numbers(&["app.log"]), (15..20).collect::<Vec<_>>());
    let (said, path) = (scratch.messages(), scratch.path("app.log").display().to_string());
    let expected = format!("{path}: another process has cut it: 0 bytes, expected 50; appending at its end");
    assert_eq!(said, [expected]);
}

#[test]
fn a_checkpoint_is_left_only_where_it_is_still_needed() {
    let mut scratch = Scene::new(Rotation::default());
    scratch.log(1);
    scratch.drain();
    assert!(!scratch.path("app.log.checkpoint").exists(), "the ring itself holds the acknowledged position");
    let mut options = scratch.options();
    options.out.as_file_mut().unwrap().fsync = Fsync::Batch;
    scratch.beside_a_writer(&options, |scratch, _| {
        scratch.log(1);
        scratch.flush();
    });
    assert!(scratch.path("app.log.checkpoint").exists(), "after a power cut the ring's position may be lost");
}

#[test]
fn an_output_that_is_a_link_is_rotated_where_its_file_is() {
    let mut scratch = Scene::new(numbered(21));
    fs::create_dir(scratch.path("real")).unwrap();
    fs::write(scratch.path("real/data.log"), "").unwrap();
    std::os::unix::fs::symlink(scratch.path("real/data.log"), scratch.path("app.log")).unwrap();
    scratch.log(4);
    scratch.drain();
    assert!(scratch.path("app.log").is_symlink());
    assert_eq!(scratch.numbers(&["real/data.000001.log", "app.log"]), [0, 1, 2, 3]);
}

#[test]
fn a_checkpoint_that_was_deleted_is_made_anew() {
    let mut scratch = Scene::new(Rotation::default());
    let options = scratch.options();
    scratch.beside_a_writer(&options, |scratch, _| {
        scratch.log(1);
        scratch.flush();
        fs::remove_file(scratch.path("app.log.checkpoint")).unwrap();
        eventually("it is there again", || scratch.path("app.log.checkpoint").exists());
        scratch.log(1);
    });
    assert_eq!(scratch.numbers(&["app.log"]), [0, 1]);
    assert_eq!(scratch.messages(), [""; 0]);
}

#[test]
fn a_file_has_one_writer_by_whatever_name() {
    let (mut one, other) = (Scene::new(Rotation::default()), Scene::new(Rotation::default()));
    let options = one.options();
    one.beside_a_writer(&options, |one, _| {
        one.log(1);
        one.flush();
        fs::hard_link(one.path("app.log"), other.path("app.log")).unwrap();
        let error = run_with(&other.options(), &Signals::default(), &mut EventLog::default()).unwrap_err();
        let path = other.path("app.log").display().to_string();
        let why = "another writer is writing to it, under this name or another one";
        assert_eq!(error.to_string(), format!("cannot open {path} for writing: {why}"));
    });
}

#[test]
fn an_older_copy_of_a_ring_is_reported_and_written() {
    let mut scratch = Scene::new(numbered(1 << 20));
    scratch.log(3);
    scratch.drain();
    let older = fs::read(scratch.ring.path()).unwrap();
    scratch.log(3);
    scratch.drain();
    assert_eq!(scratch.messages(), [""; 0]);
    // Not cut in between, because it is mapped.
    fs::File::options().write(true).open(scratch.ring.path()).unwrap().write_all(&older).unwrap();
    // By another thread, so that it gets a lane anew. Its numbers are those of records that were written.
    thread::scope(|scope| {
        let log = || scratch.ring.logger().text(Level::INFO, "test", "000000007").unwrap();
        scope.spawn(log).join().unwrap();
    });
    scratch.drain();
    assert_eq!(scratch.numbers(&["app.log"]), [0, 1, 2, 3, 4, 5, 7]);
    let said = scratch.messages().concat();
    assert!(said.contains(" is older than the checkpoint: it was replaced by a copy."), "{said}");
}

#[test]
fn an_older_copy_of_a_file_and_its_checkpoint_is_reported_once() {
    let mut scratch = Scene::new(numbered(1 << 20));
    scratch.log(3);
    scratch.drain();
    let files = ["app.log", "app.log.checkpoint"].map(|name| scratch.path(name));
    let older = files.each_ref().map(|path| fs::read(path).unwrap());
    scratch.log(4);
    scratch.drain();
    for (path, bytes) in files.iter().zip(&older) {
        // As by a backup: another file.
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(scratch.messages(), [""; 0]);
    scratch.drain();
    let said = scratch.messages();
    let (path, ring) = (scratch.path("app.log"), scratch.ring.path());
    let expected = format!(
        "{}: at least 4 records that the ring {} has given back are not in it: it and its checkpoint were replaced by \
         older copies, or other outputs were written without it. What is left in the ring is written",
        path.display(),
        ring.display()
    );
    assert_eq!(said, [expected]);
    // Nothing has come since.
    scratch.drain();
    scratch.log(2);
    scratch.drain();
    assert_eq!((scratch.numbers(&["app.log"]), scratch.messages()), (vec![0, 1, 2, 7, 8], said));
}

#[test]
fn a_file_that_gets_some_records_is_not_called_an_older_copy() {
    let config = r#"
[handlers.all]
kind = "file"
path = "DIR/all.log"
[handlers.errors]
kind = "file"
path = "DIR/errors.log"
level = "ERROR"
rotate = { size = "1MiB", naming = "number" }
[root]
handlers = ["all", "errors"]
"#;
    let scene = crate::configured::Scene::new(config);
    scene.log(0, "x", Level::ERROR, "one");
    assert_eq!(scene.drain().unwrap().1, [""; 0]);
    for _ in 0..3 {
        scene.log(0, "x", Level::INFO, "two");
        assert_eq!(scene.drain().unwrap().1, [""; 0]);
    }
    assert_eq!((scene.lines("all.log").len(), scene.lines("errors.log").len()), (4, 1));
}
