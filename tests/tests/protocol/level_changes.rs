//! Changes of levels exclude each other, and a process that is killed in one leaves the old levels or the new.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use ringlog::admin::{LevelRules, change_levels};
use ringlog::reader::Observer;
use ringlog::{Level, Ring};
use ringlog_testkit::{Child, Extent, Random, SOON, Scratch};
use ringlog_tests::{CreateRing, lock_file};

use crate::PRODUCER;
use crate::levels::rule;

/// The byte that a process locks to change the levels, as FORMAT.md has it.
const LEVELS_LOCK: i64 = (1 << 40) + 2;

/// Rules of the ring in a file whose header is `header` and whose rest does not matter.
#[cfg(target_arch = "x86_64")]
fn rules_in(at: &Scratch, ring: &[u8], header: &[u8]) -> LevelRules {
    std::fs::write(at.name(), [header, &ring[header.len()..]].concat()).unwrap();
    let rules = Observer::open(at.name()).unwrap().level_rules();
    // The next change begins from there.
    let next = change_levels(at.name(), |rules| rules.set(rule("next", Level::INFO))).unwrap();
    assert_eq!(next.len(), rules.len() + 1);
    rules
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_kill_during_a_change_leaves_the_old_levels_or_the_new() {
    kill_at_each_instruction_of_a_change(Extent::Sample(15));
}

#[cfg(target_arch = "x86_64")]
#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn killed_at_each_instruction_of_a_change_of_levels() {
    kill_at_each_instruction_of_a_change(Extent::Every);
}

/// Kills a process at each instruction of a change of levels: what it leaves behind is one of the states of the
/// header, of which `extent` are tried.
#[cfg(target_arch = "x86_64")]
fn kill_at_each_instruction_of_a_change(extent: Extent) {
    use ringlog_testkit::Stepped;
    const HEADER: usize = 4096;
    let at = Scratch::new();
    let _ring = at.create(Ring::options().size("128KiB").block_bytes(1024).lanes(4));
    let new_rules = |level| [rule("db", level), rule("a.logger.with.a.longer.name", level)];
    for level in [Level::DEBUG, Level::WARN] {
        let before = Observer::open(at.name()).unwrap().level_rules();
        let whole = std::fs::read(at.name()).unwrap();
        let number = format!("level={}", level.number());
        let mut changer = Stepped::start(PRODUCER, &["change-levels", at.name(), &number]);
        let file = File::open(at.name()).unwrap();
        let mut header = vec![0; HEADER];
        let mut states = Vec::new();
        let path = changer.follow(|_| {
            file.read_exact_at(&mut header, 0).unwrap();
            if states.last() != Some(&header) {
                states.push(header.clone());
            }
        });
        drop(changer);
        let all = states.len();
        let states = extent.of(states);
        let mut expected = before.clone();
        new_rules(level).into_iter().for_each(|rule| expected.set(rule));
        let copy = Scratch::new();
        let found: Vec<LevelRules> = states.iter().map(|state| rules_in(&copy, &whole, state)).collect();
        let new = found.iter().position(|rules| *rules == expected).expect("the change");
        assert!(found[..new].iter().all(|rules| *rules == before) && new > 3, "{found:?}");
        assert!(found[new..].iter().all(|rules| *rules == expected), "{found:?}");
        let (instructions, count) = (path.len(), all);
        println!("{instructions} instructions, {count} states, in force from the {new}th on");
        // The second time over older texts in both halves.
        for older in [Level::ERROR, Level::CRITICAL] {
            change_levels(at.name(), |rules| rules.set(rule("older", older))).unwrap();
        }
    }
}

#[test]
fn a_change_of_levels_excludes_others() {
    let at = Scratch::new();
    let _ring = at.create(Ring::options().size("128KiB").block_bytes(1024).lanes(4));
    let other = File::options().read(true).write(true).open(lock_file(at.name())).unwrap();
    let lock = |kind| {
        // SAFETY: all zero is a valid value of this plain C struct.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        (lock.l_type, lock.l_start, lock.l_len) = (kind as libc::c_short, LEVELS_LOCK, 1);
        // SAFETY: a valid descriptor and struct.
        assert_eq!(unsafe { libc::fcntl(other.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }, 0);
    };
    // Shared, so that a change that takes only a shared lock is found out.
    lock(libc::F_RDLCK);
    std::thread::scope(|scope| {
        let change = scope.spawn(|| change_levels(at.name(), |rules| rules.set(rule("db", Level::INFO))));
        for _ in 0..20 {
            assert!(!change.is_finished() && Observer::open(at.name()).unwrap().level_rules().is_empty());
            std::thread::sleep(Duration::from_millis(5));
        }
        lock(libc::F_UNLCK);
        assert_eq!(change.join().unwrap().unwrap().len(), 1);
    });
}

#[test]
fn concurrent_changes_of_levels_are_all_kept() {
    let at = Scratch::new();
    let _ring = at.create(Ring::options().size("128KiB").block_bytes(1024).lanes(4));
    let names: Vec<String> = (0..60).map(|n| format!("l.{n}")).collect();
    std::thread::scope(|scope| {
        for mine in names.chunks(10) {
            let set =
                |name: &String| change_levels(at.name(), |rules| rules.set(rule(name, Level::INFO))).unwrap();
            scope.spawn(move || mine.iter().for_each(|name| drop(set(name))));
        }
    });
    let rules = Observer::open(at.name()).unwrap().level_rules();
    assert!(names.iter().all(|name| rules.contains(&rule(name, Level::INFO))), "{rules:?}");
}

#[test]
fn a_process_killed_in_a_change_of_levels_blocks_no_other() {
    const KILLS: u32 = 150;
    let at = Scratch::new();
    let _ring = at.create(Ring::options().size("128KiB").block_bytes(1024).lanes(4));
    let mut random = Random::new(11);
    let mut changes = 0;
    for _ in 0..KILLS {
        let mut changer = Child::spawn(PRODUCER, &["change-levels", at.name(), "endless=1"]);
        changer.wait_ready();
        changer.go();
        let begun = Instant::now();
        while Observer::open(at.name()).unwrap().level_rules().is_empty() {
            assert!(begun.elapsed() < SOON, "it changes nothing");
        }
        std::thread::sleep(Duration::from_micros(random.below(500)));
        changer.kill();
        let mut found = LevelRules::default();
        change_levels(at.name(), |rules| {
            found = rules.clone();
            rules.retain(|_| false);
        })
        .unwrap();
        let levels: Vec<Level> = found.iter().map(|rule| rule.level).collect();
        assert!(levels.len() == 2 && levels[0] == levels[1], "{found:?}");
        changes += u32::from(levels[0] == Level::WARN);
    }
    println!("{KILLS} kills, {changes} of them after a second change");
}
