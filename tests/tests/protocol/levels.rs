//! Levels are steered from outside while processes log.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringlog::admin::{LevelRule, LevelRules, change_levels};
use ringlog::{Level, Ring};
use ringlog_testkit::{Child, Counters, Random, SOON, Scratch};
use ringlog_tests::{CreateRing, GATES};

use crate::PRODUCER;

/// Where the header's words of levels lie, as FORMAT.md has them.
const EPOCH_AT: u64 = 256;
const RULES_AT: [u64; 2] = [1024, 2048];

pub(crate) fn rule(logger: &str, level: Level) -> LevelRule {
    LevelRule { logger: logger.to_owned(), level, pid: None, until_unix: None }
}

/// Processes that ask their gates all the time, and what they say.
struct Asking {
    at: Scratch,
    ring: Ring,
    counters: Counters,
    children: Vec<Child>,
}

impl Asking {
    fn new() -> Asking {
        let at = Scratch::new();
        let ring = at.create(Ring::options().size("1MiB"));
        let counters = Counters::open(&at.file("counters"));
        Asking { at, ring, counters, children: Vec::new() }
    }

    fn counters_file(&self) -> PathBuf {
        self.at.file("counters")
    }

    fn start(&mut self, role: &str, filter: &str) -> &mut Child {
        let counters = format!("counters={}", self.counters_file().display());
        let (filter, first) = (format!("filter={filter}"), format!("first={}", 3 * self.children.len()));
        let mut child = Child::spawn(PRODUCER, &[role, self.at.name(), &counters, &filter, &first]);
        child.wait_ready();
        child.go();
        self.children.push(child);
        self.children.last_mut().unwrap()
    }

    fn change(&self, change: impl FnMut(&mut LevelRules)) {
        change_levels(self.at.name(), change).unwrap();
    }

    fn open(&self, child: usize) -> u64 {
        self.counters.get(3 * child as u32)
    }

    fn rounds(&self, child: usize) -> u64 {
        self.counters.get(3 * child as u32 + 1)
    }

    /// Waits until these gates, and no others, are open in a child.
    #[track_caller]
    fn wait_open(&self, child: usize, loggers: &[&str]) {
        let open = |logger: &str| loggers.contains(&logger);
        let expected =
            GATES.iter().enumerate().fold(0, |all, (n, (logger, _))| all | u64::from(open(logger)) << n);
        let begun = Instant::now();
        while self.rounds(child) == 0 || self.open(child) != expected {
            let now = self.open(child);
            assert!(begun.elapsed() < SOON, "child {child}: {now:b} are open, not {expected:b}: {loggers:?}");
            std::thread::yield_now();
        }
    }

    /// Waits until a child has asked so many times more.
    #[track_caller]
    fn wait_rounds(&self, child: usize, count: u64) {
        let (begun, from) = (Instant::now(), self.rounds(child));
        while self.rounds(child) < from + count {
            assert!(begun.elapsed() < SOON, "child {child} does not go on");
            std::thread::yield_now();
        }
    }

    fn finish(mut self) {
        for (n, mut child) in self.children.drain(..).enumerate() {
            self.counters.set(3 * n as u32 + 2, 1);
            child.finish();
        }
    }
}

#[test]
fn each_change_of_levels_under_load_reaches_every_process() {
    const CHANGES: usize = 1_000;
    let mut asking = Asking::new();
    for _ in 0..3 {
        asking.start("ask-gates", "info,http=error");
    }
    let states: [(&[LevelRule], &[&str]); 4] = [
        (&[], &[]),
        (&[rule("db", Level::DEBUG)], &["db", "db.pool"]),
        (&[rule("", Level::DEBUG), rule("db.pool", Level::WARN)], &["db", "dbx"]),
        (&[rule("db::query", Level::TRACE), rule("http", Level::INFO)], &["db::query", "http"]),
    ];
    let mut slowest = Duration::ZERO;
    for n in 1..=CHANGES {
        let (rules, open) = &states[n % states.len()];
        let begun = Instant::now();
        asking.change(|all| {
            all.retain(|_| false);
            rules.iter().cloned().for_each(|rule| all.set(rule));
        });
        (0..3).for_each(|child| asking.wait_open(child, open));
        slowest = slowest.max(begun.elapsed());
        if n % 100 == 0 {
            // What is in force now stays so.
            (0..3).for_each(|child| asking.wait_rounds(child, 100));
            (0..3).for_each(|child| asking.wait_open(child, open));
        }
    }
    println!("{CHANGES} changes, each in 3 processes; the slowest took {slowest:?}");
    asking.finish();
}

#[test]
fn a_rule_for_one_process_reaches_no_other() {
    let mut asking = Asking::new();
    asking.start("ask-gates", "error");
    let pid = asking.start("ask-gates", "error,db=debug").id();
    let both = |first: &[&str], second: &[&str]| {
        asking.wait_open(0, first);
        asking.wait_open(1, second);
    };
    both(&[], &["db", "db.pool"]);
    let mine = |rule: LevelRule| LevelRule { pid: Some(pid), ..rule };
    asking.change(|rules| rules.set(rule("", Level::INFO)));
    both(&["http"], &["db", "db.pool", "http"]);
    asking.change(|rules| rules.set(mine(rule("db", Level::TRACE))));
    both(&["http"], &["db", "db.pool", "db::query", "http"]);
    asking.change(|rules| rules.set(rule("db", Level::WARN)));
    both(&["http"], &["db", "db.pool", "db::query", "http"]);
    asking.change(|rules| rules.set(rule("db.pool", Level::WARN)));
    both(&["http"], &["db", "db::query", "http"]);
    asking.change(|rules| rules.remove("db", Some(pid)));
    both(&["http"], &["http"]);
    let stat = asking.ring.observe().unwrap().levels().unwrap();
    let filters: Vec<_> =
        stat.processes.iter().map(|process| (process.pid, process.filter.as_deref())).collect();
    let mut expected = [(asking.children[0].id(), Some("error")), (pid, Some("error,db=debug"))];
    expected.sort();
    assert_eq!(filters, expected, "what each process wants by itself is seen from outside");
    asking.finish();
}

