//! The system refuses what the writer asks for: it waits, says so once, and nothing is missing in the end.

use nix::errno::Errno;
use nix::sys::signal::Signal;
use ringlog_testkit::{Call, Extent, Fate, run_deciding};
use ringlog_tests::{Lines, Writing};

use crate::PRODUCER;

const SYNCED: &[&str] = &["--fsync=batch"];

/// Runs a writer to its end and lets `fate` decide of its batches' calls, counted from 0 on. Returns them.
fn run(writing: &Writing, mut fate: impl FnMut(usize, &Call) -> Fate + Send) -> Vec<Call> {
    let mut of_batches = Vec::new();
    // A batch comes after it was written down which file the output is, and synced; a new checkpoint's first words go
    // to another name.
    let (mut is_written, mut has_begun) = (false, false);
    let ended = run_deciding(&mut writing.writer(), &writing.dir(), |call| {
        if !matches!(call.name, "write" | "pwrite64" | "fsync" | "fdatasync") {
            return Fate::Done;
        }
        has_begun |= is_written && !call.name.ends_with("sync");
        if !has_begun {
            is_written |= call.name == "pwrite64" && call.len == 8 && call.path == writing.checkpoint();
            return Fate::Done;
        }
        of_batches.push(call.clone());
        fate(of_batches.len() - 1, call)
    });
    assert!(ended.status.unwrap().success(), "{}", writing.said());
    of_batches
}

/// All is there once, and it was said once that there was trouble, and once that it is over; nothing where the
/// writer need not wait.
#[track_caller]
fn check(writing: &Writing, expected: &Lines, is_said: bool, when: &str) {
    assert!(writing.lines() == *expected, "{when}: {:#?}", writing.lines());
    let said = writing.said();
    let lines: Vec<&str> = said.lines().collect();
    if !is_said {
        assert_eq!(lines, [""; 0], "{when}");
        return;
    }
    assert_eq!(lines.len(), 2, "{when}: {said}");
    assert!(lines[0].contains("cannot write to") && lines[0].contains("records wait in the ring"), "{said}");
    assert!(lines[1].contains("again; no record was lost"), "{said}");
}

fn undisturbed(writing: &Writing) -> (Vec<Call>, Lines) {
    let copy = writing.copy();
    let calls = run(&copy, |_, _| Fate::Done);
    assert_eq!(copy.said(), "");
    assert!(calls.iter().filter(|call| call.name == "fdatasync").count() >= 6, "{calls:?}");
    (calls, copy.lines())
}

