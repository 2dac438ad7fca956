//! Level rules: the levels that are wanted from loggers, set from outside the processes that log.
//!
//! In the ring they are text, a line each: `LEVEL PID UNTIL LOGGER`, three numbers and the rest of the line. PID 0
//! means every process, UNTIL 0 for ever, an empty LOGGER all loggers. A malformed line is skipped. Decisions
//! allocate nothing: they may run in a signal handler.

use std::ops::Deref;

use crate::error::Error;
use crate::record::level::Level;
use crate::record::level::filter::{self, Filter, covers};
use crate::shm::rules_area::TEXT_MAX;

/// A level for a logger and those below it, set from outside the processes that log.
///
/// The rule with the longest name counts. Among rules of equal length one from outside goes before the process's own
/// [`Filter`], one for a process before one for all, and one with an end before one without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelRule {
    /// Name of the logger. The rule covers those below it too. Empty for all.
    pub logger: String,
    /// The least level that is logged.
    pub level: Level,
    /// The process id, in the process's own namespace, of the one process that it is for; all if `None`.
    pub pid: Option<u32>,
    /// When it ends, in seconds since 1970. Producers follow it until a writer or the command line removes it.
    pub until_unix: Option<u64>,
}

/// The level rules of a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LevelRules(Vec<LevelRule>);

impl Deref for LevelRules {
    type Target = [LevelRule];

    fn deref(&self) -> &[LevelRule] {
        &self.0
    }
}

impl LevelRules {
    /// Adds a rule in place of those for the same logger and process. A rule with an end leaves the one without an
    /// end in place, which counts again afterwards.
    pub fn set(&mut self, rule: LevelRule) {
        self.0.retain(|old| {
            let same = filter::same(&old.logger, &rule.logger) && old.pid == rule.pid;
            !same || (rule.until_unix.is_some() && old.until_unix.is_none())
        });
        self.0.push(rule);
    }

    /// Removes the rules of a logger: those for one process, or those for all.
    pub fn remove(&mut self, logger: &str, pid: Option<u32>) {
        self.0.retain(|old| !filter::same(&old.logger, logger) || old.pid != pid);
    }

    /// Keeps the rules for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&LevelRule) -> bool) {
        self.0.retain(keep);
    }

    /// Removes the rules whose end has come.
    pub fn remove_ended(&mut self, now_unix: u64) {
        self.0.retain(|rule| !rule.has_ended(now_unix));
    }

    /// The least level of `logger` in a process with this filter; `None` if neither rules nor filter name one.
    pub fn level_of(&self, logger: &str, pid: u32, own: Option<&Filter>) -> Option<Level> {
        nearest(self.0.iter().map(LevelRule::line), own, logger, || pid).map(|rule| rule.least)
    }

    pub(crate) fn decode(text: &[u8]) -> LevelRules {
        LevelRules(lines(text).map(Line::to_rule).collect())
    }

    /// The text of the rules, if the ring has room for it.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut text = String::new();
        for LevelRule { logger, level, pid, until_unix } in &self.0 {
            if logger.contains(char::is_control) {
                return Err(Error::Levels(format!(
                    "{logger:?} is not a logger's name: it holds a control character"
                )));
            }
            let (level, pid, until) = (level.number(), pid.unwrap_or(0), until_unix.unwrap_or(0));
            text.push_str(&format!("{level} {pid} {until} {logger}\n"));
        }
        if text.len() > TEXT_MAX {
            let (rules, bytes) = (self.0.len(), text.len());
            return Err(Error::Levels(format!(
                "{rules} rules take {bytes} bytes, a ring keeps {TEXT_MAX}: remove some with LOGGER=default"
            )));
        }
        Ok(text.into_bytes())
    }
}

impl LevelRule {
    /// Whether its end has come.
    pub fn has_ended(&self, now_unix: u64) -> bool {
        self.until_unix.is_some_and(|until| until <= now_unix)
    }

    fn line(&self) -> Line<'_> {
        Line {
            level: self.level,
            pid: self.pid.unwrap_or(0),
            until: self.until_unix.unwrap_or(0),
            logger: self.logger.as_bytes(),
        }
    }
}

