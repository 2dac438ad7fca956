//! The settings of a formatter.

use super::model::Formatter;
use crate::format::{FormatKind, Newlines};
use crate::setting::words::ANY;
use crate::setting::{Flag, Pattern, Setting, Switch, Syntax, Word, in_variant};
use crate::text_enum::InvalidValue;

/// Kinds of formatters, as they are written in the file.
pub(crate) const PATTERN: &str = "format";
const TEXT: &str = "kind = \"text\"";

pub(crate) const FORMATTER: &[Setting<Formatter>] = &[
    Setting::<Formatter>::own(
        "format",
        ANY,
        None,
        "A pattern as for Python's `Formatter`: `%(name)s` with flags, width and precision. Every attribute \
         of a `LogRecord`, and any field of the record by its name; a field that a record does not have is \
         empty, and one that neither the pattern nor the message names is not in the line. `%%` is a percent \
         sign. `ring`, `uuid`, `lane`, `incarnation` and `sequence` are the parts of the record's id, \
         unless the record has a field of that name.",
    ),
    Setting::<Formatter>::own(
        "kind",
        Syntax::String(Pattern::OneOf(FormatKind::WORDS)),
        Some("\"text\""),
        "Format of the lines: `text` for people, with time, level, logger, process, place and message; \
         `json`, one object a line, every field with its type; `raw`, only messages and the fields of typed \
         records, without time, level and notices of lost records.",
    )
    .instead_of("format")
    .flag_as(Flag::value("format", "FORMAT").short('f'), KIND),
    Setting::<Formatter>::own(
        "datefmt",
        ANY,
        None,
        "The format of `asctime`, with the directives of `strftime`. Without it as in Python: `2026-11-21 \
         14:30:00,123`.",
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
        "How a newline within a message is written in text: `escape` writes `\\n`, `indent` a newline and \
         four spaces, `raw` leaves it as it is.",
    )
    .of(&[TEXT, PATTERN])
    .flag(Flag::value("newlines", "POLICY")),
    Setting::<Formatter>::word(
        "ids",
        Syntax::Boolean,
        in_variant!(Formatter::Text, ids),
        "In text, write the record's id after the time, so that `ringlog verify` can find missing records: \
         the ring's UUID, lane, incarnation and sequence.",
    )
    .of(&[TEXT])
    .flag(Flag::switches(&[Switch { name: "ids", word: "true", help: None }])),
];

/// A formatter without a pattern, by the word for its kind.
const KIND: Word<Formatter> = Word {
    get: |formatter| formatter.kind().map(|kind| kind.to_string()),
    set: |formatter, word| {
        let kind: FormatKind = word.parse().map_err(|error: InvalidValue| error.to_string())?;
        *formatter = Formatter::from(kind);
        Ok(())
    },
};
