//! Every setting of the writer: its key, its flag, its values, and what it does. Defaults are those of the structs.

use std::time::Duration;

use ringlog::Level;
use ringlog::admin;

use super::model::{
    Color, Config, Formatter, HANDLERS_MAX, HandlerConfig, HandlerKind, LoggerConfig, RINGS_MAX, SinkConfig,
    Stream,
};
use super::options::{Existing, FileConfig, level_or_notset, parse_duration, parse_level};
use super::setting::{Flag, Key, Pattern, Setting, Switch, Syntax, Word, in_variant, optional, word};
use crate::format::{FormatKind, Newlines};
use crate::rotation::{Compression, Naming, OnFull, Rotation, parse_size};

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
        "Names or paths of rings, 1 to 16. They are merged by time into the same handlers. Not needed where the command \
         line names a ring.",
    ),
    Setting::<Config>::word(
        "grace",
        Syntax::String(Pattern::Duration),
        Word {
            get: |config| config.grace.map(admin::duration_word),
            set: |config, word| {
                let expected = "a number with a unit, such as \"10ms\" or \"1s\"";
                let grace = parse_duration(word)
                    .ok_or_else(|| format!("invalid duration {word:?}; expected {expected}"))?;
                config.grace = Some(grace);
                Ok(())
            },
        },
        "How long the writer holds back a record, for example `25ms`, because a thread that is suspended in the middle \
         of a log call may still publish an older one. An older record that comes later than that is written out of \
         order and counted as late. The wait shrinks to nothing as the ring fills. Without it 10 ms.",
    )
    .flag(
        Flag::value("grace", "TIME", optional!(grace, duration_or_milliseconds, admin::duration_word))
            .note("A bare number means milliseconds."),
    ),
    Setting::<Config>::own("formatters", Syntax::Tables(FORMATTER_TABLE), None, "[The formats of lines](#formattersname)."),
    Setting::<Config>::own(
        "handlers",
        Syntax::Tables(HANDLER_TABLE),
        None,
        "[Where lines go](#handlersname). At least one, at most 64.",
    )
    .required(),
    Setting::<Config>::own("root", Syntax::Table(ROOT_TABLE), None, "[The settings for all loggers](#root)."),
    Setting::<Config>::own("loggers", Syntax::Tables(LOGGER_TABLE), None, "[The settings for single loggers](#loggersname)."),
];

const FORMATTER_TABLE: &str = "formatters.NAME";

pub(crate) const FORMATTER: &[Setting<Formatter>] = &[
    Setting::<Formatter>::own(
        "format",
        ANY,
        None,
        "A pattern as for Python's `Formatter`: `%(name)s` with flags, width and precision. Every attribute of a \
         `LogRecord`, and any field of the record by its name; a field that a record does not have is empty. `%%` is a \
         percent sign. `ring`, `uuid`, `lane`, `incarnation` and `sequence` are the parts of the record's id, unless \
         the record has a field of that name.",
    ),
    Setting::<Formatter>::own(
        "kind",
        Syntax::String(Pattern::OneOf(FormatKind::WORDS)),
        Some("\"text\""),
        "Format of the lines: `text` for people, with time, level, logger, process, place and message; `json`, one \
         object a line, every field with its type; `raw`, only messages and the fields of typed records, without time, \
         level and notices of lost records.",
    )
    .instead_of("format")
    .flag(Flag::value("format", "FORMAT", word!(format)).short('f')),
    Setting::<Formatter>::own(
        "datefmt",
        ANY,
        None,
        "The format of `asctime`, with the directives of `strftime`. Without it as in Python: \
         `2026-11-21 14:30:00,123`.",
    )
    .of(&[PATTERN]),
    Setting::<Formatter>::word(
        "zone",
        ANY,
        in_variant!(Formatter::Pattern, zone),
        "The time zone of `asctime`: `local`, `utc`, or a name like `Europe/Berlin`.",
    )
    .of(&[PATTERN]),
    Setting::<Formatter>::word(
        "newlines",
        Syntax::String(Pattern::OneOf(Newlines::WORDS)),
        in_variant!(Formatter::Text | Formatter::Pattern, newlines),
        "How a newline within a message is written in text: `escape` writes `\\n`, `indent` a newline and four spaces, \
         `raw` leaves it as it is.",
    )
    .of(&[TEXT, PATTERN])
    .flag(Flag::value("newlines", "POLICY", word!(newlines))),
    Setting::<Formatter>::word(
        "ids",
        Syntax::Boolean,
        in_variant!(Formatter::Text, ids),
        "In text, write the record's id after the time, so that `ringlog verify` can find missing records: the ring's \
         UUID, lane, incarnation and sequence.",
    )
    .of(&[TEXT])
    .flag(Flag::switches(&[Switch { name: "ids", word: "true", help: None }], word!(ids))),
];

