//! A cursor is a place between two entries: those behind it never come again, those before it come.

use std::time::Duration;

use ringlog::Ring;
use ringlog::reader::{Body, Consumer, Cursor, Entry, Origin};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{CreateRing, Kind, Proof, Sequenced, note};

use crate::PRODUCER;

/// What came, in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Came {
    lane: u32,
    incarnation: u32,
    /// What it is, but no time: a death has the time at which it was noticed.
    what: String,
    /// Of a death the lanes that the process left open.
    died: Option<Vec<(u32, u32)>>,
}

fn describe(entry: &Entry<'_>) -> Came {
    let Origin { lane, incarnation, .. } = *entry.origin;
    let what =
        Proof::of(entry).map_or_else(|| entry.message().to_string(), |proof| proof.sequence.to_string());
    let died = match entry.body {
        Body::UncleanExit(exit) => Some(exit.lanes.iter().map(|end| (end.lane, end.incarnation)).collect()),
        _ => None,
    };
    Came { lane, incarnation, what, died }
}

/// In the order of each lane, whatever that of the lanes is. The deaths: they are reported when all lanes of a process
/// are read.
fn by_lane(came: &[Came]) -> (Vec<&Came>, Vec<(u32, u32, &str)>) {
    let (deaths, mut rest): (Vec<&Came>, Vec<_>) = came.iter().partition(|came| came.died.is_some());
    rest.sort_by_key(|came| came.lane);
    let mut deaths: Vec<_> =
        deaths.iter().map(|death| (death.lane, death.incarnation, &*death.what)).collect();
    deaths.sort_unstable();
    (rest, deaths)
}

#[track_caller]
fn assert_same(came: &[Came], expected: &[Came], when: &str) {
    assert_eq!(by_lane(came), by_lane(expected), "{when}");
    for (at, death) in came.iter().enumerate() {
        let lanes = death.died.iter().flatten();
        let behind: Vec<_> = lanes
            .filter(|lane| came[at..].iter().skip(1).any(|c| (c.lane, c.incarnation) == **lane))
            .collect();
        assert_eq!(behind, [] as [&(u32, u32); 0], "{when}: records behind {death:?}");
    }
}

/// What is left of all when these have come.
#[track_caller]
fn without(all: &[Came], came: &[Came]) -> Vec<Came> {
    let same = |a: &Came, b: &Came| (a.lane, a.incarnation, &a.what) == (b.lane, b.incarnation, &b.what);
    let mut left = all.to_vec();
    for one in came {
        let is_next = |left: &Came| match one.died {
            Some(_) => same(left, one),
            None => left.died.is_none() && left.lane == one.lane,
        };
        let at = left.iter().position(is_next).filter(|at| same(&left[*at], one));
        left.remove(at.unwrap_or_else(|| panic!("{one:?} is not next of {left:?}")));
    }
    left
}

/// Everything that is left.
fn drain(consumer: &mut Consumer) -> Vec<Came> {
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
    for (refuses, least_exits, least_gaps) in [(false, 2, 0), (true, 1, 1)] {
        check(&eventful(refuses), least_exits, least_gaps);
    }
}

fn check(ring: &Scratch, least_exits: usize, least_gaps: usize) {
    let all = {
        let copy = copy_of(ring);
        drain(&mut from(&Ring::open(copy.name()).unwrap(), &Cursor::default()))
    };
    let exits = all.iter().filter(|came| came.died.is_some()).count();
    let gaps = all.iter().filter(|came| came.what.contains("dropped")).count();
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
        // What came behind the mark is not acknowledged with it.
        consumer.mark();
        marked.into_iter().for_each(|mark| consumer.ack_to(mark).unwrap());
        drop(consumer);
        let again = drain(&mut from(&copied, &Cursor::default()));
        assert_same(
            &again,
            &without(&all, &came[..acknowledged]),
            &format!("{given} given out, {acknowledged} acknowledged"),
        );
        before_last.advance(&steps[..given - 1]);
        assert!(steps[..given - 1].iter().all(|step| before_last.covers(step)), "{given}");
        assert!(!before_last.covers(&steps[given - 1]) && cursor.covers(&steps[given - 1]), "{given}");
        for (cursor, behind) in [(&before_last, given - 1), (&cursor, given), (&cursor, given)] {
            let mut consumer = from(&copied, cursor);
            let when = format!("{given} given out, {acknowledged} acknowledged, {behind} behind");
            assert_same(&drain(&mut consumer), &without(&all, &came[..behind]), &when);
        }
        // And once more with all that is left acknowledged.
        let mut consumer = from(&copied, &cursor);
        assert_same(&drain(&mut consumer), &without(&all, &came), "again");
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
            [] as [Came; 0],
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
