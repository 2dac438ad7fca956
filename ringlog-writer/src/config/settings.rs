//! Every key of the file, with its table. Settings are declared beside the structs that have their values: those of
//! sinks in the sinks' folder, the others here.

use ringlog::Level;

use super::formatter_settings::FORMATTER;
use super::general::{GENERAL, General};
use super::model::{Config, Formatter, HANDLERS_MAX, HandlerConfig, LoggerConfig, RINGS_MAX};
use crate::setting::words::{ANY, LEVEL, level_or_notset, parse_level};
use crate::setting::{Key, Pattern, Setting, Syntax, Table, Word, keys, word};
use crate::sink::{NullConfig, SinkConfig};

const HANDLERS: Syntax = Syntax::Strings(0..=HANDLERS_MAX);

/// The rings.
pub(crate) const RINGS: &[Setting<Config>] = &[Setting::<Config>::own(
    "rings",
    Syntax::Strings(1..=RINGS_MAX),
    None,
    "Names or paths of rings, 1 to 16. They are merged by time into the same handlers. Not needed where \
         the command line names a ring.",
)];

/// The tables of the file.
const TABLES: &[Setting<Config>] = &[
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

const ROOT_TABLE: &str = "root";
const LOGGER_TABLE: &str = "loggers.NAME";

/// The keys of every handler.
pub(crate) const HANDLER: &[Setting<HandlerConfig>] = &[
    Setting::<HandlerConfig>::own(
        "kind",
        Syntax::String(Pattern::OneOf(SinkConfig::KINDS)),
        None,
        "What its lines go to: one of the kinds below, or `null`, which discards every record.",
    )
    .required(),
    Setting::<HandlerConfig>::word(
        "level",
        LEVEL,
        word!(level, parse_level, level_or_notset),
        "Records below it are not written.",
    ),
    Setting::<HandlerConfig>::own(
        "formatter",
        ANY,
        Some("\"text\""),
        "A name under `formatters`, or `text`, `json`, `raw`.",
    ),
];

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

/// Every table, in the order of the document.
pub(crate) fn tables() -> Vec<Table> {
    let mut all = vec![
        Table { header: "", keys: top_keys() },
        Table { header: FORMATTER_TABLE, keys: formatter_keys() },
        Table { header: HANDLER_TABLE, keys: handler_keys() },
    ];
    all.extend(SinkConfig::all().iter().flat_map(|sink| sink.kind().tables()));
    all.extend([
        Table { header: ROOT_TABLE, keys: keys(ROOT, &[LoggerConfig::root(Vec::new())]) },
        Table { header: LOGGER_TABLE, keys: keys(LOGGER, &[LoggerConfig::root(Vec::new())]) },
    ]);
    all
}

/// The file's own keys.
pub(crate) fn top_keys() -> Vec<Key> {
    let mut all = keys(RINGS, &[Config::empty()]);
    all.extend(keys(GENERAL, &[General::default()]));
    all.extend(keys(TABLES, &[Config::empty()]));
    all
}

pub(crate) fn formatter_keys() -> Vec<Key> {
    keys(FORMATTER, &[Formatter::default(), Formatter::pattern(String::new(), None)])
}

pub(crate) fn handler_keys() -> Vec<Key> {
    let mut all = keys(HANDLER, &[HandlerConfig::plain(SinkConfig::Null(NullConfig))]);
    all.extend(SinkConfig::all().iter().flat_map(SinkConfig::keys));
    all
}
