//! The writer is killed at every system call, and in the middle of what it writes: started again, it has every
//! record in the file exactly once.

use std::sync::atomic::{AtomicUsize, Ordering};

use ringlog_testkit::{Call, Ended, Extent, Fate, Kill, Random, run_cases, run_deciding};
use ringlog_tests::{Lines, Writing};

use crate::PRODUCER;

/// Runs a writer and does this at the call of this number.
fn run(writing: &Writing, number: usize, fate: Fate) -> Ended {
    run_deciding(
        &mut writing.writer(),
        &writing.dir(),
        |call| {
            if call.number == number { fate } else { Fate::Done }
        },
    )
}

/// The calls of an undisturbed writer, and what it writes.
fn undisturbed(writing: &Writing) -> (Vec<Call>, Lines) {
    let copy = writing.copy();
    let ended = run_deciding(&mut copy.writer(), &copy.dir(), |_| Fate::Done);
    assert!(ended.status.unwrap().success(), "{}", copy.said());
    assert_eq!(copy.said(), "");
    let lines = copy.lines();
    assert_eq!((lines.records.len(), lines.deaths), (3 * 90, 1), "all of it");
    let batches = ended.calls.iter().filter(|call| call.name == "write").count();
    assert!(batches >= 4, "{batches} batches");
    (ended.calls, lines)
}

/// Lets a second writer end the work of the one that was killed, and a third one where the second is killed at
/// this call.
fn go_on(writing: &Writing, kill_again: Option<usize>, expected: &Lines, when: &str) {
    if let Some(number) = kill_again {
        run(writing, number, Fate::KilledAfter);
    }
    writing.finish();
    assert_eq!(writing.said(), "", "{when}");
    assert!(writing.files().iter().all(|name| !name.contains(".aside") && !name.contains(".new")), "{when}");
    assert!(writing.lines() == *expected, "{when}: {:#?}", writing.lines());
}

/// Kills the writer before and after each of its calls, or a sample of them.
fn kill_at_every_call(options: &[&str], extent: Extent) {
    let writing = Writing::new(PRODUCER, options);
    let (calls, expected) = undisturbed(&writing);
    let cases = extent.of(Kill::at_every_call(&calls, 5));
    let kills = AtomicUsize::new(0);
    run_cases(&cases, |kill| {
        let copy = writing.copy();
        let is_killed = run(&copy, kill.call.number, kill.fate).status.is_none();
        kills.fetch_add(usize::from(is_killed), Ordering::Relaxed);
        go_on(&copy, kill.again, &expected, &format!("{kill:?}"));
    });
    let (calls, kills) = (calls.len(), kills.into_inner());
    let again = cases.iter().filter(|kill| kill.again.is_some()).count();
    println!("{options:?}: {calls} calls, {kills} kills, {again} times once more");
    assert_eq!(kills, cases.len());
}

#[test]
fn a_killed_writer_goes_on_exactly_once() {
    kill_at_every_call(&[], Extent::Sample(9));
    kill_at_every_call(&["--fsync=batch"], Extent::Sample(9));
}

