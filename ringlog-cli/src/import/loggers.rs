//! Conversion of loggers, applied in the order in which Python applies them.

use ringlog::Level;
use ringlog_writer::config::LoggerConfig;

use super::Notes;
use super::handlers::Handlers;
use super::python_config::{self, PythonConfig, PythonLogger};

/// The level of Python's root logger if none is set.
const ROOT_LEVEL: Level = Level::WARN;

/// Converts the loggers: the root first, the others in the order of their first appearance.
pub fn convert(source: &PythonConfig, handlers: &Handlers, notes: &mut Notes) -> Vec<LoggerConfig> {
    let mut loggers = vec![LoggerConfig { level: Some(ROOT_LEVEL), ..LoggerConfig::root(Vec::new()) }];
    for said in &source.loggers {
        let name = said.name.as_str();
        if name.split('.').any(str::is_empty) && !name.is_empty() || name.contains("::") {
            notes.lost(&said.at, format_args!("the logger's name {name:?} is not valid here"));
            continue;
        }
        let place = loggers.iter().position(|logger| logger.name == name).unwrap_or(loggers.len());
        if place == loggers.len() {
            loggers.push(LoggerConfig { name: name.to_owned(), ..LoggerConfig::root(Vec::new()) });
        }
        if let Some(logger) = loggers.get_mut(place) {
            apply(said, logger, handlers, notes);
        }
    }
    for said in &source.loggers {
        note_twice(said, &loggers, handlers, notes);
    }
    loggers
}

/// Notes a handler that a logger and one above it both name: Python then writes each record twice.
fn note_twice(said: &PythonLogger, loggers: &[LoggerConfig], handlers: &Handlers, notes: &mut Notes) {
    let of = |name: &str| loggers.iter().find(|logger| logger.name == name);
    let Some(logger) = of(&said.name).filter(|logger| !logger.name.is_empty()) else { return };
    let (mut name, mut propagates) = (logger.name.as_str(), logger.propagate);
    while propagates && !name.is_empty() {
        name = name.rsplit_once('.').map_or("", |(above, _)| above);
        let Some(above) = of(name) else { continue };
        for place in above.handlers.iter().filter(|place| logger.handlers.contains(place)) {
            let handler = handlers.handlers.get(*place).map_or("", |handler| &handler.name);
            let what = "as a logger above it does; Python writes its records there twice, ringlog once";
            notes.lost(&said.at, format_args!("it names {handler:?}, {what}"));
        }
        propagates = above.propagate;
    }
}

fn apply(said: &PythonLogger, logger: &mut LoggerConfig, handlers: &Handlers, notes: &mut Notes) {
    if let Some(level) = python_config::level(said.level.as_ref(), &said.at, notes) {
        // NOTSET takes the level of the logger above. On the root it means no limit.
        logger.level = Some(level).filter(|level| level.number() > 0);
    }
    logger.handlers.clear();
    for (i, name) in said.handlers.iter().enumerate() {
        for place in handlers.of(name) {
            if !logger.handlers.contains(place) {
                logger.handlers.push(*place);
            } else if !said.handlers[..i].contains(name) {
                let what = "by two ways; Python writes it twice, ringlog once";
                notes.lost(&said.at, format_args!("a record reaches what {name:?} writes to {what}"));
            }
        }
    }
    logger.propagate = said.propagate || logger.name.is_empty();
}
