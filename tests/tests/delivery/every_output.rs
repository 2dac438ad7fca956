//! Every kind of output: wherever the writer is killed or refused, the output keeps the guarantee that the document
//! gives for its kind.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use ringlog_testkit::{Call, Child, Ended, Extent, Fate, Kill, Random, run_cases, run_deciding_below};
use ringlog_tests::{
    Again, EVERY_OUTPUT, Guarantee, Lines, Output, Outputs, Part, Received, Receivers, Writing,
};

use crate::PRODUCER;
use crate::writer_under_load::{small_ring, while_logging};

/// Runs a writer to its end, or until it is killed.
fn run(receivers: &mut Receivers, decide: impl FnMut(&Call) -> Fate + Send) -> Ended {
    let places = receivers.places();
    receivers.during(|mut writer| {
        let ended = run_deciding_below(writer.arg("--until-idle"), &places, decide);
        let is_killed = ended.status.is_none();
        (ended, is_killed)
    })
}

/// The same, with this fate for the call of this number. Where threads have taken other turns, it may be another call.
fn run_to(receivers: &mut Receivers, number: usize, fate: Fate) -> Ended {
    run(receivers, |call| match fate {
        _ if call.number != number => Fate::Done,
        Fate::Torn(len) if len > call.len => Fate::KilledAfter,
        _ => fate,
    })
}

/// Lets a writer write what is left.
fn finish(receivers: &mut Receivers, when: &str) {
    let status = run(receivers, |_| Fate::Done).status;
    assert!(status.is_some_and(|status| status.success()), "{when}: {status:?}");
}

/// What an output has got, if its guarantee holds.
#[track_caller]
fn received(output: &Output, parts: &[Part], again: Again, when: &str) -> Received {
    let checked = Received::check(parts, output.guarantee, again, true);
    checked.unwrap_or_else(|why| panic!("{when}: {}: {why}", output.kind))
}

/// Each output has every record, in order, and what comes again is what its guarantee allows. Of an output that
/// promises less than others, records may be missing. Returns how many records came again, and how many lines are torn.
#[track_caller]
fn check(receivers: &Receivers, expected: &Lines, when: &str) -> (u64, usize) {
    let (mut repeated, mut torn) = (0, 0);
    for (output, parts) in receivers.parts() {
        let got = received(&output, &parts, receivers.again(), when);
        let lines = Lines::of(got.text.as_bytes());
        let kind = output.kind;
        if output.guarantee == Guarantee::BestEffort {
            let mut rest = expected.records.iter();
            assert!(
                lines.records.iter().all(|line| rest.any(|next| next == line)),
                "{when}: {kind}: {lines:#?}"
            );
        } else {
            assert!(lines == *expected, "{when}: {kind}: {lines:#?}");
        }
        if kind == "file without a checkpoint" {
            // A reader of the file finds each record in a line of its own, also behind a torn one.
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.bytes.clone()).collect();
            let whole: BTreeSet<String> = Lines::of(&bytes).records.into_iter().collect();
            let missing = expected.records.iter().find(|line| !whole.contains(*line));
            assert_eq!(missing, None, "{when}: {kind}");
        }
        (repeated, torn) = (repeated + got.repeated, torn + got.torn);
    }
    (repeated, torn)
}

/// A writer that nothing disturbs.
struct Undisturbed {
    calls: Vec<Call>,
    /// The number of writes to each output.
    writes: Vec<usize>,
    /// The lines that each output has: once and whole.
    lines: Lines,
}

/// Runs a writer that nothing disturbs.
fn undisturbed(writing: &Writing, outputs: Outputs) -> Undisturbed {
    let copy = writing.copy();
    let mut receivers = Receivers::new(&copy, outputs);
    let ended = run(&mut receivers, |_| Fate::Done);
    assert!(ended.status.unwrap().success() && copy.said().is_empty(), "{outputs:?}: {}", copy.said());
    let all = receivers.parts().into_iter().map(|(output, parts)| {
        let got = received(&output, &parts, receivers.again(), "undisturbed");
        assert_eq!((got.repeated, got.torn), (0, 0), "{outputs:?}");
        Lines::of(got.text.as_bytes())
    });
    let all: Vec<Lines> = all.collect();
    assert_eq!((all[0].records.len(), all[0].deaths), (3 * 90, 1), "{outputs:?}: all of it");
    assert!(all.iter().all(|lines| *lines == all[0]), "{outputs:?}");
    let writes = |path| ended.calls.iter().filter(|call| call.name == "write" && call.path == path).count();
    let writes = receivers.paths().into_iter().map(writes).collect();
    Undisturbed { writes, lines: all.into_iter().next().unwrap(), calls: ended.calls }
}

