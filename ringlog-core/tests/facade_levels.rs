//! Levels of the `log` facade, steered from outside. One test, because a process has one global logger.
#![cfg(feature = "log")]

use ringlog::admin::{LevelRule, change_levels};
use ringlog::{Initialized, Level, Ring};
use ringlog_testkit::Scratch;

#[test]
fn records_of_libraries_follow_rules_from_outside() {
    let dir = Scratch::new();
    let name = dir.text("app");
    let ring = Ring::options().size("1MiB").create_or_open(&name).unwrap();
    let log = ring.logger();
    assert!(log.allows(Level::TRACE, "db"), "no rule names it");
    let done = ringlog::init_ring(&ring, "info,noisy=error".parse().unwrap());
    assert_eq!(done, Initialized::Ring(ring.path().to_owned()));
    assert_eq!(ringlog::init_ring(&ring, "info".parse().unwrap()), Initialized::AlreadySet);

    let asked = [("db", log::Level::Debug), ("db::query", log::Level::Debug), ("noisy", log::Level::Warn)];
    let wanted = |expected: [bool; 3]| {
        // Twice: the second decision may be a kept one.
        for _ in 0..2 {
            let enabled = asked.map(|(target, level)| log::log_enabled!(target: target, level));
            assert_eq!(enabled, expected);
            let allowed = asked.map(|(target, level)| {
                let level = if level == log::Level::Warn { Level::WARN } else { Level::DEBUG };
                ring.logger().allows(level, target)
            });
            assert_eq!(allowed, expected, "a logger that is named decides the same");
        }
    };
    let rule =
        |logger: &str, level| LevelRule { logger: logger.to_owned(), level, pid: None, until_unix: None };
    let set = |rule: LevelRule| drop(change_levels(&name, |rules| rules.set(rule.clone())).unwrap());
    wanted([false, false, false]);
    set(rule("db::query", Level::DEBUG));
    wanted([false, true, false]);
    set(rule("", Level::TRACE));
    wanted([true, true, false]);
    set(LevelRule { pid: Some(std::process::id()), ..rule("noisy", Level::WARN) });
    wanted([true, true, true]);
    set(LevelRule { pid: Some(std::process::id()), ..rule("db", Level::ERROR) });
    wanted([false, true, true]);
    set(LevelRule { pid: Some(std::process::id() + 1), ..rule("db::query", Level::ERROR) });
    wanted([false, true, true]);
    change_levels(&name, |rules| rules.retain(|_| false)).unwrap();
    wanted([false, false, false]);

    // The loggers are listed, although records of the facade have no definitions.
    log::info!(target: "db::query", "plain");
    log::error!(target: "noisy", "formatted {}", 1);
    log::info!(target: "noisy", "not wanted");
    log.text(Level::INFO, "", "of no logger").unwrap();
    let processes = ring.observe().unwrap().levels().unwrap().processes;
    let loggers: Vec<_> = processes.iter().flat_map(|process| &process.loggers).collect();
    let loggers: Vec<_> = loggers.iter().map(|logger| (&*logger.logger, logger.least)).collect();
    assert_eq!(loggers, [("db::query", Some(Level::INFO)), ("noisy", Some(Level::ERROR))]);
}
