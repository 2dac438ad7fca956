//! A sync fails, after which the kernel takes lost pages for written ones: what is not synced is written again before
//! the next sync counts, and what cannot be is said.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use ringlog_testkit::{Call, Extent, Fate, run_deciding};
use ringlog_tests::Writing;

use crate::PRODUCER;

const CALLS: [&str; 5] = ["write", "pwrite64", "fsync", "fdatasync", "fadvise64"];

/// Runs a writer to its end, and lets the syncs of this file fail, counted from 0 on, for which `fails` is true.
/// Returns the calls on the file, and on the one that takes its place, and whether the writer has succeeded.
fn run(
    writing: &Writing,
    of: &Path,
    fails: impl Fn(usize) -> bool + Send + Sync,
) -> (Vec<(Call, bool)>, bool) {
    let (mut calls, mut syncs) = (Vec::new(), 0);
    let ended = run_deciding(&mut writing.writer(), &writing.dir(), |call| {
        let is_next =
            call.path.file_stem() == of.file_name() && call.path.extension().is_some_and(|end| end == "new");
        if !(call.path == of || is_next) || !CALLS.contains(&call.name) {
            return Fate::Done;
        }
        let is_sync = call.name == "fdatasync";
        let has_failed = is_sync && fails(syncs);
        syncs += usize::from(is_sync);
        calls.push((call.clone(), has_failed));
        if has_failed { Fate::Fails(Errno::EIO) } else { Fate::Done }
    });
    (calls, ended.status.unwrap().success())
}

/// How many bytes are written in their place to the file between this call and its next sync, in pages of their own.
fn written_again(calls: &[(Call, bool)], failed: usize) -> u64 {
    let until = calls[failed + 1..].iter().take_while(|(call, _)| call.name != "fdatasync");
    let is_next = |call: &Call| call.path.extension().is_some_and(|end| end == "new");
    let has_new_pages = until.clone().any(|(call, _)| call.name == "fadvise64" || is_next(call));
    assert!(has_new_pages, "after {failed}: {calls:?}");
    until.filter(|(call, _)| call.name == "pwrite64").map(|(call, _)| call.len).sum()
}

fn failures(calls: &[(Call, bool)]) -> Vec<usize> {
    (0..calls.len()).filter(|at| calls[*at].1).collect()
}

/// How many bytes were appended since the sync before this call that has succeeded.
fn appended_before(calls: &[(Call, bool)], failed: usize) -> u64 {
    let since = calls[..failed].iter().rev().take_while(|(call, fails)| call.name != "fdatasync" || *fails);
    since.filter(|(call, _)| call.name == "write").map(|(call, _)| call.len).sum()
}

#[test]
fn bytes_of_a_failed_sync_are_written_again_before_the_next() {
    let writing = Writing::new(PRODUCER, &["--fsync=batch"]);
    let undisturbed = writing.copy();
    let (calls, _) = run(&undisturbed, &undisturbed.out(), |_| false);
    let (expected, syncs) = (undisturbed.lines(), calls.iter().filter(|(call, _)| call.name == "fdatasync"));
    for at in Extent::Sample(3).of((0..syncs.count()).collect()) {
        for times in [1, 2] {
            let copy = writing.copy();
            let (calls, is_done) = run(&copy, &copy.out(), |number| (at..at + times).contains(&number));
            assert!(is_done, "{}", copy.said());
            let failed = failures(&calls);
            assert_eq!(failed.len(), times);
            for failed in failed {
                let appended = appended_before(&calls, failed);
                assert!(appended > 0);
                assert!(written_again(&calls, failed) >= appended, "sync {at}, {times} times: {calls:?}");
            }
            assert!(copy.lines() == expected, "{}", copy.said());
            assert!(copy.said().contains("again; no record was lost"), "{}", copy.said());
        }
    }
}

#[test]
fn a_checkpoint_of_a_failed_sync_is_written_again() {
    let writing = Writing::new(PRODUCER, &["--fsync=batch"]);
    let undisturbed = writing.copy();
    let (calls, _) = run(&undisturbed, &undisturbed.checkpoint(), |_| false);
    let (expected, syncs) = (undisturbed.lines(), calls.iter().filter(|(call, _)| call.name == "fdatasync"));
    // Not the first one, of the start, after which the writer would not begin.
    for at in Extent::Sample(3).of((1..syncs.count()).collect()) {
        let copy = writing.copy();
        let (calls, is_done) = run(&copy, &copy.checkpoint(), |number| number == at);
        assert!(is_done, "{}", copy.said());
        let again = written_again(&calls, failures(&calls)[0]);
        // Its beginning, a half, and the number of that.
        assert!(again > 16 + 8 + 16 + 8, "sync {at}: {calls:?}");
        assert!(!copy.files().iter().any(|name| name.contains(".new")));
        assert!(copy.lines() == expected, "{}", copy.said());
    }
}