#[test]
fn a_killed_writer_keeps_the_guarantee_of_every_output() {
    kill_at_every_call(Extent::Sample(8), Extent::Sample(5));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_call_every_output_keeps_its_guarantee() {
    kill_at_every_call(Extent::Every, Extent::Every);
}

/// Kills the writer before and after each of its calls and in the middle of each write, or a sample of them.
fn kill_at_every_call(extent: Extent, torn: Extent) {
    let writing = Writing::new(PRODUCER, &[]);
    for outputs in EVERY_OUTPUT {
        let Undisturbed { calls, lines: expected, .. } = undisturbed(&writing, outputs);
        let mut cases = extent.of(Kill::at_every_call(&calls, 5));
        cases.extend(torn.of(in_every_write(&calls)));
        let sums = [const { AtomicUsize::new(0) }; 3];
        run_cases(&cases, |kill| {
            let (copy, when) = (writing.copy(), format!("{kill:?}"));
            let mut receivers = Receivers::new(&copy, outputs);
            let is_killed = run_to(&mut receivers, kill.call.number, kill.fate).status.is_none();
            if let Some(again) = kill.again {
                run_to(&mut receivers, again, Fate::KilledAfter);
            }
            finish(&mut receivers, &when);
            // A writer that ends has removed the checkpoint, and the next one was killed before it made one: it may say
            // what it cannot know.
            let is_known =
                |line: &str| kill.again.is_some() && line.contains("has no checkpoint, and the ring's");
            let said = copy.said();
            assert!(said.lines().all(is_known), "{when}: {said}");
            let (repeated, torn) = check(&receivers, &expected, &when);
            for (sum, count) in sums.iter().zip([usize::from(is_killed), repeated as usize, torn]) {
                sum.fetch_add(count, Ordering::Relaxed);
            }
        });
        let [kills, repeated, torn] = sums.map(AtomicUsize::into_inner);
        let kinds: Vec<_> = outputs.iter().map(|output| output.kind).collect();
        let calls = calls.len();
        println!("{kinds:?}: {calls} calls, {kills} kills, {repeated} records again, {torn} torn lines");
        // Threads take turns as they like, and a small pipe takes what it likes, so not every call is met.
        assert!(kills > cases.len() / 2, "{kinds:?}: {kills} of {}", cases.len());
    }
}

/// In the middle of each of these writes, at some places.
fn in_every_write(calls: &[Call]) -> Vec<Kill> {
    let mut random = Random::new(13);
    let mut kills = Vec::new();
    for call in calls.iter().filter(|call| call.name == "write" && call.len > 1) {
        for len in [1, 1 + random.below(call.len - 1), call.len / 2, call.len - 1] {
            let again = (random.below(3) == 0).then(|| random.below(calls.len() as u64) as usize);
            kills.push(Kill { call: call.clone(), fate: Fate::Torn(len), again });
        }
    }
    kills
}

#[test]
fn every_kind_of_output_is_in_the_table() {
    let writing = Writing::new(PRODUCER, &[]);
    let mut known = BTreeSet::new();
    for outputs in EVERY_OUTPUT {
        let copy = writing.copy();
        let receivers = Receivers::new(&copy, outputs);
        let said = receivers.writer().arg("--check").stdout(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        for (number, Output { kind, guarantee, .. }) in outputs.iter().enumerate() {
            let line = said.lines().find(|line| line.starts_with(&format!("handler \"{number}\""))).unwrap();
            let claim = format!("{}, {kind}. When", guarantee.name());
            assert!(line.contains(&claim), "{claim}: {line}");
            known.insert((*kind, guarantee.name()));
        }
    }
    let document =
        include_str!("../../../docs/configuration.md").split_once("| output | guarantee |").unwrap().1;
    let rows = document.lines().skip(2).take_while(|line| line.starts_with('|'));
    let columns = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    assert_eq!(known, columns.map(|columns| (columns[1], columns[2])).collect());
}

/// What happens to the writes to one output, counted from 0 on.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// So many fail, from one of them on.
    Refused { first: usize, times: usize, errno: Errno },
    /// One writes only so many bytes of a hundred.
    Short { number: usize, percent: u64 },
}

/// Disturbs the writes to one output. Nothing is missing in any then, and nothing comes again; it is said once that
/// there is trouble, and once that it is over.
#[track_caller]
fn disturb(writing: &Writing, outputs: Outputs, expected: &Lines, at: usize, disturbance: Disturbance) {
    let copy = writing.copy();
    let mut receivers = Receivers::new(&copy, outputs);
    let (path, mut writes, mut refused) = (receivers.paths().swap_remove(at), 0, 0);
    let ended = run(&mut receivers, |call| {
        if call.name != "write" || call.path != path {
            return Fate::Done;
        }
        writes += 1;
        match disturbance {
            Disturbance::Refused { first, times, errno } if writes > first && refused < times => {
                refused += 1;
                Fate::Fails(errno)
            }
            Disturbance::Short { number, percent } if writes == number + 1 && call.len > 1 => {
                Fate::Short((call.len * percent / 100).clamp(1, call.len - 1))
            }
            _ => Fate::Done,
        }
    });
    let when = format!("{}: {disturbance:?}", outputs[at].kind);
    assert!(ended.status.is_some_and(|status| status.success()), "{when}: {}", copy.said());
    for (output, parts) in receivers.parts() {
        let got = received(&output, &parts, receivers.again(), &when);
        let lines = Lines::of(got.text.as_bytes());
        assert!(lines == *expected && got.repeated == 0, "{when}: {}: {lines:#?}", output.kind);
    }
    let said = copy.said();
    let lines: Vec<&str> = said.lines().collect();
    match disturbance {
        Disturbance::Refused { errno, .. } if errno != Errno::EINTR && refused > 0 => {
            assert_eq!(lines.len(), 2, "{when}: {said}");
            assert!(
                lines[0].contains("cannot write to") && lines[0].contains("wait in the ring"),
                "{when}: {said}"
            );
            assert!(lines[1].contains("again; no record was lost"), "{when}: {said}");
        }
        _ => assert_eq!(lines, [""; 0], "{when}"),
    }
}

#[test]
fn a_refused_write_to_any_output_loses_and_doubles_nothing() {
    disturb_every_write(Extent::Sample(6));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn each_refused_write_to_any_output_loses_nothing() {
    disturb_every_write(Extent::Every);
}

/// Lets each write to each output fail or write less, or a sample of them.
fn disturb_every_write(extent: Extent) {
    let writing = Writing::new(PRODUCER, &[]);
    let count = AtomicUsize::new(0);
    for outputs in EVERY_OUTPUT {
        let Undisturbed { writes, lines: expected, .. } = undisturbed(&writing, outputs);
        let errors = [(Errno::ENOSPC, 1), (Errno::EIO, 4), (Errno::EINTR, 1)];
        for (at, writes) in writes.into_iter().enumerate() {
            assert!(writes > 1, "{}: {writes} writes", outputs[at].kind);
            let cases = (0..writes).flat_map(|first| {
                let refused = errors.map(|(errno, times)| Disturbance::Refused { first, times, errno });
                let short = [0, 40, 100].map(|percent| Disturbance::Short { number: first, percent });
                refused.into_iter().chain(short)
            });
            run_cases(&extent.of(cases.collect()), |disturbance| {
                disturb(&writing, outputs, &expected, at, *disturbance);
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
    println!("{} refused and short writes", count.into_inner());
}

#[test]
fn a_writer_killed_while_any_output_retries_keeps_its_guarantee() {
    kill_while_retrying(Extent::Sample(3));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_while_retrying_each_write_to_any_output() {
    kill_while_retrying(Extent::Every);
}

/// Lets each write fail, or a sample of them, and kills the writer at one of the next calls.
fn kill_while_retrying(extent: Extent) {
    let writing = Writing::new(PRODUCER, &[]);
    let kills = AtomicUsize::new(0);
    for outputs in EVERY_OUTPUT {
        let Undisturbed { calls, lines: expected, .. } = undisturbed(&writing, outputs);
        let writes = calls.iter().filter(|call| call.name == "write").map(|call| call.number);
        let cases = writes.flat_map(|failing| (1..4).map(move |after| (failing, after)));
        run_cases(&extent.of(cases.collect()), |(failing, after)| {
            let copy = writing.copy();
            let mut receivers = Receivers::new(&copy, outputs);
            let ended = run(&mut receivers, |call| match call.number {
                number if number == *failing && call.name == "write" => Fate::Fails(Errno::EIO),
                number if number == failing + after => Fate::KilledAfter,
                _ => Fate::Done,
            });
            kills.fetch_add(usize::from(ended.status.is_none()), Ordering::Relaxed);
            let when = format!("{after} calls after {failing}");
            finish(&mut receivers, &when);
            check(&receivers, &expected, &when);
        });
    }
    let kills = kills.into_inner();
    assert!(kills > EVERY_OUTPUT.len(), "{kills} kills");
    println!("{kills} kills after a failure");
}

#[test]
fn a_writer_killed_while_one_output_is_behind_loses_nothing() {
    kill_while_one_is_behind(Extent::Sample(4));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_write_while_another_output_is_behind() {
    kill_while_one_is_behind(Extent::Every);
}

/// Refuses every write to one of several outputs, and kills the writer after each write to another one, or a sample of
/// them.
fn kill_while_one_is_behind(extent: Extent) {
    let writing = Writing::new(PRODUCER, &[]);
    let sums = [const { AtomicUsize::new(0) }; 2];
    for outputs in EVERY_OUTPUT.into_iter().filter(|outputs| outputs.len() > 1) {
        let Undisturbed { writes, lines: expected, .. } = undisturbed(&writing, outputs);
        let pairs =
            (0..outputs.len()).flat_map(|behind| (0..outputs.len()).map(move |other| (behind, other)));
        let pairs = pairs.filter(|(behind, other)| behind != other);
        let cases =
            pairs.flat_map(|(behind, other)| (1..=writes[other]).map(move |last| (behind, other, last)));
        run_cases(&extent.of(cases.collect()), |(behind, other, last)| {
            let copy = writing.copy();
            let mut receivers = Receivers::new(&copy, outputs);
            let (paths, mut seen) = (receivers.paths(), 0);
            let ended = run(&mut receivers, |call| {
                if call.name != "write" {
                    return Fate::Done;
                }
                seen += usize::from(call.path == paths[*other]);
                match call.path == paths[*behind] {
                    true => Fate::Fails(Errno::EIO),
                    false if seen == *last => Fate::KilledAfter,
                    false => Fate::Done,
                }
            });
            let when = format!("{} behind, {} killed at {last}", outputs[*behind].kind, outputs[*other].kind);
            finish(&mut receivers, &when);
            let (repeated, _) = check(&receivers, &expected, &when);
            for (sum, count) in sums.iter().zip([usize::from(ended.status.is_none()), repeated as usize]) {
                sum.fetch_add(count, Ordering::Relaxed);
            }
        });
    }
    let [kills, repeated] = sums.map(AtomicUsize::into_inner);
    println!("{kills} kills while an output was behind, {repeated} records again");
    assert!(kills > 6, "{kills} kills");
}

#[test]
fn writers_killed_under_load_keep_every_guarantee() {
    const COUNT: u64 = 12_000;
    for outputs in EVERY_OUTPUT {
        let writing = Writing::empty(&[], small_ring());
        let mut receivers = Receivers::new(&writing, outputs);
        let end_one = |receivers: &mut Receivers, after: Duration| {
            receivers.during(|mut writer| {
                let mut writer = Child::start_as_is(&mut writer);
                std::thread::sleep(after);
                writer.kill();
                ((), true)
            });
        };
        let write_rest = |receivers: &mut Receivers| {
            receivers.during(|mut writer| {
                let status = Child::start_as_is(writer.arg("--until-idle")).wait();
                assert!(status.success(), "{outputs:?}: {status}: {}", writing.said());
                ((), false)
            });
        };
        let kills = while_logging(writing.ring(), COUNT, 30, &mut receivers, end_one, write_rest);
        let mut said = Vec::new();
        for (output, parts) in receivers.parts() {
            let kind = output.kind;
            let got = Received::check(&parts, output.guarantee, receivers.again(), false);
            let got = got.unwrap_or_else(|why| panic!("{kind}: {why}"));
            let records = Lines::of(got.text.as_bytes()).records.len() as u64;
            let is_complete = output.guarantee != Guarantee::BestEffort;
            assert!(records == 3 * COUNT || (!is_complete && records < 3 * COUNT), "{kind}: {records}");
            said.push(format!("{kind}: {} again, {} torn", got.repeated, got.torn));
        }
        println!("{kills} kills; {said:?}");
        assert!(kills >= 10, "{outputs:?}: {kills} kills");
    }
}
