//! Killed and refused in the middle of rotations, the writer has every record in its files exactly once, and the
//! files have their names.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use ringlog_testkit::{Call, Ended, Extent, Fate, Kill, run_cases, run_deciding};
use ringlog_tests::{Lines, Writing};
use ringlog_writer::rotation::decompressed;

use crate::PRODUCER;

/// Runs a writer and does this at the call of this number.
fn run(writing: &Writing, number: usize, fate: Fate) -> Ended {
    let decide = |call: &Call| if call.number == number { fate } else { Fate::Done };
    run_deciding(&mut writing.writer(), &writing.dir(), decide)
}

/// The files without the checkpoint, in the order in which they were closed: numbered ones by their number, Python's
/// shifted ones the other way round, and the open one last.
fn files(writing: &Writing) -> Vec<String> {
    let mut names: Vec<_> =
        writing.files().into_iter().filter(|name| !name.ends_with(".checkpoint")).collect();
    names.sort_by_key(|name| {
        let slot = name.strip_prefix("app.log.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
        (name == "app.log", Reverse(slot), name.clone())
    });
    names
}

/// The lines of all files together.
fn lines(writing: &Writing) -> Lines {
    let mut bytes = Vec::new();
    for name in files(writing) {
        let file = File::open(writing.dir().join(&name)).unwrap();
        decompressed(file).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "a torn line in {name}");
    }
    Lines::of(&bytes)
}

struct Undisturbed {
    calls: Vec<Call>,
    files: Vec<String>,
    lines: Lines,
}

fn undisturbed(writing: &Writing) -> Undisturbed {
    let copy = writing.copy();
    let ended = run_deciding(&mut copy.writer(), &copy.dir(), |_| Fate::Done);
    assert!(ended.status.unwrap().success() && copy.said().is_empty(), "{}", copy.said());
    let (files, lines) = (files(&copy), lines(&copy));
    assert!(files.len() >= 4, "{files:?}");
    assert_eq!((lines.records.len(), lines.deaths), (3 * 90, 1), "all of it");
    Undisturbed { calls: ended.calls, files, lines }
}

/// Kills a writer before and after each of its calls, or a sample of them, and lets others end its work.
fn kill_at_every_call(options: &[&str], extent: Extent) {
    let writing = Writing::new(PRODUCER, options);
    let expected = undisturbed(&writing);
    let kills = AtomicUsize::new(0);
    let cases = extent.of(Kill::at_every_call(&expected.calls, 3));
    run_cases(&cases, |kill| {
        let (copy, when) = (writing.copy(), format!("{kill:?}"));
        let is_killed = run(&copy, kill.call.number, kill.fate).status.is_none();
        kills.fetch_add(usize::from(is_killed), Ordering::Relaxed);
        if let Some(again) = kill.again {
            run(&copy, again, Fate::KilledAfter);
        }
        copy.finish();
        assert_eq!(copy.said(), "", "{when}");
        assert!(lines(&copy) == expected.lines, "{when}: {:#?}", lines(&copy));
        // Where the batches end is another matter after a restart, and so it is where the files do; but
        // none may have a name that is none.
        let names = files(&copy);
        assert!(names.iter().all(|name| is_name(name, options)), "{when}: {names:?}");
        for name in names.iter().filter(|name| !name.ends_with(".gz")) {
            let len = fs::metadata(copy.dir().join(name)).unwrap().len();
            assert!(len < 6 << 10, "{when}: {name} has {len} bytes");
        }
    });
    let (calls, files, kills) = (expected.calls.len(), expected.files.len(), kills.into_inner());
    println!("{options:?}: {calls} calls, {kills} kills, {files} files");
    assert!(kills > cases.len() / 2, "most of them are met: {kills}");
}

