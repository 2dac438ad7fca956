//! Routing: which handlers take a record. Loggers, levels and propagation work as in Python's `logging`.

use std::collections::HashMap;

use ringlog::Level;
use ringlog::reader::{Body, Entry};

use crate::config::{Config, EVERYTHING, HandlerConfig, LoggerConfig};

/// A set of handlers, one bit each. The lowest bit is the first handler that has a sink.
pub(super) type HandlerMask = u64;

/// The largest number of routes that are kept, so that ever new logger names do not exhaust memory.
const NAMES_MAX: usize = 10_000;

/// The logger of gaps and unclean exits.
const OWN_LOGGER: &str = "ringlog";

pub(super) struct Router {
    loggers: Vec<LoggerConfig>,
    /// The bit and the level of each handler; `None` for one without a sink.
    handlers: Vec<Option<(HandlerMask, Level)>>,
    routes: HashMap<Box<str>, Route>,
    /// The logger of the last record, and its route: the next record often has the same.
    last: (Box<str>, Route),
    /// Whether unclean exits have lines.
    writes_exits: bool,
}

/// The handlers of a logger's records.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    /// Records below this level are discarded.
    level: Level,
    /// The handlers with their own levels.
    handlers: Vec<(Level, HandlerMask)>,
}

impl Route {
    fn of(&self, level: Level) -> HandlerMask {
        if level < self.level {
            return 0;
        }
        self.handlers.iter().filter(|(least, _)| level >= *least).fold(0, |mask, (_, bit)| mask | bit)
    }
}

impl Router {
    pub(super) fn new(config: &Config) -> Router {
        let mut bits = (0..).map(|number| 1 << number);
        let bit = |handler: &HandlerConfig| {
            let bit = if handler.sink.discards() { None } else { bits.next() };
            Some((bit?, handler.level))
        };
        let handlers = config.handlers.iter().map(bit).collect();
        let dotted = |logger: &LoggerConfig| LoggerConfig { name: dotted(&logger.name), ..logger.clone() };
        let mut router = Router {
            loggers: config.loggers.iter().map(dotted).collect(),
            handlers,
            routes: HashMap::new(),
            last: (Box::default(), Route { level: EVERYTHING, handlers: Vec::new() }),
            writes_exits: config.general.exit_notices,
        };
        router.last.1 = router.find("");
        router
    }

    /// The bit of the handler with this number in the configuration; `None` for one that discards every record.
    pub(super) fn bit(&self, handler: usize) -> Option<HandlerMask> {
        self.handlers.get(handler).and_then(|known| known.map(|(bit, _)| bit))
    }

    /// Whether the handlers in the mask write every record.
    pub(super) fn takes_all(&self, mask: HandlerMask) -> bool {
        let is_all = |level: Option<Level>| level.is_none_or(|level| level <= EVERYTHING);
        let writes_all = |handler: &usize| match self.handlers.get(*handler) {
            Some(Some((bit, level))) => bit & mask != 0 && is_all(Some(*level)),
            _ => false,
        };
        let is_root = |logger: &LoggerConfig| logger.name.is_empty();
        self.loggers.iter().all(|logger| is_all(logger.level) && (is_root(logger) || logger.propagate))
            && self.loggers.iter().any(|logger| is_root(logger) && logger.handlers.iter().any(writes_all))
    }

    /// The handlers that write the entry.
    #[inline]
    pub(super) fn mask(&mut self, entry: &Entry<'_>) -> HandlerMask {
        match &entry.body {
            Body::Record(record) => self.route(record.logger).of(record.level),
            Body::UncleanExit(_) if !self.writes_exits => 0,
            _ => self.route(OWN_LOGGER).of(entry.level()),
        }
    }