/// A rule as it stands in the ring.
#[derive(Clone, Copy)]
struct Line<'a> {
    level: Level,
    pid: u32,
    until: u64,
    logger: &'a [u8],
}

impl Line<'_> {
    fn parse(line: &[u8]) -> Option<Line<'_>> {
        let (level, rest) = number(line)?;
        let (pid, rest) = number(rest)?;
        let (until, logger) = number(rest)?;
        let (level, pid) = (u8::try_from(level).ok()?, u32::try_from(pid).ok()?);
        (level != 0).then_some(Line { level: Level::from_number(level), pid, until, logger })
    }

    fn to_rule(self) -> LevelRule {
        LevelRule {
            logger: String::from_utf8_lossy(self.logger).into_owned(),
            level: self.level,
            pid: Some(self.pid).filter(|pid| *pid != 0),
            until_unix: Some(self.until).filter(|until| *until != 0),
        }
    }
}

/// A number, and the text after the blank that follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b' ' if at > 0 => return Some((number, &text[at + 1..])),
            _ => return None,
        }
    }
    None
}

/// The rules in an untrusted text.
fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    text.split(|byte| *byte == b'\n').filter_map(Line::parse)
}

/// The least level in force for a logger.
pub(crate) struct EffectiveLevel {
    pub(crate) least: Level,
    /// The epoch of the rules that it was found by and holds for. `None` if it is for this call alone.
    pub(crate) as_of: Option<u64>,
}

/// The level that is in force where neither rules nor filter name one: all levels.
const EVERYTHING: Level = Level::from_number(1);

/// The least level of `logger` by the rules in force at `epoch` and a process's own filter. `pid` is called only
/// for a rule of one process.
pub(crate) fn resolve(
    rules: &[u8],
    epoch: u64,
    own: Option<&Filter>,
    logger: &str,
    pid: impl Fn() -> u32,
) -> EffectiveLevel {
    match nearest(lines(rules), own, logger, pid) {
        // A forked child has its parent's memory but another process id.
        Some(rule) => EffectiveLevel { least: rule.least, as_of: (!rule.by_pid).then_some(epoch) },
        None => EffectiveLevel { least: EVERYTHING, as_of: Some(epoch) },
    }
}

/// The least level of `logger` by the rules alone, and the [length](filter::length) of the name that the rule is for;
/// `None` if no rule is for it.
pub(crate) fn from_outside(rules: &[u8], logger: &str, pid: impl Fn() -> u32) -> Option<(usize, Level)> {
    nearest(lines(rules), None, logger, pid).map(|rule| (rule.length, rule.least))
}

/// What the rule that counts for a logger names.
struct Nearest {
    length: usize,
    least: Level,
    /// Whether it is for this process alone.
    by_pid: bool,
}

/// The rule that counts for `logger`, of these lines and a process's own filter.
fn nearest<'a>(
    lines: impl Iterator<Item = Line<'a>>,
    own: Option<&Filter>,
    logger: &str,
    pid: impl Fn() -> u32,
) -> Option<Nearest> {
    // Compared from left to right: length of the name, from outside, for one process, with an end.
    let own = own.map(|filter| filter.rule_for(logger));
    let own = own.map(|(name, least)| ((filter::length(name.as_bytes()), false, false, false), least));
    let covering = lines.filter(|line| covers(line.logger, logger.as_bytes()));
    let outside = covering.filter(|line| line.pid == 0 || line.pid == pid());
    let outside =
        outside.map(|line| ((filter::length(line.logger), true, line.pid != 0, line.until != 0), line.level));
    let (weight, least) = own.into_iter().chain(outside).max_by_key(|(weight, _)| *weight)?;
    Some(Nearest { length: weight.0, least, by_pid: weight.2 })
}

/// The level that the rules or the filter name for `logger`; `None` where neither names one.
#[cfg(fuzzing)]
pub(crate) fn named_level(rules: &[u8], own: Option<&Filter>, logger: &str, pid: u32) -> Option<Level> {
    nearest(lines(rules), own, logger, || pid).map(|rule| rule.least)
}

#[cfg(test)]
mod tests;