/// Whether a file may be called that in the end.
fn is_name(name: &str, options: &[&str]) -> bool {
    let suffix = if options.contains(&"--compress=gzip") { ".gz" } else { "" };
    let number = if options.contains(&"--naming=python") {
        name.strip_prefix("app.log.").and_then(|rest| rest.strip_suffix(suffix))
    } else {
        name.strip_prefix("app.").and_then(|rest| rest.strip_suffix(&format!(".log{suffix}")))
    };
    name == "app.log" || number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[test]
fn a_writer_killed_in_a_rotation_goes_on_exactly_once() {
    kill_at_every_call(&["--rotate-size=6KiB", "--naming=number"], Extent::Sample(8));
    kill_at_every_call(&["--rotate-size=6KiB", "--naming=python", "--keep=50"], Extent::Sample(8));
    kill_at_every_call(&["--rotate-size=6KiB", "--naming=number", "--compress=gzip"], Extent::Sample(8));
}

#[test]
fn a_call_of_a_rotation_fails_and_nothing_is_lost() {
    fail_at_each_call(Extent::Sample(8));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_call_of_a_rotation_with_numbers() {
    kill_at_every_call(&["--rotate-size=6KiB", "--naming=number"], Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_call_of_a_synced_rotation() {
    kill_at_every_call(&["--rotate-size=6KiB", "--naming=number", "--fsync=batch"], Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_call_of_a_rotation_that_shifts_files() {
    kill_at_every_call(&["--rotate-size=6KiB", "--naming=python", "--keep=50"], Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_call_of_a_rotation_that_compresses() {
    kill_at_every_call(&["--rotate-size=6KiB", "--naming=number", "--compress=gzip"], Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn each_call_of_a_rotation_fails_and_nothing_is_lost() {
    fail_at_each_call(Extent::Every);
}

/// Fails each call of a writer that rotates, or a sample of them.
fn fail_at_each_call(extent: Extent) {
    let writing = Writing::new(PRODUCER, &["--rotate-size=6KiB", "--naming=python", "--keep=50"]);
    let expected = undisturbed(&writing);
    // From the first batch on: what fails before that ends the writer with a message.
    let first = expected.calls.iter().find(|call| call.name == "write").unwrap().number;
    let mut failures = 0;
    let calls = expected.calls.iter().filter(|call| call.number > first);
    for call in extent.of(calls.collect()) {
        for errno in [Errno::ENOSPC, Errno::EIO] {
            let copy = writing.copy();
            let ended = run(&copy, call.number, Fate::Fails(errno));
            let when = format!("{errno} at {call:?}");
            assert!(ended.status.is_some_and(|status| status.success()), "{when}: {}", copy.said());
            assert!(lines(&copy) == expected.lines, "{when}: {:#?}", lines(&copy));
            assert!(copy.said().lines().count() <= 2, "{when}: {}", copy.said());
            failures += 1;
        }
    }
    println!("{failures} failures");
}

#[test]
fn a_last_slot_that_cannot_be_deleted_is_reported_once() {
    let options = &["--rotate-size=6KiB", "--naming=python", "--keep=1"];
    let writing = Writing::new(PRODUCER, options);
    let copy = writing.copy();
    let mut refusals = 0;
    let ended = run_deciding(&mut copy.writer(), &copy.dir(), |call| {
        let is_refused = call.name.starts_with("unlink") && refusals < 5;
        refusals += usize::from(is_refused);
        if is_refused { Fate::Fails(Errno::EPERM) } else { Fate::Done }
    });
    assert!(ended.status.is_some_and(|status| status.success()) && refusals == 5, "{}", copy.said());
    let said = copy.said();
    let expected = [
        format!("cannot delete {}.1: Operation not permitted", copy.out().display()),
        "writing to".to_owned(),
    ];
    assert_eq!(said.lines().count(), expected.len(), "{said}");
    assert!(said.lines().zip(&expected).all(|(line, expected)| line.contains(expected)), "{said}");
    assert_eq!(files(&copy), ["app.log.1", "app.log"]);
}