const HANDLER_TABLE: &str = "handlers.NAME";

/// The keys of every handler.
pub(crate) const HANDLER: &[Setting<HandlerConfig>] = &[
    Setting::<HandlerConfig>::own(
        "kind",
        Syntax::String(Pattern::OneOf(HandlerKind::WORDS)),
        None,
        "`console`, `file`, or `null`, which discards every record.",
    )
    .required(),
    Setting::<HandlerConfig>::word(
        "level",
        LEVEL,
        Word {
            get: |handler| Some(level_or_notset(handler.level)),
            set: |handler, word| {
                handler.level = parse_level(word)?;
                Ok(())
            },
        },
        "Records below it are not written.",
    ),
    Setting::<HandlerConfig>::own(
        "formatter",
        ANY,
        Some("\"text\""),
        "A name under `formatters`, or `text`, `json`, `raw`.",
    ),
];

/// The keys of a console.
pub(crate) const CONSOLE_HANDLER: &[Setting<SinkConfig>] = &[
    Setting::<SinkConfig>::word(
        "stream",
        Syntax::String(Pattern::OneOf(Stream::WORDS)),
        in_variant!(SinkConfig::Console, stream),
        "`stdout` or `stderr`.",
    )
    .of(CONSOLE),
    Setting::<SinkConfig>::word(
        "color",
        Syntax::String(Pattern::OneOf(Color::WORDS)),
        in_variant!(SinkConfig::Console, color),
        "Whether levels have colours: `auto` (if the stream is a terminal and `NO_COLOR` is not set), `always`, \
         `never`.",
    )
    .of(CONSOLE),
];

/// The keys of a file.
pub(crate) const FILE_HANDLER: &[Setting<FileConfig>] = &[
    Setting::<FileConfig>::own(
        "path",
        ANY,
        None,
        "The file. A relative path is relative to the working directory, as in Python. Its directory has to exist. Two \
         handlers cannot write to the same file, and none to the configuration.",
    )
    .of(FILE)
    .required(),
    Setting::<FileConfig>::word(
        "existing",
        Syntax::String(Pattern::OneOf(Existing::WORDS)),
        word!(existing),
        "What happens to the file's content when the writer starts: `append` keeps it, `truncate` discards it.",
    )
    .of(FILE)
    .flag(Flag::switches(
        &[
            Switch { name: "append", word: "append", help: Some("Keep the file's content and append to it (default).") },
            Switch { name: "truncate", word: "truncate", help: Some("Discard the file's content.") },
        ],
        word!(existing),
    )),
    Setting::<FileConfig>::word(
        "checkpoint",
        Syntax::Boolean,
        word!(checkpoint),
        "Keep a checkpoint beside the file: every record is then in it exactly once, even if the writer is killed. \
         [docs/durability.md](durability.md)",
    )
    .of(FILE)
    .flag(Flag::switches(
        &[Switch {
            name: "no-checkpoint",
            word: "false",
            help: Some(
                "Keep no checkpoint beside the file. After a writer is killed, its last batch may be written twice.",
            ),
        }],
        word!(checkpoint),
    )),
    Setting::<FileConfig>::word(
        "fsync",
        Syntax::String(Pattern::Either(&[
            Pattern::OneOf(&["never", "interval", "batch"]),
            Pattern::Duration,
            Pattern::Level,
        ])),
        word!(fsync),
        "When the file is synced, to survive a power cut: `never`; `interval`, each second; a duration like `5s`; \
         `batch`, with every batch; or a level like `error`, with every batch that has a record of this level or above. \
         A batch is what the writer writes at once, some 64 KiB or less. Needs the checkpoint.",
    )
    .of(FILE)
    .flag(Flag::value("fsync", "WHEN", word!(fsync))),
    Setting::<FileConfig>::own(
        "rotate",
        Syntax::Table(ROTATION_TABLE),
        None,
        "[When the file is closed and the next one begun](#handlersnamerotate). Needs the checkpoint.",
    )
    .of(FILE),
];