#[test]
fn a_call_that_fails_once_loses_nothing() {
    fail_once(Extent::Sample(5));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn each_call_of_a_batch_fails_once() {
    fail_once(Extent::Every);
}

/// Lets each call of a batch, or a sample of them, fail once with each error.
fn fail_once(extent: Extent) {
    let writing = Writing::new(PRODUCER, SYNCED);
    let (calls, expected) = undisturbed(&writing);
    let errors = [Errno::ENOSPC, Errno::EIO, Errno::EROFS, Errno::EDQUOT, Errno::EINTR];
    for (at, call) in extent.of(calls.iter().enumerate().collect()) {
        for errno in errors {
            let copy = writing.copy();
            run(&copy, |number, _| if number == at { Fate::Fails(errno) } else { Fate::Done });
            check(&copy, &expected, errno != Errno::EINTR, &format!("{errno} at {call:?}"));
        }
    }
    println!("a call of {} failed once, with each of {} errors", calls.len(), errors.len());
}

#[test]
fn a_call_that_fails_several_times_loses_nothing() {
    fail_several_times(Extent::Sample(5));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn each_call_of_a_batch_fails_several_times() {
    fail_several_times(Extent::Every);
}

/// Lets each call of a batch, or a sample of them, fail several times.
fn fail_several_times(extent: Extent) {
    const TIMES: usize = 4;
    let writing = Writing::new(PRODUCER, SYNCED);
    let (calls, expected) = undisturbed(&writing);
    for (at, call) in extent.of(calls.iter().enumerate().collect()) {
        let copy = writing.copy();
        let mut refused = 0;
        run(&copy, |number, _| {
            let fails = number >= at && refused < TIMES;
            refused += usize::from(fails);
            if fails { Fate::Fails(Errno::ENOSPC) } else { Fate::Done }
        });
        assert_eq!(refused, TIMES);
        check(&copy, &expected, true, &format!("{TIMES} times from {call:?} on"));
    }
    println!("{} calls failed {TIMES} times", calls.len());
}

#[test]
fn a_writer_killed_while_it_retries_loses_nothing() {
    kill_while_retrying(Extent::Sample(7));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_while_retrying_each_failed_call_of_a_batch() {
    kill_while_retrying(Extent::Every);
}

/// Lets each call of a batch, or a sample of them, fail, and kills the writer while it tries again.
fn kill_while_retrying(extent: Extent) {
    let writing = Writing::new(PRODUCER, SYNCED);
    let (calls, expected) = undisturbed(&writing);
    let mut kills = 0;
    for failing in extent.of(calls.iter().collect()) {
        for after in 1..4 {
            let copy = writing.copy();
            let mut seen = 0;
            let ended = run_deciding(&mut copy.writer(), &copy.dir(), |call| {
                let same = call.name == failing.name
                    && call.path == copy.dir().join(failing.path.file_name().unwrap());
                seen += usize::from(same || seen > 0);
                match seen {
                    1 if same => Fate::Fails(Errno::EIO),
                    _ if seen == 1 + after => Fate::KilledAfter,
                    _ => Fate::Done,
                }
            });
            kills += usize::from(ended.status.is_none());
            copy.finish();
            // In all files: there must be no other one.
            let lines = copy.all_lines();
            assert!(lines == expected, "{after} calls after {failing:?}: {}{lines:#?}", copy.said());
        }
    }
    assert!(kills > 0, "no writer was killed after a failure");
    println!("{kills} kills after a failure");
}

#[test]
fn a_committed_batch_is_not_written_again() {
    fail_commits(Extent::Sample(2));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_committed_batch_is_not_written_again_to_a_new_file() {
    fail_commits(Extent::Every);
}

/// Lets each commit of a batch, or a sample of them, fail while another file is begun.
fn fail_commits(extent: Extent) {
    let writing = Writing::new(PRODUCER, SYNCED);
    let (calls, expected) = undisturbed(&writing);
    let syncs = |calls: &[Call]| -> Vec<usize> {
        let of_checkpoint = |at: &usize| calls[*at].name == "fdatasync" && calls[*at - 1].name == "pwrite64";
        (1..calls.len()).filter(of_checkpoint).collect()
    };
    for at in extent.of(syncs(&calls)) {
        for signal in [Signal::SIGHUP, Signal::SIGTERM] {
            let copy = writing.copy();
            let mut refused = 0;
            let mut fate = |number: usize| {
                if number < at || refused == 3 {
                    return Fate::Done;
                }
                refused += 1;
                if refused == 1 {
                    let ring = ringlog::Ring::open(copy.ring()).unwrap();
                    let writer = ring.observe().unwrap().stat().unwrap().consumer.unwrap().pid;
                    std::fs::rename(copy.out(), copy.dir().join("app.log.1")).unwrap();
                    nix::sys::signal::kill(nix::unistd::Pid::from_raw(writer as i32), signal).unwrap();
                }
                Fate::Fails(Errno::EIO)
            };
            let (mut seen, mut has_begun, mut is_written) = (0, false, false);
            let ended = run_deciding(&mut copy.writer(), &copy.dir(), |call| {
                if !matches!(call.name, "write" | "pwrite64" | "fsync" | "fdatasync") {
                    return Fate::Done;
                }
                has_begun |= is_written && !call.name.ends_with("sync");
                is_written |= call.name == "pwrite64" && call.len == 8 && call.path == copy.checkpoint();
                seen += usize::from(has_begun);
                if has_begun { fate(seen - 1) } else { Fate::Done }
            });
            let said = copy.said();
            assert!(!said.contains("a second time"), "{said}");
            assert_eq!(ended.status.unwrap().success(), signal == Signal::SIGHUP, "{said}");
            copy.finish();
            assert_eq!(copy.all_lines().records, expected.records, "{signal} at {at}: {said}");
        }
    }
}

#[test]
fn a_short_write_is_continued() {
    cut_writes_short(Extent::Sample(6));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn a_short_write_goes_on_where_it_ended() {
    cut_writes_short(Extent::Every);
}

/// Cuts each write of a batch short, or a sample of them.
fn cut_writes_short(extent: Extent) {
    let writing = Writing::new(PRODUCER, SYNCED);
    let (calls, expected) = undisturbed(&writing);
    let mut short = 0;
    for (at, call) in extent.of(calls.iter().enumerate().collect()) {
        for len in [1, call.len / 2, call.len.saturating_sub(1)] {
            if len == 0 || len >= call.len {
                continue;
            }
            let copy = writing.copy();
            run(&copy, |number, _| if number == at { Fate::Short(len) } else { Fate::Done });
            check(&copy, &expected, false, &format!("{len} bytes of {call:?}"));
            short += 1;
        }
    }
    println!("{short} short writes");
    assert!(short > if extent.is_every() { 20 } else { 3 });
}
