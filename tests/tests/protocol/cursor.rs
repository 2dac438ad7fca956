//! A cursor is a place between two entries: those behind it never come again, those before it come.

use std::time::Duration;

use ringlog::Ring;
use ringlog::reader::{Consumer, Cursor, Entry, Origin};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{CreateRing, Kind, Proof, Sequenced, note};

use crate::PRODUCER;

/// Lane and content, but no time: a death has the time at which it was noticed.
fn describe(entry: &Entry<'_>) -> String {
    let Origin { lane, incarnation, .. } = entry.origin;
    let what =
        Proof::of(entry).map_or_else(|| entry.message().to_string(), |proof| proof.sequence.to_string());
    format!("lane {lane:?}.{incarnation}: {what}")
}

/// In the order of each lane, whatever that of the lanes is: a death before the cursor that was not reported yet
/// may be reported later than otherwise.
#[track_caller]
fn assert_same(came: &[String], expected: &[String], when: &str) {
    let by_lane = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort_by_key(|line| line.split('.').next().unwrap_or_default().to_owned());
        lines
    };
    assert_eq!(by_lane(came), by_lane(expected), "{when}");
}

/// Everything that is left.
fn drain(consumer: &mut Consumer) -> Vec<String> {
    let mut came = Vec::new();
    for _ in 0..3 {
        while let Some(entry) = consumer.next(Duration::ZERO).unwrap() {
            came.push(describe(&entry));
        }
        // Looks at what the lanes' entries say.
        consumer.is_drained().unwrap();
    }
    came
}

fn from(ring: &Ring, cursor: &Cursor) -> Consumer {
    let mut consumer = ring.consumer().unwrap();
    consumer.resume(cursor).unwrap();
    consumer.set_grace(Duration::ZERO);
    consumer
}

fn copy_of(ring: &Scratch) -> Scratch {
    let copy = Scratch::new();
    std::fs::copy(ring.name(), copy.name()).unwrap();
    copy
}

fn run(ring: &Scratch, arguments: &[&str], kill: bool) {
    let arguments: Vec<&str> = ["end", ring.name()].iter().chain(arguments).copied().collect();
    let mut child = Child::spawn(PRODUCER, &arguments);
    while child.line() != "ready" {}
    if kill {
        child.kill();
    } else {
        child.finish();
    }
}

/// A ring with every kind of entry: owners one after the other in the same lanes, orderly and
/// killed, and long records; if it `refuses` some, their first entries are gone already.
fn eventful(refuses: bool) -> Scratch {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("64KiB").block_bytes(1024).lanes(6));
    run(&at, &["threads=2", "count=12", "how=wait"], true);
    run(&at, &["threads=2", "count=7", "how=return"], false);
    run(&at, &["threads=3", "count=5", "how=wait"], true);
    let log = ring.logger();
    let push = |n: u64| log.push(&Sequenced::new(9, n, note(n, 7)));
    if !refuses {
        (0..20).for_each(|n| push(n).unwrap());
        return at;
    }
    while push(6).is_ok() {}
    let mut consumer = ring.consumer().unwrap();
    for _ in 0..40 {
        consumer.next(SOON).unwrap().unwrap();
    }
    consumer.ack().unwrap();
    drop(consumer);
    (0..20).for_each(|n| _ = push(n));
    at
}

#[test]
fn entries_behind_a_cursor_never_come_again() {
    for (refuses, least_exits, least_gaps) in [(false, 5, 0), (true, 3, 1)] {
        check(&eventful(refuses), least_exits, least_gaps);
    }
}

