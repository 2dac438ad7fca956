//! `ringlog level`

mod show;
mod undo;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use ringlog::Level;
use ringlog::admin::Shown;
use ringlog::admin::{LevelRule, LevelRules};
use ringlog::reader::{LevelStat, Observer};

use crate::{exit_code, option_values, terminal};
use undo::TimedUndo;

/// Show or change which levels running processes log
///
/// A rule sets the least level of a logger and of the loggers below it: `db` covers `db.pool` and
/// `db::query`. Processes follow a change with their next log call. Each process also has a filter of
/// its own, from RINGLOG_LEVEL or its program. If several rules cover a logger, one applies:
///   1. a longer logger name wins over a shorter one;
///   2. for the same name, a rule set by this command wins over the process's own filter;
///   3. then a rule with --pid wins over one without;
///   4. then a rule with an end (--for) wins over one without.
///
/// Levels are numbers from 1 to 255; a higher one is more severe. Names: trace 5, debug 10, info 20,
/// warn or warning 30, error 40, critical or fatal 50.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct LevelArgs {
    /// The ring into which the processes log
    #[arg(value_name = "RING")]
    name: String,
    /// The least level of a logger, or of all loggers; `default` removes the rule
    #[arg(value_name = "[LOGGER=]LEVEL", value_parser = change)]
    changes: Vec<LevelChange>,
    /// Change this process only
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,
    /// Undo the change after this time: 90s, 10m, 2h, 1d. The ring's writer undoes it; without a writer, this command
    /// keeps running until then
    #[arg(long = "for", value_name = "TIME", requires = "changes", value_parser = option_values::duration)]
    time: Option<Duration>,
    /// First remove all rules set by this command; with --pid, those set for that process
    #[arg(long)]
    reset: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A change of one rule. An empty logger name means all loggers.
#[derive(Clone, Debug, PartialEq)]
struct LevelChange {
    logger: String,
    /// `None` removes the rule.
    level: Option<Level>,
}

fn change(text: &str) -> Result<LevelChange, String> {
    let (logger, level) = match text.rsplit_once('=') {
        Some((logger, level)) => (logger.trim(), level.trim()),
        None => ("", text.trim()),
    };
    if text.contains('=') && logger.is_empty() {
        return Err("there is no logger before the `=`".to_owned());
    }
    let level = match level {
        "default" => None,
        level => Some(level.parse::<Level>().map_err(|error| format!("{error}, or default"))?),
    };
    Ok(LevelChange { logger: logger.to_owned(), level })
}

impl LevelArgs {
    pub fn run(self) -> exit_code::CommandResult {
        if self.changes.is_empty() && !self.reset {
            return self.show();
        }
        if self.time.is_some() && self.changes.iter().all(|change| change.level.is_none()) {
            anyhow::bail!("--for needs a level to set; `default` only removes rules, and that is not undone");
        }
        let until = self.until()?;
        // Installs the signal handlers before the change, so that no signal can leave the change in force.
        let undo = until.map(|until| TimedUndo::new(&self.name, until)).transpose()?;
        let before = Observer::open(&self.name)?.level_rules();
        let rules = ringlog::admin::change_levels(&self.name, |rules| self.apply(rules, until))?;
        self.show()?;
        let mine: Vec<LevelRule> = rules.iter().filter(|rule| !before.contains(rule)).cloned().collect();
        match undo {
            Some(undo) if mine.iter().any(|rule| rule.until_unix.is_some()) => undo.undo_in_time(&mine),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    fn until(&self) -> anyhow::Result<Option<u64>> {
        let Some(time) = self.time else { return Ok(None) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let end = now.checked_add(time).filter(|end| end.as_secs() < u64::MAX / 1_000_000_000);
        let end = end.ok_or_else(|| anyhow::anyhow!("--for {time:?} ends after the year 2554"))?;
        // Rules end at whole seconds; rounded up, so that none ends early.
        Ok(Some(end.as_secs() + u64::from(end.subsec_nanos() > 0)))
    }

    fn apply(&self, rules: &mut LevelRules, until_unix: Option<u64>) {
        if self.reset {
            rules.retain(|rule| self.pid.is_some() && rule.pid != self.pid);
        }
        for LevelChange { logger, level } in &self.changes {
            match *level {
                Some(level) => {
                    rules.set(LevelRule { logger: logger.clone(), level, pid: self.pid, until_unix })
                }
                None => rules.remove(logger, self.pid),
            }
        }
    }

    fn show(&self) -> exit_code::CommandResult {
        let observer = Observer::open(&self.name)?;
        let stat = observer.levels()?;
        terminal::print_text(shown(&observer, &stat, self.json)?)?;
        if let Some(pid) = self.pid
            && !stat.processes.iter().any(|process| process.pid == pid)
        {
            let path = observer.path().shown();
            terminal::print_message(format_args!("no process {pid} logs into {path} at the moment"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Formats rules and levels as the command prints them.
pub(crate) fn shown(observer: &Observer, stat: &LevelStat, json: bool) -> serde_json::Result<String> {
    if json { terminal::to_json(&show::LevelReport::new(observer, stat)) } else { Ok(show::text(stat)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_parsed() {
        let read = |logger: &str, level| Ok(LevelChange { logger: logger.to_owned(), level });
        assert_eq!(change("debug"), read("", Some(Level::DEBUG)));
        assert_eq!(change("db.pool=WARN"), read("db.pool", Some(Level::WARN)));
        assert_eq!(change("a=b=35"), read("a=b", Some(Level::from_number(35))));
        assert_eq!([change("default"), change("db=default")], [read("", None), read("db", None)]);
        assert_eq!(change("=debug"), Err("there is no logger before the `=`".to_owned()));
        assert!(change("db=loud").unwrap_err().starts_with("\"loud\" is not a level; expected trace"));
        assert!(change("").is_err());
    }
}
