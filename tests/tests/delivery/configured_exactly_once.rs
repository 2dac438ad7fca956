//! Several outputs by a configuration: wherever the writer is killed, each of them has every record exactly once.

use std::fs;

use nix::errno::Errno;
use ringlog_testkit::{Call, Ended, Extent, Fate, Random, run_deciding};
use ringlog_tests::{Lines, Writing};

use crate::PRODUCER;

/// A file that is closed by size, one that is not, and one that gets only a part.
const CONFIG: &str = r#"
grace = "0ms"
[formatters.ids]
kind = "text"
ids = true
[handlers.rotated]
kind = "file"
path = "DIR/rotated.log"
formatter = "ids"
[handlers.rotated.rotate]
size = "6KiB"
naming = "number"
[handlers.plain]
kind = "file"
path = "DIR/plain.log"
formatter = "ids"
fsync = "batch"
[handlers.some]
kind = "file"
path = "DIR/some.log"
level = "WARNING"
formatter = "ids"
[root]
handlers = ["rotated", "plain", "some"]
"#;

fn run(writing: &Writing, decide: impl FnMut(&Call) -> Fate + Send) -> Ended {
    let mut writer = writing.configured(CONFIG);
    run_deciding(writer.arg("--until-idle"), &writing.dir(), decide)
}

/// What each output has, in its files together.
fn lines(writing: &Writing) -> [Lines; 3] {
    ["rotated", "plain", "some"].map(|output| {
        let mut names = writing.files();
        names.retain(|name| name.starts_with(output) && !name.contains("checkpoint"));
        // The open file is the last in the order of writing, and of the alphabet.
        let read = |name: &String| fs::read(writing.dir().join(name)).unwrap();
        Lines::of(&names.iter().flat_map(read).collect::<Vec<u8>>())
    })
}

#[test]
fn a_killed_writer_of_several_outputs_goes_on_exactly_once() {
    kill_at_every_call(Extent::Sample(6));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_call_several_outputs_have_each_record_once() {
    kill_at_every_call(Extent::Every);
}

/// Kills the writer before and after each of its calls, or a sample of them.
fn kill_at_every_call(extent: Extent) {
    let writing = Writing::new(PRODUCER, &[]);
    let copy = writing.copy();
    let undisturbed = run(&copy, |_| Fate::Done);
    assert!(undisturbed.status.unwrap().success() && copy.said().is_empty(), "{}", copy.said());
    let expected = lines(&copy);
    assert_eq!(
        expected.each_ref().map(|lines| (lines.records.len(), lines.deaths)),
        [(270, 1), (270, 1), (0, 1)]
    );
    let (mut random, mut kills) = (Random::new(7), 0);
    // Threads take turns as they like, so it is not always the same call that has a number.
    let calls = undisturbed.calls.len();
    let numbers = extent.of((0..calls).collect());
    for number in numbers.iter().copied() {
        for fate in [Fate::KilledBefore, Fate::KilledAfter] {
            let copy = writing.copy();
            let decide =
                |fatal: usize| move |call: &Call| if call.number == fatal { fate } else { Fate::Done };
            kills += usize::from(run(&copy, decide(number)).status.is_none());
            if random.below(3) == 0 {
                kills +=
                    usize::from(run(&copy, decide(random.below(calls as u64) as usize)).status.is_none());
            }
            let when = format!("{fate:?} at {number}");
            assert!(run(&copy, |_| Fate::Done).status.unwrap().success(), "{when}: {}", copy.said());
            assert_eq!(copy.said(), "", "{when}");
            assert!(lines(&copy) == expected, "{when}: {:#?}", lines(&copy));
        }
    }
    println!("{calls} calls, {kills} kills");
    assert!(kills > numbers.len(), "most of them are met: {kills}");
}

#[test]
fn a_failing_output_gets_everything_and_no_other_waits() {
    let writing = Writing::new(PRODUCER, &[]);
    let copy = writing.copy();
    run(&copy, |_| Fate::Done);
    let expected = lines(&copy);
    let copy = writing.copy();
    let (mut refusals, mut others) = (0, 0);
    let ended = run(&copy, |call| {
        let is_write = call.name == "write";
        if is_write && call.path.ends_with("plain.log") && refusals < 3 {
            refusals += 1;
            return Fate::Fails(Errno::ENOSPC);
        }
        others += usize::from(is_write && call.path.ends_with("rotated.log") && refusals < 3);
        Fate::Done
    });
    assert!(ended.status.unwrap().success());
    assert_eq!((refusals, others > 0), (3, true));
    assert!(lines(&copy) == expected, "{:#?}", lines(&copy));
    let said = copy.said();
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(
        said.contains("plain.log: No space left")
            && said.contains("writing to")
            && said.contains("plain.log again"),
        "{said}"
    );
}