#[test]
fn a_writer_killed_in_a_write_goes_on_exactly_once() {
    kill_in_each_write(Extent::Sample(24));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_call_the_writer_goes_on_exactly_once() {
    kill_at_every_call(&[], Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_call_with_every_batch_synced() {
    kill_at_every_call(&["--fsync=batch"], Extent::Every);
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_in_each_write_the_writer_goes_on_exactly_once() {
    kill_in_each_write(Extent::Every);
}

/// Kills the writer after each number of bytes of its writes, or a sample of them.
fn kill_in_each_write(extent: Extent) {
    let writing = Writing::new(PRODUCER, &[]);
    let (calls, expected) = undisturbed(&writing);
    let writes: Vec<&Call> = calls.iter().filter(|call| call.len > 0).collect();
    let batches = writes.iter().filter(|call| call.name == "write");
    let shortest = batches.min_by_key(|call| call.len).unwrap().number;
    // The one that is prepared before it.
    let half = writes.iter().rev().find(|call| call.number < shortest && call.len > 16).unwrap().number;
    let mut random = Random::new(9);
    let mut cases = Vec::new();
    for call in writes {
        // Every prefix of one batch, one half and all that is as short as the eight bytes; of the others some.
        let is_chosen = call.len <= 16 || call.number == shortest || call.number == half;
        let step = if is_chosen { 1 } else { 211 };
        for len in (0..=call.len).step_by(step) {
            let second = (random.below(4) == 0).then(|| random.below(30) as usize);
            cases.push((call, len, second));
        }
    }
    let cases = extent.of(cases);
    let torn = [const { AtomicUsize::new(0) }; 3];
    run_cases(&cases, |(call, len, second)| {
        let copy = writing.copy();
        if run(&copy, call.number, Fate::Torn(*len)).status.is_none() {
            go_on(&copy, *second, &expected, &format!("{len} bytes of {call:?}, then {second:?}"));
            let kind = if call.name == "write" { 0 } else { 1 + usize::from(call.len == 8) };
            torn[kind].fetch_add(1, Ordering::Relaxed);
        }
    });
    let [batches, halves, words] = torn.map(AtomicUsize::into_inner);
    println!("{batches} prefixes of batches, {halves} of halves, {words} of eight bytes");
    if extent.is_every() {
        assert!(batches > 300 && halves > 200 && words > 40);
    } else {
        assert!(batches > 0 && halves > 0, "{batches} {halves} {words}");
    }
}

#[test]
fn a_batch_is_durable_before_it_counts_where_asked_for() {
    let calls = |options: &[&str]| undisturbed(&Writing::new(PRODUCER, options)).0;
    let synced = |calls: &[Call]| calls.iter().filter(|call| call.name == "fdatasync").count();
    for never in [&[][..], &["--fsync=never"]] {
        assert_eq!(synced(&calls(never)), 0, "{never:?}");
    }
    // The checkpoint at the beginning; and what was never due, at the end.
    assert_eq!(synced(&calls(&["--fsync=error"])), 1, "there is no ERROR in it");
    let late = calls(&["--fsync=1h"]);
    assert_eq!(synced(&late), 1 + 2);
    assert!(late[late.len() - 2..].iter().all(|call| call.name == "fdatasync"), "{late:?}");
    for every in [&["--fsync=batch"][..], &["--fsync=info"]] {
        let calls = calls(every);
        let batches: Vec<usize> = (0..calls.len()).filter(|at| calls[*at].name == "write").collect();
        // The last one reports a death, which has no level.
        let last = usize::from(every == ["--fsync=info"]);
        for at in &batches[..batches.len() - last] {
            let names: Vec<_> = calls[*at..].iter().take(4).map(|call| (call.name, call.len)).collect();
            // The lines, then what makes them count, each durable.
            let (write, rest) = names.split_first().unwrap();
            assert_eq!(write.0, "write");
            assert_eq!(rest, [("fdatasync", 0), ("pwrite64", 8), ("fdatasync", 0)], "{every:?}");
        }
        assert!(synced(&calls) >= 2 * (batches.len() - last) && batches.len() >= 4);
    }
}

#[test]
fn a_batch_is_synced_when_due_though_no_record_follows() {
    let writing = Writing::empty(&["--fsync=700ms"], ringlog::Ring::options());
    let mut child =
        ringlog_testkit::Child::spawn(PRODUCER, &["end", writing.ring(), "threads=1", "count=9", "how=wait"]);
    while child.line() != "ready" {}
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_secs(3));
            child.kill();
        });
        run_deciding(&mut writing.writer(), &writing.dir(), |_| Fate::Done)
    });
    assert!(ended.status.unwrap().success(), "{}", writing.said());
    // Of the records, and of the death at the end.
    let of_files = |call: &&Call| matches!(call.name, "write" | "fdatasync") && call.len != 8;
    let names: Vec<_> = ended.calls.iter().filter(of_files).map(|call| call.name).collect();
    let death = names.iter().rposition(|name| *name == "write").unwrap();
    assert_eq!(names[..death].iter().filter(|name| **name == "write").count(), 1, "{names:?}");
    let written = names.iter().position(|name| *name == "write").unwrap();
    assert_eq!(names[written..death], ["write", "fdatasync", "fdatasync"], "{names:?}");
}
