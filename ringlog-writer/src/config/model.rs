//! The configuration as data.

use ringlog::Level;

use super::general::General;
use super::options::Options;
use crate::format::{FormatKind, Newlines};
use crate::rotation::Zone;
use crate::sink::SinkConfig;

/// A whole configuration. The names within it are resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Names or paths of the rings. Their records are merged by time.
    pub rings: Vec<String>,
    /// What holds for the whole writer.
    pub general: General,
    /// The handlers in the order of the file; at most [`HANDLERS_MAX`].
    pub handlers: Vec<HandlerConfig>,
    /// The configured loggers. The root, which has no name, is always among them.
    pub loggers: Vec<LoggerConfig>,
}

impl Config {
    /// Nothing but defaults: no ring, no handler, no logger.
    pub fn empty() -> Config {
        Config { rings: Vec::new(), general: General::default(), handlers: Vec::new(), loggers: Vec::new() }
    }
}

/// One ring, and one handler of the root logger that takes every record.
impl From<&Options> for Config {
    fn from(options: &Options) -> Config {
        let Options { ring, general, formatter, out, .. } = options.clone();
        let handler =
            HandlerConfig { name: "out".to_owned(), level: EVERYTHING, formatter, sink: out.into() };
        Config {
            rings: vec![ring],
            general,
            handlers: vec![handler],
            loggers: vec![LoggerConfig::root(vec![0])],
        }
    }
}

/// The level below all others, Python's `NOTSET`: takes every record.
pub const EVERYTHING: Level = Level::from_number(0);

/// The largest number of handlers that a configuration may have.
pub const HANDLERS_MAX: usize = 64;

/// The largest number of rings that a configuration may have.
pub const RINGS_MAX: usize = 16;

/// A handler: which records it writes, in which format, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct HandlerConfig {
    /// The handler's name.
    pub name: String,
    /// The lowest level that it writes.
    pub level: Level,
    /// The format of its lines.
    pub formatter: Formatter,
    /// Where its lines go.
    pub sink: SinkConfig,
}

impl HandlerConfig {
    /// A handler without a name, which takes every record.
    pub(super) fn plain(sink: SinkConfig) -> HandlerConfig {
        HandlerConfig { name: String::new(), level: EVERYTHING, formatter: Formatter::default(), sink }
    }
}

/// The format of a handler's lines.
#[derive(Clone, Debug, PartialEq)]
pub enum Formatter {
    /// For people: time, level, logger, process and thread, place in the source, message.
    Text {
        /// How newlines within a message are written.
        newlines: Newlines,
        /// Whether the record's id follows the time.
        ids: bool,
    },
    /// One JSON object a line.
    Json,
    /// The message's bytes and a newline.
    Raw,
    /// A pattern as for Python's `logging.Formatter`.
    Pattern {
        /// The pattern, for example `%(levelname)s: %(message)s`.
        pattern: String,
        /// The date format of `asctime`; Python's default, with milliseconds, if `None`.
        date: Option<String>,
        /// The time zone of `asctime`.
        zone: Zone,
        /// How newlines within a message are written.
        newlines: Newlines,
    },
}

impl Default for Formatter {
    fn default() -> Formatter {
        Formatter::Text { newlines: Newlines::default(), ids: false }
    }
}

/// A format without a pattern, with the defaults of its kind.
impl From<FormatKind> for Formatter {
    fn from(kind: FormatKind) -> Formatter {
        match kind {
            FormatKind::Text => Formatter::default(),
            FormatKind::Json => Formatter::Json,
            FormatKind::Raw => Formatter::Raw,
        }
    }
}

impl Formatter {
    /// Its kind; `None` for a pattern.
    pub(super) fn kind(&self) -> Option<FormatKind> {
        match self {
            Formatter::Text { .. } => Some(FormatKind::Text),
            Formatter::Json => Some(FormatKind::Json),
            Formatter::Raw => Some(FormatKind::Raw),
            Formatter::Pattern { .. } => None,
        }
    }

    /// A pattern with defaults.
    pub(super) fn pattern(pattern: String, date: Option<String>) -> Formatter {
        Formatter::Pattern { pattern, date, zone: Zone::local(), newlines: Newlines::default() }
    }
}

/// A logger. Its settings hold for the loggers below it too, as far as these have none of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggerConfig {
    /// The dotted name; empty for the root.
    pub name: String,
    /// The lowest level that is written; that of the next logger above if `None`.
    pub level: Option<Level>,
    /// The handlers of its records, as indexes into [`Config::handlers`].
    pub handlers: Vec<usize>,
    /// Whether its records go to the handlers of the loggers above too.
    pub propagate: bool,
}

impl LoggerConfig {
    /// The root, with these handlers and no level.
    pub fn root(handlers: Vec<usize>) -> LoggerConfig {
        LoggerConfig { name: String::new(), level: None, handlers, propagate: true }
    }
}
