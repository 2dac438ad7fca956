//! Every setting of the writer: its key, its flag, its values, and what it does. Defaults are those of the structs.

use std::time::Duration;

use ringlog::Level;
use ringlog::admin;

mod formatters;
mod handlers;
mod rotation;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use formatters::FORMATTER;
pub(crate) use handlers::{CONSOLE_HANDLER, FILE_HANDLER, HANDLER};
pub(crate) use rotation::ROTATION;

use super::model::{
    Config, Formatter, HANDLERS_MAX, HandlerConfig, HandlerKind, LoggerConfig, RINGS_MAX, SinkConfig,
};
use super::options::{FileConfig, level_or_notset, parse_duration, parse_level};
use super::setting::{Flag, Key, Pattern, Setting, Switch, Syntax, Word, optional, word};
use crate::rotation::{Rotation, parse_size};

/// The largest number in a file.
const NUMBER_MAX: u64 = i64::MAX as u64;

const ANY: Syntax = Syntax::String(Pattern::Any);
const LEVEL: Syntax = Syntax::StringOrNumber(Pattern::Level, 0..=255);
const HANDLERS: Syntax = Syntax::Strings(0..=HANDLERS_MAX);

/// Kinds of handlers and formatters, as they are written in the file.
const CONSOLE: &[&str] = &["kind = \"console\""];
const FILE: &[&str] = &["kind = \"file\""];
pub(crate) const PATTERN: &str = "format";
const TEXT: &str = "kind = \"text\"";

/// The file's own keys.
pub(crate) const TOP: &[Setting<Config>] = &[
    Setting::<Config>::own(
        "rings",
        Syntax::Strings(1..=RINGS_MAX),
        None,
        "Names or paths of rings, 1 to 16. They are merged by time into the same handlers. Not needed where \
         the command line names a ring.",
    ),
    Setting::<Config>::word(
        "grace",
        Syntax::String(Pattern::Duration),
        Word {
            get: |config| config.grace.map(admin::duration_word),
            set: |config, word| {
                config.grace = Some(duration(word)?);
                Ok(())
            },
        },
        "How long the writer holds back a record, for example `25ms`, because a thread that is suspended in \
         the middle of a log call may still publish an older one. An older record that comes later than that \
         is written out of order and counted as late. The wait shrinks to nothing as the ring fills. Without \
         it 10 ms.",
    )
    .flag(
        Flag::value("grace", "TIME", optional!(grace, duration_or_milliseconds, admin::duration_word))
            .note("A bare number means milliseconds."),
    ),
    Setting::<Config>::word(
        "stop-timeout",
        Syntax::String(Pattern::Duration),
        word!(stop_timeout, duration, admin::duration_word),
        "When the writer stops, how long an output that takes nothing, such as a pipe that is not read, is waited \
         for. `0s`: it gets what it takes at once. A file is written to its end, unless it has taken nothing for \
         this time and at least a second. What an output has not got by then waits in the ring for the next writer.",
    )
    .flag(Flag::value("stop-timeout", "TIME", word!(stop_timeout, duration, admin::duration_word))),
    Setting::<Config>::word(
        "max-total-size",
        Syntax::StringOrNumber(Pattern::Size, 1..=NUMBER_MAX),
        optional!(max_total_size, parse_size, admin::size_word),
        "The size of the closed files of all handlers together, compressed or not, for example `10GiB`. Beyond it the \
         oldest of all are deleted, whatever their handler's `keep` says. Another writer counts its own files.",
    ),
    Setting::<Config>::word(
        "exit-notices",
        Syntax::Boolean,
        word!(exit_notices),
        "Write a line for each process that ends without closing its lanes: WARNING where a signal killed it or \
         the cause is not known, INFO where it called `_exit` or exec. `ringlog stat` counts them in any case.",
    )
    .flag(Flag::switches(
        &[Switch {
            name: "no-exit-notices",
            word: "false",
            help: Some(
                "Write no lines for processes that end without closing their lanes. `ringlog stat` counts them in \
                 any case.",
            ),
        }],
        word!(exit_notices),
    )),
    Setting::<Config>::own(
        "formatters",
        Syntax::Tables(FORMATTER_TABLE),
        None,
        "[The formats of lines](#formattersname).",
    ),
    Setting::<Config>::own(
        "handlers",
        Syntax::Tables(HANDLER_TABLE),
        None,
        "[Where lines go](#handlersname). At least one, at most 64.",
    )
    .required(),
    Setting::<Config>::own("root", Syntax::Table(ROOT_TABLE), None, "[The settings for all loggers](#root)."),
    Setting::<Config>::own(
        "loggers",
        Syntax::Tables(LOGGER_TABLE),
        None,
        "[The settings for single loggers](#loggersname).",
    ),
];

