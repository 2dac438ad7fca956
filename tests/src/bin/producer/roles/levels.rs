//! Processes whose levels are steered from outside, and one that steers.

#![allow(unsafe_code)]

use std::path::Path;
use std::time::Instant;

use ringlog::__private::Gate;
use ringlog::admin::LevelRule;
use ringlog::{Level, Ring};
use ringlog_testkit::{Counters, SOON, fork_child};
use ringlog_tests::GATES;

use super::forking::ended_well;
use super::restricted::{end_with, forbid_system_calls};
use crate::{Arguments, ready};

/// The gates of this program's log statements.
static MINE: [Gate; GATES.len()] = [const { Gate::new() }; GATES.len()];

/// Which gates are open: bit n for gate n.
#[inline(never)]
fn open_gates() -> u64 {
    let gates = MINE.iter().zip(GATES).enumerate();
    gates
        .fold(0, |open, (n, (gate, (logger, level)))| open | u64::from(gate.is_open(|| (level, logger))) << n)
}

fn set_default(ring: &Ring, arguments: &Arguments) {
    let filter = arguments.text("filter").unwrap_or_default().parse().unwrap();
    ringlog::set_default(ring.logger(), filter).unwrap();
}

/// Asks all gates and stores the answer, again and again, until the counter after the answers is set; every
/// thousandth time logs a record too, so that the process has its lanes.
fn ask(counters: &Counters, first: u32) {
    let [open_at, rounds_at, end_at] = [first, first + 1, first + 2];
    for round in 1.. {
        if counters.get(end_at) != 0 {
            return;
        }
        counters.set(open_at, open_gates());
        counters.set(rounds_at, round);
        if round % 1000 == 1 {
            // A ring without a consumer is full some day.
            let _ = ringlog::default_logger().unwrap().text(Level::INFO, "http", "asked");
        }
        // The machine is shared by more processes than it has processors.
        std::thread::yield_now();
    }
}

pub(crate) fn ask_gates(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    set_default(&ring, arguments);
    let counters = Counters::open(Path::new(arguments.text("counters").unwrap()));
    ready();
    ask(&counters, arguments.number("first", 0) as u32);
}

/// Asks until gate 0 is open and then until it is closed again, where any system call would kill.
pub(crate) fn ask_without_system_call(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    set_default(&ring, arguments);
    let counters = Counters::open(Path::new(arguments.text("counters").unwrap()));
    assert_eq!(open_gates() & 1, 0);
    ready();
    forbid_system_calls();
    let mut good = true;
    for wanted in [1, 0] {
        let begun = Instant::now();
        while good && open_gates() & 1 != wanted {
            // A loop without system calls cannot print, so the test reads a counter.
            good = begun.elapsed() < SOON;
        }
        counters.set(0, wanted + 1);
    }
    end_with(good);
}

/// A process in whose gates a rule for it alone is remembered forks; the child asks at once, before it
/// attaches, prints what is open, and goes on as `ask_gates` does. Prints the child's pid.
pub(crate) fn fork_and_ask(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    set_default(&ring, arguments);
    let counters = Counters::open(Path::new(arguments.text("counters").unwrap()));
    ready();
    let before = open_gates();
    let child = fork_child(|| {
        // A test that fails kills only the parent.
        // SAFETY: has no preconditions.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        println!("{before} {} {}", open_gates(), std::process::id());
        ask(&counters, 0);
    });
    ended_well(child);
}

/// Sets rules between two markers; or, if it is `endless`, others in turn until it is killed.
pub(crate) fn change_levels(name: &str, arguments: &Arguments) {
    let rule =
        |logger: &str, level| LevelRule { logger: logger.to_owned(), level, pid: None, until_unix: None };
    let change = |level| {
        ringlog::admin::change_levels(name, |rules| {
            rules.set(rule("db", level));
            rules.set(rule("a.logger.with.a.longer.name", level));
        })
    };
    let level = Level::from_number(arguments.number("level", 10) as u8);
    ready();
    while arguments.number("endless", 0) != 0 {
        change(Level::DEBUG).unwrap();
        change(Level::WARN).unwrap();
    }
    #[cfg(target_arch = "x86_64")]
    ringlog_testkit::marker();
    let changed = change(level);
    #[cfg(target_arch = "x86_64")]
    ringlog_testkit::marker();
    changed.unwrap();
}
