//! The settings of a handler: those of every kind, of a console, and of a file.

use super::{ANY, CONSOLE, FILE, LEVEL, ROTATION_TABLE};
use crate::config::model::{Color, HandlerConfig, HandlerKind, SinkConfig, Stream};
use crate::config::options::{Existing, FileConfig, level_or_notset, parse_level};
use crate::config::setting::{Flag, Pattern, Setting, Switch, Syntax, in_variant, optional, word};

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
        "Whether levels have colours: `auto` (if the stream is a terminal and `NO_COLOR` is not set), \
         `always`, `never`.",
    )
    .of(CONSOLE),
];

/// The keys of a file.
pub(crate) const FILE_HANDLER: &[Setting<FileConfig>] = &[
    Setting::<FileConfig>::own(
        "path",
        ANY,
        None,
        "The file. A relative path is relative to the working directory, as in Python. Its directory has to \
         exist. Handlers of the same file share it: a setting that one of them has holds for all. It cannot be the \
         configuration itself.",
    )
    .of(FILE)
    .required(),
    Setting::<FileConfig>::word(
        "existing",
        Syntax::String(Pattern::OneOf(Existing::WORDS)),
        word!(existing),
        "What happens to the file's content when the writer starts: `append` keeps it, `truncate` discards \
         it.",
    )
    .of(FILE)
    .flag(Flag::switches(
        &[
            Switch {
                name: "append",
                word: "append",
                help: Some("Keep the file's content and append to it (default)."),
            },
            Switch { name: "truncate", word: "truncate", help: Some("Discard the file's content.") },
        ],
        word!(existing),
    )),
    Setting::<FileConfig>::word(
        "checkpoint",
        Syntax::Boolean,
        word!(checkpoint),
        "Keep a checkpoint beside the file: every record is then in it exactly once, even if the writer is \
         killed. [docs/durability.md](durability.md)",
    )
    .of(FILE)
    .flag(Flag::switches(
        &[Switch {
            name: "no-checkpoint",
            word: "false",
            help: Some(
                "Keep no checkpoint beside the file. After a writer is killed, its last batch may be written \
                 twice.",
            ),
        }],
        word!(checkpoint),
    )),
    Setting::<FileConfig>::word(
        "mode",
        Syntax::String(Pattern::Expression("(0o)?0?[67][0-7][0-7]")),
        optional!(mode),
        "The mode of files that the writer makes, such as `0640`, whatever the umask: of the file itself, and of each \
         that is begun after a closed one. Without it that of the file before, or as the umask leaves it. A file \
         that is there already stays as it is, and a compressed file is as open as its original.",
    )
    .of(FILE)
    .flag(Flag::value("mode", "MODE", optional!(mode))),
    Setting::<FileConfig>::word(
        "owner",
        ANY,
        optional!(owner),
        "The owner of such files, by name or number. Only root may give files away. Where that is refused, the file \
         stays the writer's; in another group than configured its mode gives group and others no more than both should \
         have. The writer says so and writes it.",
    )
    .of(FILE)
    .flag(Flag::value("owner", "USER", optional!(owner))),
    Setting::<FileConfig>::word(
        "group",
        ANY,
        optional!(group),
        "The group of such files, by name or number: one of the writer's groups, or as root any.",
    )
    .of(FILE)
    .flag(Flag::value("group", "GROUP", optional!(group))),
    Setting::<FileConfig>::word(
        "fsync",
        Syntax::String(Pattern::Either(&[
            Pattern::OneOf(&["never", "interval", "batch"]),
            Pattern::Duration,
            Pattern::Level,
        ])),
        word!(fsync),
        "When the file is synced, to survive a power cut: `never`; `interval`, each second; a duration like \
         `5s`; `batch`, with every batch; or a level like `error`, with every batch that has a record of \
         this level or above. A batch is what the writer writes at once, some 64 KiB or less. Needs the \
         checkpoint.",
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
