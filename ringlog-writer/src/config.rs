//! What a configuration says: from which rings, through which loggers and handlers, in which format, to where. The
//! words are those of Python's `logging`, the file is TOML; docs/configuration.md shows every key.
//!
//! ```
//! use std::path::Path;
//!
//! use ringlog_writer::config::Config;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = "handlers.console.kind = \"console\"\nroot.handlers = [\"console\"]\n";
//! let checked = Config::parse(text, Path::new("ringlog.toml"))?; // or Config::read, for a file
//! assert!(checked.warnings.is_empty() && checked.check_targets().is_empty());
//! assert_eq!(checked.config.handlers[0].name, "console");
//!
//! let errors = Config::parse("hanlders = {}", Path::new("ringlog.toml")).unwrap_err();
//! assert!(errors.to_string().contains("ringlog.toml:1:1: unknown key \"hanlders\"; did you mean \"handlers\"?"));
//! # Ok(())
//! # }
//! ```

// To read: read; formatters, handlers, loggers by section; problem, syntax; targets; write.
mod diagnostics;
mod formatters;
mod handlers;
mod loggers;
pub(crate) mod options;
mod print;
mod read;
mod section;
mod syntax;
mod targets;

use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use ringlog::Level;

use crate::config::options::{Existing, FormatKind, Fsync, Newlines, Options, Out, named};
use crate::rotation::{Rotation, Zone};

pub use diagnostics::{ConfigErrors, Problem};
pub(crate) use handlers::whereabouts;
pub use read::Checked;

/// All of it. The names within it are resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Names or paths of the rings. They are merged by time.
    pub rings: Vec<String>,
    /// How long a record waits for older ones of interrupted threads; the consumer's default if `None`.
    pub grace: Option<Duration>,
    /// Who writes, in the order of the file; at most [`HANDLERS_MAX`].
    pub handlers: Vec<Handler>,
    /// The loggers that something is said of. The root, which has no name, is always there.
    pub loggers: Vec<Logger>,
}

/// One ring, one handler of the root, and it takes everything.
impl From<&Options> for Config {
    fn from(options: &Options) -> Config {
        let Options { newlines, ids, .. } = *options;
        let formatter = match options.format {
            FormatKind::Text => Formatter::Text { newlines, ids },
            FormatKind::Json => Formatter::Json,
            FormatKind::Raw => Formatter::Raw,
        };
        let output = match &options.out {
            Out::Stdout => Output::Console { stream: Stream::Stdout, color: Color::Never },
            Out::File(path) => Output::File(FileOutput {
                path: path.clone(),
                existing: options.existing,
                checkpoint: options.checkpoint,
                fsync: options.fsync,
                rotation: options.rotation.clone(),
            }),
        };
        Config {
            rings: vec![options.ring.clone()],
            grace: options.grace,
            handlers: vec![Handler { name: "out".to_owned(), level: EVERYTHING, formatter, output }],
            loggers: vec![Logger::root(vec![0])],
        }
    }
}

/// The level of whoever takes everything: Python's `NOTSET`.
pub const EVERYTHING: Level = Level::from_number(0);

/// More handlers than that are refused.
pub const HANDLERS_MAX: usize = 64;

/// More rings than that are refused.
pub const RINGS_MAX: usize = 16;

/// Who writes records somewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Handler {
    /// Its name.
    pub name: String,
    /// Records below this level are none of its.
    pub level: Level,
    /// How its lines look.
    pub formatter: Formatter,
    /// Where they go.
    pub output: Output,
}

/// How lines look.
#[derive(Clone, Debug, PartialEq)]
pub enum Formatter {
    /// For people: time, level, logger, process and thread, place, message.
    Text {
        /// What becomes of newlines within a message.
        newlines: Newlines,
        /// Lines have the record's id behind the time.
        ids: bool,
    },
    /// One JSON object a line.
    Json,
    /// The message's bytes and a newline.
    Raw,
    /// As Python's `logging.Formatter`.
    Pattern {
        /// `%(levelname)s: %(message)s`, for example.
        pattern: String,
        /// How `asctime` looks; Python's own way, with milliseconds, if `None`.
        date: Option<String>,
        /// Whose time `asctime` is.
        zone: Zone,
        /// What becomes of newlines within a message.
        newlines: Newlines,
    },
}

impl Default for Formatter {
    fn default() -> Formatter {
        Formatter::Text { newlines: Newlines::default(), ids: false }
    }
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Standard output or standard error.
    Console {
        /// Which of them.
        stream: Stream,
        /// Whether levels have colours.
        color: Color,
    },
    /// A file, with everything that the command line can say of one.
    File(FileOutput),
    /// Nowhere.
    Null,
}

/// What it is called in messages.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Console { stream: Stream::Stdout, .. } => f.write_str("standard output"),
            Output::Console { stream: Stream::Stderr, .. } => f.write_str("standard error"),
            Output::File(file) => file.path.display().fmt(f),
            Output::Null => f.write_str("nothing"),
        }
    }
}

/// A file that lines go to.
#[derive(Clone, Debug, PartialEq)]
pub struct FileOutput {
    /// Its path. Its directory has to exist.
    pub path: PathBuf,
    /// What happens to what it holds already.
    pub existing: Existing,
    /// Keep a checkpoint beside it: every record is then in it exactly once.
    pub checkpoint: bool,
    /// When it is made to survive a power cut.
    pub fsync: Fsync,
    /// When it is closed and another one begun.
    pub rotation: Rotation,
}

impl FileOutput {
    /// A file with a checkpoint, to which lines are appended.
    pub fn new(path: impl Into<PathBuf>) -> FileOutput {
        FileOutput {
            path: path.into(),
            existing: Existing::default(),
            checkpoint: true,
            fsync: Fsync::default(),
            rotation: Rotation::default(),
        }
    }
}

/// Which of the two streams of a console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error, as Python's `StreamHandler`.
    #[default]
    Stderr,
}

named!(Stream, "stream", Stdout => "stdout", Stderr => "stderr");

/// Whether levels have colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// Where the stream is a terminal, and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

impl Color {
    /// Whether it is wanted there.
    pub(crate) fn is_wanted(self, stream: Stream) -> bool {
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

named!(Color, "choice of colours", Auto => "auto", Always => "always", Never => "never");

/// What is said of a logger, and of those below it that nothing else is said of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logger {
    /// Its dotted name; empty for the root.
    pub name: String,
    /// Records below this level go nowhere; that of the next logger above it if `None`.
    pub level: Option<Level>,
    /// Where its records go: places in [`Config::handlers`].
    pub handlers: Vec<usize>,
    /// Its records go to the handlers of the loggers above it too.
    pub propagate: bool,
}

impl Logger {
    /// The root, with these handlers and no limit.
    pub fn root(handlers: Vec<usize>) -> Logger {
        Logger { name: String::new(), level: None, handlers, propagate: true }
    }
}
