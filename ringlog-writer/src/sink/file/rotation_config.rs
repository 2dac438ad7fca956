//! The settings of a file's rotation.

use std::fmt;

use ringlog::admin;

use crate::rotation::{Compression, Naming, OnFull, Rotation, parse_size};
use crate::setting::diagnostics::Findings;
use crate::setting::section::Section;
use crate::setting::words::{ANY, NUMBER_MAX};
use crate::setting::{Flag, Pattern, Setting, Switch, Syntax, Table, keys, optional, put_settings, word};

/// The end of the warning about limits for closed files where no file is closed by itself.
pub(crate) const ONLY_BY_REQUEST: &str = "size, every or on-start: files are closed only by `ringlog rotate`";

/// The header of its table.
pub(super) const TABLE: &str = "handlers.NAME.rotate";

pub(crate) const SETTINGS: &[Setting<Rotation>] = &[
    Setting::<Rotation>::word(
        "size",
        Syntax::StringOrNumber(Pattern::Size, 1..=NUMBER_MAX),
        optional!(size, parse_size, admin::size_word),
        "Close a file before it reaches this size, for example `10MiB`.",
    )
    .flag(Flag::value("rotate-size", "SIZE")),
    Setting::<Rotation>::word(
        "every",
        Syntax::String(Pattern::Either(&[
            Pattern::OneOf(&[
                "midnight",
                "monday",
                "tuesday",
                "wednesday",
                "thursday",
                "friday",
                "saturday",
                "sunday",
            ]),
            Pattern::Duration,
        ])),
        optional!(every),
        "Close a file after this time (`30s`, `15min`, `6h`, `1h30m`, `1d`), at midnight (`midnight`), or at \
         the start of a weekday (`monday`).",
    )
    .flag(Flag::value("rotate-every", "WHEN")),
    Setting::<Rotation>::word(
        "at",
        Syntax::String(Pattern::Expression("([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")),
        optional!(at),
        "With `midnight` or a weekday: the time of day to close the file, for example `02:30`. Without it \
         00:00.",
    )
    .flag(Flag::value("rotate-at", "HH:MM")),
    Setting::<Rotation>::word(
        "zone",
        ANY,
        word!(zone),
        "The time zone of midnight and the time of day: `utc`, `local`, or a name like `Europe/Berlin`.",
    )
    .flag(Flag::value("zone", "ZONE")),
    Setting::<Rotation>::word(
        "on-start",
        Syntax::Boolean,
        word!(on_start),
        "Close the present file when the writer starts.",
    )
    .flag(Flag::switches(
        &[Switch { name: "rotate-on-start", word: "true", help: None }])),
    Setting::<Rotation>::word(
        "naming",
        Syntax::String(Pattern::OneOf(Naming::WORDS)),
        word!(naming),
        "The names of closed files: `time` (`app-20261121T143000Z.log`), `number` (`app.000001.log`), or \
         `python` (`app.log.1`, or `app.log.2026-11-21`). Closed files of the naming before a change stay: no limit \
         counts or deletes them.",
    )
    .flag(Flag::value("naming", "HOW")),
    Setting::<Rotation>::word(
        "keep",
        Syntax::StringOrNumber(
            Pattern::Limits,
            0..=u32::MAX as u64,
        ),
        word!(keep),
        "Which closed files to keep: `all`, or limits, separated by commas: a count, an age like `30d`, a \
         total size like `2GiB`. A file beyond at least one of them is deleted. The age does not count for a \
         day [after the clock was set ahead](durability.md#rotation).",
    )
    .flag(Flag::value("keep", "LIMITS")),
    Setting::<Rotation>::word(
        "compress",
        Syntax::String(Pattern::OneOf(Compression::WORDS)),
        optional!(compression),
        "Compress closed files in the background: `gzip` or `zstd`.",
    )
    .flag(Flag::value("compress", "HOW")),
    Setting::<Rotation>::word(
        "on-full",
        Syntax::String(Pattern::OneOf(OnFull::WORDS)),
        word!(on_full),
        "On a full disk: `wait` for space, or `drop-oldest-file`, which deletes the oldest closed file and \
         tries again.",
    )
    .flag(Flag::value("on-full", "POLICY")),
    Setting::<Rotation>::word(
        "min-free",
        Syntax::StringOrNumber(Pattern::Size, 1..=NUMBER_MAX),
        optional!(min_free, parse_size, admin::size_word),
        "While the file system has less free space than this, for example `1GiB`, closed files are deleted, oldest \
         first, and each is reported. The file that is being written is never deleted: where nothing else is left, \
         the writer says so once a minute, and goes on until the disk is full.",
    )
    .flag(Flag::value("min-free", "SIZE")),
];

/// The settings with their defaults, as the document and the schema have them.
pub(super) fn table() -> Table {
    Table { header: TABLE, keys: keys(SETTINGS, &[Rotation::default()]) }
}

/// Prints the table below a handler's, which has this header.
pub(super) fn print(rotation: &Rotation, f: &mut fmt::Formatter<'_>, header: &str) -> fmt::Result {
    let plain = Rotation::default();
    if *rotation == plain {
        return Ok(());
    }
    writeln!(f, "\n[{header}.rotate]")?;
    put_settings(f, SETTINGS, rotation, &plain, |_| None)
}

/// Reads the table.
pub(super) fn read(section: &Section<'_>, findings: &mut Findings) -> Rotation {
    let errors = findings.errors();
    let mut rotation = Rotation::default();
    section.allow(&keys(SETTINGS, &[]), findings);
    section.read(SETTINGS, "", &mut rotation, findings);
    if findings.errors() == errors
        && (!rotation.keep.is_all() || rotation.min_free.is_some())
        && !rotation.closes_by_itself()
    {
        let key = if rotation.keep.is_all() { "min-free" } else { "keep" };
        let at = section.key_at(key).unwrap_or(section.at.clone());
        findings.warn(&at, format!("{key} without {ONLY_BY_REQUEST}"));
    }
    // After an error the rotation is incomplete, and its check could report what is only misspelled.
    if findings.errors() == errors
        && let Err(contradiction) = rotation.check()
    {
        let at = section.key_at(contradiction.key()).unwrap_or(section.at.clone());
        findings.unfit(&at, contradiction.to_string());
    }
    rotation
}
