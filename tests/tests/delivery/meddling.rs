//! Other programs change the files of a writer that was killed: the next one reports it, and repeats no line silently.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use ringlog::{Level, Ring};
use ringlog_testkit::{Fate, run_deciding};
use ringlog_tests::Writing;

use crate::PRODUCER;

/// A writer that was killed when its third batch was in the file, but did not count yet; and all of its lines.
fn killed() -> (Writing, Vec<String>) {
    let writing = Writing::new(PRODUCER, &[]);
    let whole = writing.copy();
    whole.finish();
    let mut batches = 0;
    let ended = run_deciding(&mut writing.writer(), &writing.dir(), |call| {
        batches += usize::from(call.name == "write");
        if call.name == "write" && batches == 3 { Fate::KilledAfter } else { Fate::Done }
    });
    assert!(ended.status.is_none());
    (writing, whole.lines().records)
}

/// No record is twice in any file, nor in two.
#[track_caller]
fn assert_once(records: &[String]) {
    let once: BTreeSet<&String> = records.iter().collect();
    assert_eq!(once.len(), records.len(), "some are twice");
}

#[test]
fn a_renamed_output_is_found_and_not_written_twice() {
    let (writing, expected) = killed();
    fs::rename(writing.out(), writing.dir().join("app.log.1")).unwrap();
    writing.finish();
    assert_eq!(writing.said(), "");
    assert_eq!(writing.all_lines().records, expected);
}

#[test]
fn a_deleted_output_is_reported_and_begun_anew() {
    let (writing, expected) = killed();
    fs::remove_file(writing.out()).unwrap();
    writing.finish();
    assert!(writing.said().contains("is not the file that was written last"), "{}", writing.said());
    let records = writing.lines().records;
    assert!(!records.is_empty() && expected.ends_with(&records), "the rest, without holes");
}

#[test]
fn a_truncated_output_is_set_aside_and_not_extended() {
    for part in [None, Some(2), Some(3)] {
        let (writing, expected) = killed();
        let len = fs::metadata(writing.out()).unwrap().len();
        let kept = part.map_or(0, |part| len / part);
        File::options().write(true).open(writing.out()).unwrap().set_len(kept).unwrap();
        writing.finish();
        assert!(writing.said().contains("it was truncated: "), "{}", writing.said());
        let aside = writing.dir().join("app.log.aside-1");
        assert_eq!(fs::metadata(aside).map_or(0, |meta| meta.len()), kept, "neither cut nor extended");
        let records = writing.lines().records;
        assert!(expected.ends_with(&records) && !records.is_empty());
    }
}

#[test]
fn lines_of_other_programs_are_kept_and_nothing_is_twice() {
    let (writing, expected) = killed();
    File::options().append(true).open(writing.out()).unwrap().write_all(b"theirs\n").unwrap();
    writing.finish();
    let said = writing.said();
    assert!(said.contains("another process has written to it") && !said.contains("may be in both"), "{said}");
    let records = writing.all_lines().records;
    assert_once(&records);
    assert_eq!(records.len(), expected.len() + 1);
    assert!(records.iter().any(|line| line == "theirs"));
    assert!(expected.iter().all(|line| records.contains(line)));
}

#[test]
fn a_damaged_checkpoint_is_reported_and_nothing_is_lost() {
    let (writing, expected) = killed();
    let mut bytes = fs::read(writing.checkpoint()).unwrap();
    bytes[4096 + 20..].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(writing.checkpoint(), bytes).unwrap();
    writing.finish();
    let said = writing.said();
    assert!(said.contains("its checkpoint is damaged") && said.contains("may be in both"), "{said}");
    let records = writing.all_lines().records;
    assert!(expected.iter().all(|line| records.contains(line)));
    assert!(records.len() > expected.len(), "the batch that was being written is in both, as it was said");
}

#[test]
fn a_cursor_of_a_ring_made_anew_is_ignored() {
    let (writing, expected) = killed();
    let before = fs::read(writing.out()).unwrap();
    fs::remove_file(writing.ring()).unwrap();
    let ring = Ring::options().size("96KiB").block_bytes(1024).create(writing.ring()).unwrap();
    let log = ring.logger();
    (0..50).for_each(|n| log.text(Level::INFO, "anew", n.to_string()).unwrap());
    drop((log, ring));
    writing.finish();
    assert_eq!(writing.said(), "");
    let records = writing.lines().records;
    assert!(fs::read(writing.out()).unwrap().starts_with(&before), "what is in the file stays");
    let (old, new) = records.split_at(records.len() - 50);
    assert!(expected.starts_with(old) && new.iter().all(|line| line.contains("anew")), "{new:#?}");
}

#[test]
fn a_deleted_checkpoint_is_reported_and_nothing_is_lost() {
    let (writing, expected) = killed();
    fs::remove_file(writing.checkpoint()).unwrap();
    writing.finish();
    let said = writing.said();
    assert!(said.contains("has no checkpoint, and the ring's last writer was killed"), "{said}");
    assert_eq!(said.lines().count(), 1);
    let records: BTreeSet<String> = writing.lines().records.into_iter().collect();
    assert_eq!(records, expected.into_iter().collect());
}

#[test]
fn a_writer_that_is_refused_neither_makes_nor_removes_the_file() {
    let writing = Writing::new(PRODUCER, &[]);
    // As of a writer between two files.
    let checkpoint = File::create_new(writing.checkpoint()).unwrap();
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&checkpoint, FcntlArg::F_OFD_SETLK(&whole)).unwrap();
    let ended = run_deciding(&mut writing.writer(), &writing.dir(), |_| Fate::Done);
    let said = writing.said();
    assert!(!ended.status.unwrap().success() && said.contains("another writer is writing to it"), "{said}");
    let of_file: Vec<_> = ended.calls.iter().filter(|call| call.path == writing.out()).collect();
    assert_eq!(of_file, [&ended.calls[0]; 0]);
    assert_eq!(writing.files(), ["app.log.checkpoint"]);
}
