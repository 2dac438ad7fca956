//! The configuration as data.

use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use ringlog::Level;
use ringlog::admin::Shown;

use super::options::{FileConfig, Options, Out, STOP_TIMEOUT};
use super::paths::canonical;
use crate::format::{FormatKind, Newlines};
use crate::rotation::Zone;
use crate::text_enum::text_enum;

/// A whole configuration. The names within it are resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Names or paths of the rings. Their records are merged by time.
    pub rings: Vec<String>,
    /// How long a record waits for older ones of interrupted threads; the consumer's default if `None`.
    pub grace: Option<Duration>,
    /// When the writer stops, how long an output that takes nothing is waited for.
    pub stop_timeout: Duration,
    /// The largest size of the closed files of all handlers together, in bytes.
    pub max_total_size: Option<u64>,
    /// Whether a process that ends without closing its lanes has a line.
    pub exit_notices: bool,
    /// The handlers in the order of the file; at most [`HANDLERS_MAX`].
    pub handlers: Vec<HandlerConfig>,
    /// The configured loggers. The root, which has no name, is always among them.
    pub loggers: Vec<LoggerConfig>,
}

impl Config {
    /// Nothing but defaults: no ring, no handler, no logger.
    pub fn empty() -> Config {
        Config {
            rings: Vec::new(),
            grace: None,
            stop_timeout: STOP_TIMEOUT,
            max_total_size: None,
            exit_notices: true,
            handlers: Vec::new(),
            loggers: Vec::new(),
        }
    }
}

/// One ring, and one handler of the root logger that takes every record.
impl From<&Options> for Config {
    fn from(options: &Options) -> Config {
        let Options { newlines, ids, .. } = *options;
        let formatter = match options.format {
            FormatKind::Text => Formatter::Text { newlines, ids },
            FormatKind::Json => Formatter::Json,
            FormatKind::Raw => Formatter::Raw,
        };
        let sink = match &options.out {
            Out::Stdout => SinkConfig::Console { stream: Stream::Stdout, color: Color::Never },
            Out::File(path) => SinkConfig::File(options.file(path.clone())),
        };
        Config {
            rings: vec![options.ring.clone()],
            grace: options.grace,
            stop_timeout: options.stop_timeout,
            max_total_size: None,
            exit_notices: options.exit_notices,
            handlers: vec![HandlerConfig { name: "out".to_owned(), level: EVERYTHING, formatter, sink }],
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
    /// A handler without a name, with the defaults of its kind.
    pub(super) fn plain(kind: HandlerKind) -> HandlerConfig {
        HandlerConfig {
            name: String::new(),
            level: EVERYTHING,
            formatter: Formatter::default(),
            sink: SinkConfig::plain(kind),
        }
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

impl Formatter {
    /// A format without a pattern, with the defaults of its kind.
    pub(super) fn of_kind(kind: FormatKind) -> Formatter {
        match kind {
            FormatKind::Text => Formatter::default(),
            FormatKind::Json => Formatter::Json,
            FormatKind::Raw => Formatter::Raw,
        }
    }

    /// A pattern with defaults.
    pub(super) fn pattern(pattern: String, date: Option<String>) -> Formatter {
        Formatter::Pattern { pattern, date, zone: Zone::local(), newlines: Newlines::default() }
    }
}

/// The kind of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandlerKind {
    Console,
    File,
    Null,
}

text_enum!(HandlerKind, "handler kind", Console => "console", File => "file", Null => "null");

/// The sink of a handler.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a configuration has at most 64 of them")]
pub enum SinkConfig {
    /// Standard output or standard error.
    Console {
        /// Which of the two.
        stream: Stream,
        /// Whether levels have colours.
        color: Color,
    },
    /// A file, with every option that the command line has for one.
    File(FileConfig),
    /// Discards every record.
    Null,
}

/// Where a sink writes. Handlers that write to one place share its sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Stream(Stream),
    File(PathBuf),
}

impl SinkConfig {
    /// Where it writes; `None` if it discards every record.
    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            SinkConfig::Console { stream, .. } => Some(Place::Stream(*stream)),
            SinkConfig::File(file) => Some(Place::File(canonical(&file.path))),
            SinkConfig::Null => None,
        }
    }

    /// Whether levels have colours.
    pub(crate) fn is_colored(&self) -> bool {
        match self {
            SinkConfig::Console { stream, color } => color.is_wanted(*stream),
            SinkConfig::File(_) | SinkConfig::Null => false,
        }
    }

    /// A sink with the defaults of its kind.
    pub(super) fn plain(kind: HandlerKind) -> SinkConfig {
        match kind {
            HandlerKind::Console => {
                SinkConfig::Console { stream: Stream::default(), color: Color::default() }
            }
            HandlerKind::File => SinkConfig::File(FileConfig::new("")),
            HandlerKind::Null => SinkConfig::Null,
        }
    }

    pub(super) fn kind(&self) -> HandlerKind {
        match self {
            SinkConfig::Console { .. } => HandlerKind::Console,
            SinkConfig::File(_) => HandlerKind::File,
            SinkConfig::Null => HandlerKind::Null,
        }
    }
}

/// The sink's name in messages.
impl fmt::Display for SinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SinkConfig::Console { stream: Stream::Stdout, .. } => f.write_str("standard output"),
            SinkConfig::Console { stream: Stream::Stderr, .. } => f.write_str("standard error"),
            SinkConfig::File(file) => file.path.shown().fmt(f),
            SinkConfig::Null => f.write_str("nothing"),
        }
    }
}

/// A stream of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error, the default as for Python's `StreamHandler`.
    #[default]
    Stderr,
}

text_enum!(Stream, "stream", Stdout => "stdout", Stderr => "stderr");

/// Whether levels have colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// Where the stream is a terminal and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether lines on this stream have colours.
    fn is_wanted(self, stream: Stream) -> bool {
        let is_terminal = || match stream {
            Stream::Stdout => std::io::stdout().is_terminal(),
            Stream::Stderr => std::io::stderr().is_terminal(),
        };
        match self {
            // https://no-color.org
            Color::Auto => is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Color::Always => true,
            Color::Never => false,
        }
    }
}

text_enum!(Color, "color", Auto => "auto", Always => "always", Never => "never");

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
