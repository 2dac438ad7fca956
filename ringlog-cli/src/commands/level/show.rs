//! Level rules and the levels that result, as tables and as JSON.

use std::path::PathBuf;

use ringlog::Level;
use ringlog::admin::LevelRule;
use ringlog::reader::{LevelStat, Observer};
use serde::Serialize;

use crate::{humanize, terminal};

const SECOND_NS: u64 = 1_000_000_000;

/// Formats rules, processes and loggers as tables.
pub fn text(stat: &LevelStat) -> String {
    let mut parts =
        vec![if stat.rules.is_empty() { "no rules are in force".to_owned() } else { rules(&stat.rules) }];
    if !stat.processes.is_empty() {
        let mut table = terminal::table(&["PROCESS", ">PID", "OWN FILTER"]);
        for process in &stat.processes {
            let filter = process.filter.as_deref().unwrap_or("none");
            table.add_row([name(&process.process), process.pid.to_string(), name(filter)]);
        }
        parts.push(terminal::table_text(&table));
    }
    if stat.processes.iter().any(|process| !process.loggers.is_empty()) {
        let mut table = terminal::table(&["LOGGER", "LEVEL", "PROCESS", ">PID"]);
        for process in &stat.processes {
            for known in &process.loggers {
                let level = known.least.map_or("all".to_owned(), |level| level.to_string());
                table.add_row([name(&known.logger), level, name(&process.process), process.pid.to_string()]);
            }
        }
        parts.push(terminal::table_text(&table));
    }
    parts.join("\n\n")
}

fn rules(rules: &[LevelRule]) -> String {
    let mut table = terminal::table(&["RULE FOR", "LEVEL", ">PID", "ENDS"]);
    for rule in rules {
        let ends = match rule.until_unix {
            None => "never".to_owned(),
            Some(until) => humanize::ahead(until.saturating_mul(SECOND_NS)),
        };
        let pid = rule.pid.map_or("all".to_owned(), |pid| pid.to_string());
        table.add_row([name(&rule.logger), rule.level.to_string(), pid, ends]);
    }
    terminal::table_text(&table)
}

fn name(text: &str) -> String {
    if text.is_empty() { "(all)".to_owned() } else { terminal::escape(text) }
}

/// Rules, processes and loggers as JSON.
#[derive(Serialize)]
pub struct LevelReport {
    path: PathBuf,
    rules: Vec<RuleReport>,
    processes: Vec<ProcessReport>,
}

#[derive(Serialize)]
struct RuleReport {
    /// Empty for all loggers.
    logger: String,
    level: String,
    level_number: u8,
    pid: Option<u32>,
    until_unix: Option<u64>,
}

#[derive(Serialize)]
struct ProcessReport {
    process: String,
    pid: u32,
    filter: Option<String>,
    loggers: Vec<LoggerReport>,
}

#[derive(Serialize)]
struct LoggerReport {
    logger: String,
    /// `None` if every level is logged.
    level: Option<String>,
    level_number: Option<u8>,
}

impl LevelReport {
    pub fn new(observer: &Observer, stat: &LevelStat) -> LevelReport {
        let rules = stat.rules.iter().map(|rule| RuleReport {
            logger: rule.logger.clone(),
            level: rule.level.to_string(),
            level_number: rule.level.number(),
            pid: rule.pid,
            until_unix: rule.until_unix,
        });
        let processes = stat.processes.iter().map(|process| ProcessReport {
            process: process.process.clone(),
            pid: process.pid,
            filter: process.filter.clone(),
            loggers: process
                .loggers
                .iter()
                .map(|known| LoggerReport {
                    logger: known.logger.clone(),
                    level: known.least.map(|level| level.to_string()),
                    level_number: known.least.map(Level::number),
                })
                .collect(),
        });
        LevelReport {
            path: observer.path().to_owned(),
            rules: rules.collect(),
            processes: processes.collect(),
        }
    }
}
