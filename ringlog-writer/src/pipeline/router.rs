//! To whom a record goes: loggers, levels and propagation as in Python's `logging`.

use std::collections::HashMap;

use ringlog::Level;
use ringlog::reader::{Body, Entry};

use crate::config::{Config, EVERYTHING, Handler, Logger, Output};

/// Handlers as bits: the lowest is the first of those that write anywhere.
pub(super) type Takers = u64;

/// Names that are remembered at most: whoever makes up ever new ones shall not fill our memory.
const NAMES_MAX: usize = 10_000;

/// What gaps and deaths are told by.
const OWN_LOGGER: &str = "ringlog";

pub(super) struct Router {
    loggers: Vec<Logger>,
    /// Of each handler that writes anywhere its bit and its level.
    takers: Vec<Option<(Takers, Level)>>,
    routes: HashMap<Box<str>, Route>,
    /// The logger of the last record: the next one's is often the same.
    last: (Box<str>, Route),
}

/// Where the records of a logger go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    /// Those below are discarded.
    level: Level,
    /// Handlers, with their own levels.
    takers: Vec<(Level, Takers)>,
}

impl Route {
    fn of(&self, level: Level) -> Takers {
        if level < self.level {
            return 0;
        }
        self.takers.iter().filter(|(least, _)| level >= *least).fold(0, |all, (_, taker)| all | taker)
    }
}

impl Router {
    pub(super) fn new(config: &Config) -> Router {
        let mut bits = (0..).map(|number| 1 << number);
        let taker = |handler: &Handler| match handler.output {
            Output::Null => None,
            Output::Console { .. } | Output::File(_) => Some((bits.next()?, handler.level)),
        };
        let takers = config.handlers.iter().map(taker).collect();
        let dotted = |logger: &Logger| Logger { name: dotted(&logger.name), ..logger.clone() };
        let mut router = Router {
            loggers: config.loggers.iter().map(dotted).collect(),
            takers,
            routes: HashMap::new(),
            last: (Box::default(), Route { level: EVERYTHING, takers: Vec::new() }),
        };
        router.last.1 = router.find("");
        router
    }

    /// Who writes the entry.
    #[inline]
    pub(super) fn takers(&mut self, entry: &Entry<'_>) -> Takers {
        match &entry.body {
            Body::Record(record) => self.route(record.logger).of(record.level),
            _ => self.route(OWN_LOGGER).of(Level::WARN),
        }
    }

    fn route(&mut self, logger: &str) -> &Route {
        if *self.last.0 != *logger {
            if !self.routes.contains_key(logger) {
                if self.routes.len() == NAMES_MAX {
                    self.routes.clear();
                }
                let route = self.find(&dotted(logger));
                self.routes.insert(logger.into(), route);
            }
            if let Some(route) = self.routes.get(logger) {
                self.last = (logger.into(), route.clone());
            }
        }
        &self.last.1
    }

    /// Goes from the logger up to the root.
    fn find(&self, name: &str) -> Route {
        let mut level = None;
        let mut takers = Vec::new();
        let (mut seen, mut goes_up) = (0, true);
        for name in ancestry(name) {
            let Some(logger) = self.loggers.iter().find(|logger| logger.name == name) else { continue };
            level = level.or(logger.level);
            if !goes_up {
                continue;
            }
            for handler in &logger.handlers {
                let Some(Some((bit, least))) = self.takers.get(*handler) else { continue };
                // Python's writes a line twice that comes to a handler by two ways.
                if seen & bit == 0 {
                    seen |= bit;
                    takers.push((*least, *bit));
                }
            }
            goes_up = logger.propagate;
        }
        Route { level: level.unwrap_or(EVERYTHING), takers }
    }
}

/// `a.b.c`, `a.b`, `a` and the root, which has no name.
fn ancestry(name: &str) -> impl Iterator<Item = &str> {
    fn up<'a>(name: &&'a str) -> Option<&'a str> {
        let parent = name.rsplit_once('.').map_or("", |(parent, _)| parent);
        (!name.is_empty()).then_some(parent)
    }
    std::iter::successors(Some(name), up)
}

/// Rust's module paths are loggers too.
fn dotted(name: &str) -> String {
    if name == "root" { String::new() } else { name.replace("::", ".") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Color, Formatter, Stream};

    fn handler(level: Level) -> Handler {
        let output = Output::Console { stream: Stream::Stdout, color: Color::Never };
        Handler { name: String::new(), level, formatter: Formatter::default(), output }
    }

    fn logger(name: &str, level: Option<Level>, handlers: &[usize], propagate: bool) -> Logger {
        Logger { name: name.to_owned(), level, handlers: handlers.to_vec(), propagate }
    }

    /// Root: handler 0 from INFO on, which takes WARN and above. `db`: handler 1, all. `db.pool`: handlers 2 and 1,
    /// no way up. `quiet`: a null handler only. `db.slow`: a level and nothing else.
    fn router() -> Router {
        let mut handlers = vec![handler(Level::WARN), handler(EVERYTHING), handler(EVERYTHING)];
        handlers.push(Handler { output: Output::Null, ..handler(EVERYTHING) });
        let loggers = vec![
            logger("", Some(Level::INFO), &[0], true),
            logger("db", Some(Level::DEBUG), &[1], true),
            logger("db::pool", None, &[2, 1], false),
            logger("db.slow", Some(Level::ERROR), &[], true),
            logger("quiet", None, &[3], false),
        ];
        Router::new(&Config { rings: vec![], grace: None, handlers, loggers })
    }

    #[test]
    fn records_go_where_pythons_would() {
        let mut router = router();
        let cases = [
            ("", Level::INFO, 0b000),
            ("", Level::WARN, 0b001),
            ("root", Level::WARN, 0b001),
            ("web", Level::DEBUG, 0b000),
            ("web", Level::ERROR, 0b001),
            ("db", Level::DEBUG, 0b010),
            ("db", Level::TRACE, 0b000),
            ("db", Level::ERROR, 0b011),
            ("db.query", Level::DEBUG, 0b010),
            ("database", Level::DEBUG, 0b000),
            ("db.pool", Level::DEBUG, 0b110),
            ("db.pool.x", Level::ERROR, 0b110),
            ("db::pool::x", Level::ERROR, 0b110),
            ("db.slow", Level::WARN, 0b000),
            ("db.slow", Level::ERROR, 0b011),
            ("quiet", Level::CRITICAL, 0b000),
        ];
        for round in 0..2 {
            for (name, level, expected) in cases {
                assert_eq!(router.route(name).of(level), expected, "{name} {level}, {round}");
            }
        }
    }

    #[test]
    fn the_memory_of_names_is_bounded() {
        let mut router = router();
        for name in 0..2 * NAMES_MAX + 5 {
            assert_eq!(router.route(&format!("db.{name}")).of(Level::DEBUG), 0b010);
            assert!(router.routes.len() <= NAMES_MAX);
        }
    }
}