const ROTATION_TABLE: &str = "handlers.NAME.rotate";

pub(crate) const ROTATION: &[Setting<Rotation>] = &[
    Setting::<Rotation>::word(
        "size",
        Syntax::StringOrNumber(Pattern::Size, 1..=NUMBER_MAX),
        optional!(size, parse_size, admin::size_word),
        "Close a file before it reaches this size, for example `10MiB`.",
    )
    .flag(Flag::value("rotate-size", "SIZE", optional!(rotation.size, parse_size, admin::size_word))),
    Setting::<Rotation>::word(
        "every",
        Syntax::String(Pattern::Either(&[
            Pattern::OneOf(&[
                "midnight", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
            ]),
            Pattern::Duration,
        ])),
        optional!(every),
        "Close a file after this time (`30s`, `15min`, `6h`, `1h30m`, `1d`), at midnight (`midnight`), or at the start \
         of a weekday (`monday`).",
    )
    .flag(Flag::value("rotate-every", "WHEN", optional!(rotation.every))),
    Setting::<Rotation>::word(
        "at",
        Syntax::String(Pattern::Expression("([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")),
        optional!(at),
        "With `midnight` or a weekday: the time of day to close the file, for example `02:30`. Without it 00:00.",
    )
    .flag(Flag::value("rotate-at", "HH:MM", optional!(rotation.at))),
    Setting::<Rotation>::word(
        "zone",
        ANY,
        word!(zone),
        "The time zone of midnight and the time of day: `utc`, `local`, or a name like `Europe/Berlin`.",
    )
    .flag(Flag::value("zone", "ZONE", word!(rotation.zone))),
    Setting::<Rotation>::word("on-start", Syntax::Boolean, word!(on_start), "Close the present file when the writer starts.")
        .flag(Flag::switches(
            &[Switch { name: "rotate-on-start", word: "true", help: None }],
            word!(rotation.on_start),
        )),
    Setting::<Rotation>::word(
        "naming",
        Syntax::String(Pattern::OneOf(Naming::WORDS)),
        word!(naming),
        "The names of closed files: `time` (`app-20261121T143000Z.log`), `number` (`app.000001.log`), or `python` \
         (`app.log.1`, or `app.log.2026-11-21`).",
    )
    .flag(Flag::value("naming", "HOW", word!(rotation.naming))),
    Setting::<Rotation>::word(
        "keep",
        Syntax::StringOrNumber(
            Pattern::Expression(
                "all|\\s*[0-9]+(\\.[0-9]+)?\\s*[A-Za-z0-9. ]*(,\\s*[0-9]+(\\.[0-9]+)?\\s*[A-Za-z0-9. ]*)*",
            ),
            0..=u32::MAX as u64,
        ),
        word!(keep),
        "Which closed files to keep: `all`, or limits, separated by commas: a count, an age like `30d`, a total size \
         like `2GiB`. A file beyond at least one of them is deleted. The age does not count for a day [after the clock \
         was set ahead](durability.md#rotation).",
    )
    .flag(Flag::value("keep", "LIMITS", word!(rotation.keep))),
    Setting::<Rotation>::word(
        "compress",
        Syntax::String(Pattern::OneOf(Compression::WORDS)),
        optional!(compression),
        "Compress closed files in the background: `gzip` or `zstd`.",
    )
    .flag(Flag::value("compress", "HOW", optional!(rotation.compression))),
    Setting::<Rotation>::word(
        "on-full",
        Syntax::String(Pattern::OneOf(OnFull::WORDS)),
        word!(on_full),
        "On a full disk: `wait` for space, or `drop-oldest-file`, which deletes the oldest closed file and tries again.",
    )
    .flag(Flag::value("on-full", "POLICY", word!(rotation.on_full))),
];

const ROOT_TABLE: &str = "root";
const LOGGER_TABLE: &str = "loggers.NAME";

pub(crate) const ROOT: &[Setting<LoggerConfig>] = &[
    Setting::<LoggerConfig>::word(
        "level",
        LEVEL,
        LOGGER_LEVEL,
        "Records below it are discarded, unless a nearer logger has a level. Python's root has WARNING by default; \
         here the programs decide what they log, and the writer writes all of it.",
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