const FORMATTER_TABLE: &str = "formatters.NAME";

const HANDLER_TABLE: &str = "handlers.NAME";

const ROTATION_TABLE: &str = "handlers.NAME.rotate";

const ROOT_TABLE: &str = "root";
const LOGGER_TABLE: &str = "loggers.NAME";

pub(crate) const ROOT: &[Setting<LoggerConfig>] = &[
    Setting::<LoggerConfig>::word(
        "level",
        LEVEL,
        LOGGER_LEVEL,
        "Records below it are discarded, unless a nearer logger has a level. Python's root has WARNING by \
         default; here the programs decide what they log, and the writer writes all of it.",
    ),
    Setting::<LoggerConfig>::own("handlers", HANDLERS, Some("[]"), "Names under `handlers`."),
];

pub(crate) const LOGGER: &[Setting<LoggerConfig>] = &[
    Setting::<LoggerConfig>::word(
        "level",
        LEVEL,
        LOGGER_LEVEL,
        "Records below it are discarded. `NOTSET`: the level of the next logger above.",
    ),
    Setting::<LoggerConfig>::own("handlers", HANDLERS, Some("[]"), "Names under `handlers`."),
    Setting::<LoggerConfig>::word(
        "propagate",
        Syntax::Boolean,
        word!(propagate),
        "Its records go to the handlers of the loggers above it too.",
    ),
];

/// `NOTSET` is no level.
const LOGGER_LEVEL: Word<LoggerConfig> = Word {
    get: |logger| Some(level_or_notset(logger.level.unwrap_or(Level::from_number(0)))),
    set: |logger, word| {
        logger.level = Some(parse_level(word)?).filter(|level| level.number() > 0);
        Ok(())
    },
};

/// A duration with its unit.
fn duration(word: &str) -> Result<Duration, String> {
    let expected = "a number with a unit, such as \"10ms\" or \"1s\"";
    parse_duration(word).ok_or_else(|| format!("invalid duration {word:?}; expected {expected}"))
}

/// A duration; a bare number means milliseconds.
fn duration_or_milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).or_else(|_| admin::parse_duration(text))
}

/// A table of the file: its header, empty for the file itself, and its keys.
pub(crate) struct Table {
    pub(crate) header: &'static str,
    pub(crate) keys: Vec<Key>,
}

/// Every table, in the order of the document.
pub(crate) fn tables() -> Vec<Table> {
    vec![
        Table { header: "", keys: keys(TOP, &[Config::empty()]) },
        Table { header: FORMATTER_TABLE, keys: formatter_keys() },
        Table { header: HANDLER_TABLE, keys: handler_keys() },
        Table { header: ROTATION_TABLE, keys: keys(ROTATION, &[Rotation::default()]) },
        Table { header: ROOT_TABLE, keys: keys(ROOT, &[LoggerConfig::root(Vec::new())]) },
        Table { header: LOGGER_TABLE, keys: keys(LOGGER, &[LoggerConfig::root(Vec::new())]) },
    ]
}

/// The keys of these settings. Their defaults are those of the first of these values that has one.
pub(crate) fn keys<T>(settings: &'static [Setting<T>], plain: &[T]) -> Vec<Key> {
    settings.iter().map(|setting| setting.describe(plain)).collect()
}

pub(crate) fn formatter_keys() -> Vec<Key> {
    keys(FORMATTER, &[Formatter::default(), Formatter::pattern(String::new(), None)])
}

pub(crate) fn handler_keys() -> Vec<Key> {
    let plain = HandlerConfig::plain(HandlerKind::Null);
    let mut all = keys(HANDLER, &[plain]);
    all.extend(keys(CONSOLE_HANDLER, &[SinkConfig::plain(HandlerKind::Console)]));
    all.extend(keys(FILE_HANDLER, &[FileConfig::new("")]));
    all
}