    /// Whether an entry that no handler takes is reported on standard error: what warns of a loss or a crash is.
    pub(super) fn is_reported(&self, entry: &Entry<'_>) -> bool {
        match &entry.body {
            Body::Record(_) => false,
            Body::UncleanExit(_) if !self.writes_exits => false,
            _ => entry.level() >= Level::WARN,
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

    /// The route of a logger: collects handlers from the logger up to the root.
    fn find(&self, name: &str) -> Route {
        let mut level = None;
        let mut handlers = Vec::new();
        let (mut seen, mut goes_up) = (0, true);
        for name in ancestry(name) {
            let Some(logger) = self.loggers.iter().find(|logger| logger.name == name) else { continue };
            level = level.or(logger.level);
            if !goes_up {
                continue;
            }
            for handler in &logger.handlers {
                let Some(Some((bit, least))) = self.handlers.get(*handler) else { continue };
                // A handler that is reached twice writes once; Python writes the line twice.
                if seen & bit == 0 {
                    seen |= bit;
                    handlers.push((*least, *bit));
                }
            }
            goes_up = logger.propagate;
        }
        Route { level: level.unwrap_or(EVERYTHING), handlers }
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

/// A logger name with dots. Rust's module paths are logger names too.
fn dotted(name: &str) -> String {
    if name == "root" { String::new() } else { name.replace("::", ".") }
}

#[cfg(test)]
mod tests {
    use ringlog::reader::{ExitCause, Origin, UncleanExit};

    use super::*;
    use crate::config::{ConsoleConfig, Formatter, General, NullConfig, SinkConfig};

    fn handler(level: Level) -> HandlerConfig {
        let sink = SinkConfig::Console(ConsoleConfig::default());
        HandlerConfig { name: String::new(), level, formatter: Formatter::default(), sink }
    }

    fn logger(name: &str, level: Option<Level>, handlers: &[usize], propagate: bool) -> LoggerConfig {
        LoggerConfig { name: name.to_owned(), level, handlers: handlers.to_vec(), propagate }
    }

    /// Root: level INFO, handler 0, which takes WARN and above. `db`: handler 1. `db.pool`: handlers 2 and 1, without
    /// propagation. `quiet`: a null handler only. `db.slow`: only a level.
    fn router() -> Router {
        let mut handlers = vec![handler(Level::WARN), handler(EVERYTHING), handler(EVERYTHING)];
        handlers.push(HandlerConfig { sink: SinkConfig::Null(NullConfig), ..handler(EVERYTHING) });
        let loggers = vec![
            logger("", Some(Level::INFO), &[0], true),
            logger("db", Some(Level::DEBUG), &[1], true),
            logger("db::pool", None, &[2, 1], false),
            logger("db.slow", Some(Level::ERROR), &[], true),
            logger("quiet", None, &[3], false),
        ];
        Router::new(&Config { handlers, loggers, ..Config::empty() })
    }

    #[test]
    fn a_handler_takes_all_where_nothing_keeps_a_record_from_it() {
        let takes_all = |handlers: Vec<HandlerConfig>, loggers| {
            Router::new(&Config { handlers, loggers, ..Config::empty() }).takes_all(1)
        };
        let all = || vec![handler(EVERYTHING), handler(EVERYTHING)];
        assert!(takes_all(all(), vec![logger("", None, &[0, 1], true), logger("db", None, &[1], true)]));
        assert!(takes_all(all(), vec![logger("", Some(EVERYTHING), &[0], true)]));
        for (handlers, loggers) in [
            (all(), vec![logger("", None, &[1], true)]),
            (all(), vec![logger("", Some(Level::TRACE), &[0], true)]),
            (all(), vec![logger("", None, &[0], true), logger("db", None, &[1], false)]),
            (all(), vec![logger("", None, &[0], true), logger("db", Some(Level::INFO), &[], true)]),
            (vec![handler(Level::TRACE)], vec![logger("", None, &[0], true)]),
        ] {
            assert!(!takes_all(handlers, loggers.clone()), "{loggers:?}");
        }
    }

    #[test]
    fn records_are_routed_as_by_python() {
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
    fn an_unclean_exit_is_routed_by_its_level_or_not_at_all() {
        let (of_ringlog, root) =
            (logger("ringlog", Some(Level::INFO), &[0], false), logger("", None, &[], true));
        let entry = |cause| Entry {
            unix_ns: 0,
            origin: Origin::no_lane(),
            body: Body::UncleanExit(UncleanExit { cause, lanes: &[] }),
        };
        for (handlers, exit_notices, masks, reported) in [
            (handler(EVERYTHING), true, [1, 1], [true, false]),
            (handler(Level::WARN), true, [1, 0], [true, false]),
            (handler(EVERYTHING), false, [0, 0], [false, false]),
        ] {
            let loggers = vec![root.clone(), of_ringlog.clone()];
            let general = General { exit_notices, ..General::default() };
            let config = Config { general, handlers: vec![handlers], loggers, ..Config::empty() };
            let mut router = Router::new(&config);
            let entries = [ExitCause::Unknown, ExitCause::Status(0)].map(entry);
            assert_eq!(entries.map(|entry| router.mask(&entry)), masks);
            assert_eq!(entries.map(|entry| router.is_reported(&entry)), reported, "if no handler takes it");
        }
    }

    #[test]
    fn the_number_of_kept_routes_is_bounded() {
        let mut router = router();
        for name in 0..2 * NAMES_MAX + 5 {
            assert_eq!(router.route(&format!("db.{name}")).of(Level::DEBUG), 0b010);
            assert!(router.routes.len() <= NAMES_MAX);
        }
    }
}