#[test]
fn what_was_acknowledged_before_a_failed_sync_is_written_again() {
    let writing = Writing::new(PRODUCER, &["--fsync=1h"]);
    let (calls, is_done) = run(&writing, &writing.out(), |number| number == 0);
    let failed = failures(&calls);
    let appended: u64 = calls.iter().filter(|(call, _)| call.name == "write").map(|(call, _)| call.len).sum();
    assert_eq!((failed.len(), appended), (1, std::fs::metadata(writing.out()).unwrap().len()));
    assert_eq!(written_again(&calls, failed[0]), appended);
    assert_eq!(calls.last().unwrap().0.name, "fdatasync");
    let (said, out) = (writing.said(), writing.out());
    let out = out.display();
    let expected = [
        format!(
            "ringlog-writer: cannot sync {out}: Input/output error (os error 5); trying again. Until that succeeds, \
             the last 270 records of those that count may not survive a loss of power"
        ),
        format!("ringlog-writer: {out} is synced again; no record was lost"),
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    assert!(is_done);
}

#[test]
fn acknowledged_bytes_that_cannot_be_read_back_are_reported() {
    let writing = Writing::new(PRODUCER, &["--fsync=1h"]);
    let mut syncs = 0;
    let (out, dir) = (writing.out(), writing.dir());
    let ended = run_deciding(&mut writing.writer(), &dir, |call| {
        if call.path != out || call.name != "fdatasync" {
            return Fate::Done;
        }
        syncs += 1;
        if syncs > 1 {
            return Fate::Done;
        }
        // As where the kernel has dropped the pages and reads them from the disk.
        let len = std::fs::metadata(&out).unwrap().len() as usize;
        std::fs::write(&out, vec![0; len]).unwrap();
        Fate::Fails(Errno::EIO)
    });
    let said = writing.said();
    assert!(ended.status.unwrap().success(), "{said}");
    let lost = "270 records since the last sync cannot be read back, to be written again after a failed sync: they may \
                be missing in it, now or after a loss of power";
    assert!(said.contains(lost), "{said}");
    assert!(!said.contains("no record was lost"), "{said}");
}

#[test]
fn a_file_that_cannot_be_synced_at_the_end_is_an_error() {
    for option in ["--fsync=1h", "--fsync=batch"] {
        let writing = Writing::new(PRODUCER, &[option]);
        let (out, ring) = (writing.out(), writing.ring().to_owned());
        let mut is_asked = false;
        let ended = run_deciding(&mut writing.writer(), &writing.dir(), |call| {
            // Every sync of the checkpoint that follows a batch, or of the file at the end.
            let has_batch = std::fs::metadata(&out).is_ok_and(|meta| meta.len() > 0);
            if call.name != "fdatasync" || !has_batch || (call.path == out && option == "--fsync=batch") {
                return Fate::Done;
            }
            if option == "--fsync=batch" && !is_asked {
                is_asked = true;
                terminate_writer_of(&ring);
            }
            Fate::Fails(Errno::EIO)
        });
        let said = writing.said();
        assert_eq!(ended.status.unwrap().code(), Some(3), "{option}: {said}");
        let last = said.lines().last().unwrap();
        let is_said = last.contains("cannot sync") && last.contains("may not survive a loss of power")
            || last.contains("are not written and stay in the ring");
        assert!(is_said, "{option}: {said}");
    }
}

#[test]
fn the_next_writer_syncs_the_batch_that_a_killed_one_wrote() {
    let writing = Writing::new(PRODUCER, &["--fsync=batch"]);
    let (out, mut written) = (writing.out(), 0);
    let ended = run_deciding(&mut writing.writer(), &writing.dir(), |call| match call.name {
        "write" if call.path == out => {
            written = call.len;
            Fate::Done
        }
        // Of the batch: nothing is committed yet.
        "fdatasync" if call.path == out => Fate::KilledBefore,
        _ => Fate::Done,
    });
    assert!(ended.status.is_none() && written > 0);
    let (calls, is_done) = run(&writing, &out, |_| false);
    let first: Vec<_> = calls.iter().skip(1).take(2).map(|(call, _)| (call.name, call.len)).collect();
    assert_eq!(first, [("pwrite64", written), ("fdatasync", 0)], "{calls:?}");
    assert!(is_done, "{}", writing.said());
    assert_eq!((writing.lines().records.len(), writing.said()), (3 * 90, String::new()));
}

#[test]
fn records_of_a_batch_that_is_not_synced_count_as_written() {
    let writing = Writing::new(PRODUCER, &["--fsync=batch"]);
    // After the first batch, and after the last one: a line for each record, and one for a death.
    for lines_least in [1, 3 * 90 + 1] {
        let copy = writing.copy();
        let (checkpoint, out, ring) = (copy.checkpoint(), copy.out(), copy.ring().to_owned());
        let mut failed = 0;
        let ended = run_deciding(&mut copy.writer(), &copy.dir(), |call| {
            let lines = || std::fs::read(&out).unwrap().iter().filter(|byte| **byte == b'\n').count();
            if call.name != "fdatasync" || call.path != checkpoint || lines() < lines_least {
                return Fate::Done;
            }
            failed += 1;
            if failed <= 2 {
                terminate_writer_of(&ring);
            }
            Fate::Fails(Errno::EIO)
        });
        let said = copy.said();
        assert_eq!(ended.status.unwrap().code(), Some(3), "{said}");
        assert!(said.contains("may not survive a loss of power"), "{said}");
        let left = 3 * 90 - copy.lines().records.len();
        assert_eq!(left > 0, lines_least == 1);
        assert_eq!(said.contains("are not written and stay in the ring"), left > 0, "{said}");
        assert!(left == 0 || said.contains(&format!("; {left} records are not written")), "{said}");
    }
}

fn terminate_writer_of(ring: &str) {
    let ring = ringlog::Ring::open(ring).unwrap();
    let writer = ring.observe().unwrap().stat().unwrap().consumer.unwrap().pid;
    nix::sys::signal::kill(Pid::from_raw(writer as i32), Signal::SIGTERM).unwrap();
}