#[test]
fn a_forked_child_does_not_follow_a_rule_for_its_parent() {
    let mut asking = Asking::new();
    let at = asking.at.name().to_owned();
    let counters = format!("counters={}", asking.counters_file().display());
    let mut parent = Child::spawn(PRODUCER, &["fork-and-ask", &at, &counters]);
    parent.wait_ready();
    let for_process = |pid| LevelRule { pid: Some(pid), ..rule("db", Level::DEBUG) };
    asking.change(|rules| rules.set(for_process(parent.id())));
    parent.go();
    let line = parent.line();
    let numbers: Vec<u64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [before, in_child, child] = numbers[..] else { panic!("{line}") };
    assert_eq!((before, in_child), (0b10011, 0b10000), "its parent's gates were open, its own are not");
    asking.wait_open(0, &["http"]);
    asking.change(|rules| rules.set(for_process(child as u32)));
    asking.wait_open(0, &["db", "db.pool", "http"]);
    asking.counters.set(2, 1);
    parent.finish();
    asking.children.clear();
}

#[test]
fn a_change_of_levels_reaches_a_process_without_system_calls() {
    let mut asking = Asking::new();
    asking.start("ask-without-system-call", "info");
    let wait = |value| {
        let begun = Instant::now();
        while asking.counters.get(0) != value {
            assert!(begun.elapsed() < SOON, "it has not come to {value}");
            std::thread::yield_now();
        }
    };
    asking.change(|rules| rules.set(rule("db", Level::DEBUG)));
    wait(2);
    asking.change(|rules| rules.remove("db", None));
    wait(1);
    assert_eq!(asking.children[0].finish(), [1]);
}

#[test]
fn rules_of_a_removed_ring_hold_until_another_takes_its_place() {
    let mut asking = Asking::new();
    asking.start("ask-gates", "info");
    asking.change(|rules| rules.set(rule("db", Level::DEBUG)));
    asking.wait_open(0, &["db", "db.pool", "http"]);
    ringlog::admin::remove(asking.at.name(), true).unwrap();
    asking.wait_rounds(0, 100);
    asking.wait_open(0, &["db", "db.pool", "http"]);
    let _new = asking.at.create(Ring::options().size("1MiB"));
    asking.start("ask-gates", "info");
    asking.wait_open(1, &["http"]);
    asking.change(|rules| rules.set(rule("dbx", Level::DEBUG)));
    asking.wait_open(1, &["dbx", "http"]);
    // The first process looks at the path after a second, also if it logs nothing.
    asking.wait_open(0, &["dbx", "http"]);
    asking.finish();
}

#[test]
fn the_next_change_repairs_damaged_rules() {
    const SCRIBBLES: u32 = 2_000;
    let mut asking = Asking::new();
    asking.start("ask-gates", "info");
    asking.wait_open(0, &["http"]);
    let file = File::options().read(true).write(true).open(asking.at.name()).unwrap();
    let mut random = Random::new(7);
    let mut opened_at = [0; 8];
    let mut bytes = [0_u8; 1024];
    for n in 0..SCRIBBLES {
        bytes.fill_with(|| random.below(256) as u8);
        // Lengths that fit among those that do not, and words that were in force before.
        bytes[6..8].fill(0);
        let epoch = [0, random.below(u64::MAX), u64::MAX, random.below(9)][n as usize % 4];
        for (at, bytes) in [(EPOCH_AT, &epoch.to_le_bytes()[..]), (RULES_AT[n as usize & 1], &bytes)] {
            file.write_all_at(bytes, at).unwrap();
        }
        if n % 50 != 0 {
            continue;
        }
        asking.wait_rounds(0, 10);
        let opened = n % 100 == 0;
        if !opened {
            // As if the epoch at which the gates were found open came next.
            let before = u64::from_le_bytes(opened_at) - 1;
            file.write_all_at(&before.to_le_bytes(), EPOCH_AT).unwrap();
        }
        let level = if opened { Level::DEBUG } else { Level::ERROR };
        asking.change(|rules| {
            rules.retain(|_| false);
            rules.set(rule("", level));
        });
        asking.wait_open(0, if opened { &["db", "db.pool", "dbx", "http"] } else { &[] });
        let found = asking.ring.observe().unwrap().level_rules();
        assert_eq!(&found[..], [rule("", level)]);
        if opened {
            file.read_exact_at(&mut opened_at, EPOCH_AT).unwrap();
        }
    }
    println!("scribbled {SCRIBBLES} times");
    asking.finish();
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_statement_behind_a_closed_gate_takes_few_instructions() {
    use ringlog_testkit::Stepped;
    let at = Scratch::new();
    let _ring = at.create(Ring::options().size("1MiB"));
    let mut child = Stepped::start(PRODUCER, &["pass-closed-gates", at.name()]);
    let nothing = child.follow(|_| ()).len();
    child.run_over_marker();
    let ten = child.follow(|_| ()).len() - nothing;
    println!("{ten} instructions for ten statements, with the call of a function");
    // Optimised they are five: where the epoch lies, the epoch, when it was found closed, compare, branch.
    let most = if cfg!(debug_assertions) { 180 } else { 60 };
    assert!((50..=most).contains(&ten), "{ten}");
}
