//! Level rules out of any bytes, as a gate, `ringlog level` and the writer meet them.

use ringlog::admin::{LevelRule, LevelRules};
use ringlog::fuzzing::Steering;
use ringlog::{Filter, Level};

use crate::script::Script;

const LOGGERS: [&str; 7] = ["", "db", "db.pool", "db::query", "dbx", "ä.b::c", "."];
/// One for which rules are, and one of whom none knows.
const PIDS: [u32; 2] = [4711, 1];
const NOW_UNIX: u64 = 1_795_256_130;

/// The part of the header that keeps the level rules: read, decided by, changed, and read again.
pub fn rules(data: &[u8]) {
    let mut script = Script::new(data);
    let flags = script.byte().unwrap_or(0);
    let (is_text, wants_filter, has_epoch) = (flags & 1 == 0, flags & 2 != 0, flags & 4 != 0);
    let epoch = if has_epoch { script.u64() } else { 0 };
    let bytes = script.take(usize::MAX);
    let steering = Steering::new();
    steering.set_epoch(epoch);
    steering.put(epoch, bytes, is_text);
    let filter = "info,db=error,db.pool=trace".parse::<Filter>().ok().filter(|_| wants_filter);

    // It is not changed meanwhile, so there is an answer.
    let (as_of, mut rules) = steering.rules().unwrap();
    assert_eq!(as_of, epoch);
    check(&steering, &rules, filter.as_ref());
    rules.remove_ended(NOW_UNIX);
    assert!(!rules.iter().any(|rule| rule.has_ended(NOW_UNIX)));
    let brief = LevelRule {
        logger: "db".to_owned(),
        level: Level::DEBUG,
        pid: Some(PIDS[0]),
        until_unix: Some(NOW_UNIX + 60),
    };
    rules.set(brief.clone());
    assert_eq!(rules.iter().filter(|rule| **rule == brief).count(), 1, "{rules:?}");
    match steering.set_rules(epoch, &rules, NOW_UNIX * 1_000_000_000) {
        // What is written is what is read.
        Ok(()) => {
            let (later, read) = steering.rules().unwrap();
            assert_eq!(read, rules);
            assert!(later & 1 != epoch & 1 && later != 0, "{later} after {epoch}");
            check(&steering, &read, filter.as_ref());
        }
        Err(error) => assert!(!error.to_string().is_empty() && steering.rules().unwrap().0 == epoch),
    }
}

/// Asks for some loggers, and holds the answer against another way to find it.
fn check(steering: &Steering, rules: &LevelRules, own: Option<&Filter>) {
    for (logger, pid) in LOGGERS.iter().flat_map(|logger| PIDS.map(|pid| (*logger, pid))) {
        let found = steering.level_of(logger, pid, own);
        if own.is_none() {
            assert_eq!(found, expected(rules, logger, pid), "{logger:?} of process {pid} by {rules:?}");
        } else {
            assert!(found.is_some(), "a filter says something of every logger");
        }
        let by_rules = rules.level_of(logger, pid, own);
        assert_eq!(found, by_rules, "{logger:?} of process {pid}, asked and followed, by {rules:?}");
    }
}

/// What the rules say, by the words of [`LevelRule`]: of those that are for this logger and this process the
/// longest names, of them those for a process, of them those with an end, of them the last.
fn expected(rules: &LevelRules, logger: &str, pid: u32) -> Option<Level> {
    let dotted = |name: &str| name.replace("::", ".");
    let logger = dotted(logger);
    let is_below = |name: &str| {
        let rest = logger.strip_prefix(name);
        rest.is_some_and(|rest| [name, rest].contains(&"") || rest.starts_with('.'))
    };
    let mut left: Vec<&LevelRule> = rules.iter().filter(|rule| is_below(&dotted(&rule.logger))).collect();
    left.retain(|rule| rule.pid.is_none_or(|only| only == pid));
    let length = |rule: &LevelRule| dotted(&rule.logger).len();
    let longest = left.iter().map(|rule| length(rule)).max()?;
    left.retain(|rule| length(rule) == longest);
    for goes_before in [|rule: &LevelRule| rule.pid.is_some(), |rule: &LevelRule| rule.until_unix.is_some()] {
        if left.iter().any(|rule| goes_before(rule)) {
            left.retain(|rule| goes_before(rule));
        }
    }
    left.last().map(|rule| rule.level)
}