fn check(ring: &Scratch, least_exits: usize, least_gaps: usize) {
    let all = {
        let copy = copy_of(ring);
        drain(&mut from(&Ring::open(copy.name()).unwrap(), &Cursor::default()))
    };
    let exits = all.iter().filter(|line| line.contains("without closing its lane")).count();
    let gaps = all.iter().filter(|line| line.contains("dropped")).count();
    println!("{} entries, {exits} unclean exits, {gaps} gaps", all.len());
    assert!(all.len() > 40 && exits >= least_exits && gaps >= least_gaps, "{all:#?}");
    for given in 1..=all.len() {
        let acknowledged = given / 2;
        let (copy, mut cursor, mut steps) = (copy_of(ring), Cursor::default(), Vec::new());
        let copied = Ring::open(copy.name()).unwrap();
        let mut consumer = from(&copied, &Cursor::default());
        let (mut came, mut marked) = (Vec::new(), None);
        let mut before_last = consumer.cursor();
        while came.len() < given {
            if came.len() == acknowledged {
                marked = Some(consumer.mark());
            }
            if let Some(entry) = consumer.next(Duration::ZERO).unwrap() {
                came.push(describe(&entry));
                steps.push(consumer.step());
                consumer.cursor_into(&mut cursor);
            } else {
                consumer.is_drained().unwrap();
            }
        }
        assert_same(&came, &all[..given], "the first ones");
        // What came behind the mark is not acknowledged with it.
        consumer.mark();
        marked.into_iter().for_each(|mark| consumer.ack_to(mark).unwrap());
        drop(consumer);
        let again = drain(&mut from(&copied, &Cursor::default()));
        assert_same(&again, &all[acknowledged..], &format!("{given} given out, {acknowledged} acknowledged"));
        before_last.advance(&steps[..given - 1]);
        assert!(steps[..given - 1].iter().all(|step| before_last.covers(step)), "{given}");
        assert!(!before_last.covers(&steps[given - 1]) && cursor.covers(&steps[given - 1]), "{given}");
        for (cursor, behind) in [(&before_last, given - 1), (&cursor, given), (&cursor, given)] {
            let mut consumer = from(&copied, cursor);
            let when = format!("{given} given out, {acknowledged} acknowledged, {behind} behind");
            assert_same(&drain(&mut consumer), &all[behind..], &when);
        }
        // And once more with all that is left acknowledged.
        let mut consumer = from(&copied, &cursor);
        assert_same(&drain(&mut consumer), &all[given..], "again");
        consumer.ack().unwrap();
        assert!(consumer.is_drained().unwrap());
        drop(consumer);
        let stat = copied.observe().unwrap().stat().unwrap();
        assert_eq!(
            (stat.lag(), stat.persisted),
            (0, stat.published),
            "{given} given out, {acknowledged} acknowledged"
        );
        assert_eq!(
            drain(&mut from(&copied, &Cursor::default())),
            [""; 0],
            "the ring has forgotten what the cursor said"
        );
    }
}

#[test]
fn a_cursor_of_another_ring_is_ignored() {
    let (one, other) = (eventful(true), eventful(false));
    let mut consumer = from(&Ring::open(one.name()).unwrap(), &Cursor::default());
    drain(&mut consumer);
    let foreign = consumer.cursor();
    let ring = Ring::open(other.name()).unwrap();
    let with = drain(&mut from(&ring, &foreign));
    assert_eq!(with, drain(&mut from(&ring, &Cursor::default())));
    assert!(!with.is_empty());
}

#[test]
fn a_cursor_without_all_lanes_keeps_the_order_of_time() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB"));
    let push =
        |log: &ringlog::Logger, n: u64| log.push(&Sequenced::new((n % 2) as u32, n, note(n, 3))).unwrap();
    let (asked, ask) = std::sync::mpsc::channel::<u64>();
    let (done, finished) = std::sync::mpsc::channel();
    let other = ring.logger();
    let other = std::thread::spawn(move || {
        for n in ask {
            push(&other, n);
            done.send(()).unwrap();
        }
    });
    let log = ring.logger();
    for n in 0..40 {
        if n % 2 == 0 {
            push(&log, n);
        } else {
            asked.send(n).unwrap();
            finished.recv().unwrap();
        }
    }
    drop(asked);
    other.join().unwrap();

    for known in [1, 2, 7] {
        let copy = copy_of(&at);
        let ring = Ring::open(copy.name()).unwrap();
        let mut consumer = ring.consumer().unwrap();
        consumer.set_grace(Duration::ZERO);
        for _ in 0..known {
            consumer.next(SOON).unwrap().unwrap();
        }
        let cursor = consumer.cursor();
        drop(consumer);
        let mut consumer = from(&ring, &cursor);
        let mut came = Vec::new();
        while let Some(entry) = consumer.next(SOON).unwrap() {
            came.push(Proof::of(&entry).unwrap().sequence);
            if came.len() as u64 == 40 - known {
                break;
            }
        }
        assert!(came.iter().copied().eq(known..40), "after {known}: {came:?}");
    }
}
