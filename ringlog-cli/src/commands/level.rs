//! `ringlog level`

mod show;
mod undo;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use ringlog::Level;
use ringlog::admin::{LevelRule, LevelRules};
use ringlog::reader::{LevelStat, Observer};

use crate::{exit_code, option_values, terminal};
use undo::TimedUndo;

/// Show or change which levels are logged, in processes that run
///
/// A change takes effect with each process's next log call. A rule for a logger holds for those below it
/// too: `db` stands for `db.pool` and `db::query`. The longest name counts; of equal ones a rule from here
/// goes before the process's own filter, one for a process before one for all, and one with an end before
/// one without.
///
/// Levels are trace, debug, info, warn, error, critical, and numbers from 1 to 255.
#[derive(Args)]
pub struct LevelArgs {
    /// The ring whose processes are meant
    #[arg(value_name = "RING")]
    name: String,
    /// The least level for a logger and those below it, or for all; `default` takes the rule back
    #[arg(value_name = "[LOGGER=]LEVEL", value_parser = change)]
    changes: Vec<LevelChange>,
    /// For this process only
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,
    /// Undo the change after this time: 90s, 10m, 2h, 1d. The ring's writer does it; where there is none,
    /// this command stays until then
    #[arg(long = "for", value_name = "TIME", requires = "changes", value_parser = option_values::duration)]
    time: Option<Duration>,
    /// First take back all rules, with --pid those for this process
    #[arg(long)]
    reset: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// What is to become of a logger's rule. An empty name stands for all loggers.
#[derive(Clone, Debug, PartialEq)]
struct LevelChange {
    logger: String,
    /// `None` takes the rule back.
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
            anyhow::bail!("--for is for a level that is set; what is taken back stays so");
        }
        let until = self.until()?;
        // Before anything is changed: from here on a signal finds somebody who undoes.
        let undo = until.map(|until| TimedUndo::new(&self.name, until)).transpose()?;
        let before = Observer::open(&self.name)?.level_rules();
        let rules = ringlog::admin::change_levels(&self.name, |rules| self.apply(rules, until))?;
        self.show()?;
        let mine: Vec<LevelRule> = rules.iter().filter(|rule| !before.contains(rule)).cloned().collect();
        match undo {
            Some(undo) if mine.iter().any(|rule| rule.until_unix.is_some()) => undo.see_to(&mine),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    fn until(&self) -> anyhow::Result<Option<u64>> {
        let Some(time) = self.time else { return Ok(None) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let end = now.checked_add(time).filter(|end| end.as_secs() < u64::MAX / 1_000_000_000);
        let end = end.ok_or_else(|| anyhow::anyhow!("--for {time:?} ends after the year 2554"))?;
        // Whole seconds, and none too early.
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
            let path = observer.path().display();
            terminal::print_message(format_args!("no process {pid} logs into {path} at the moment"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is printed.
pub(crate) fn shown(observer: &Observer, stat: &LevelStat, json: bool) -> serde_json::Result<String> {
    if json { terminal::to_json(&show::LevelReport::new(observer, stat)) } else { Ok(show::text(stat)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_people_write_them() {
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
