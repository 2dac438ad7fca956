//! Reading the tables under `formatters`.

use jiff::tz::TimeZone;

use super::formatter_settings::{FORMATTER, PATTERN};
use super::model::Formatter;
use super::settings;
use crate::format::{FormatKind, Newlines, Pattern, PatternError};
use crate::setting::diagnostics::{Findings, Span};
use crate::setting::section::Section;
use crate::text_enum::{nearest, suggestion};

/// A formatter of the file.
struct Defined<'a> {
    name: &'a str,
    at: Span,
    formatter: Formatter,
    is_used: bool,
}

/// The formatters of the file.
pub(super) struct FormatterTables<'a> {
    defined: Vec<Defined<'a>>,
}

/// The formatters that need no definition. The first is the default.
pub(super) const BUILT_IN: &[(&str, Formatter)] = &[
    ("text", Formatter::Text { newlines: Newlines::Escape, ids: false }),
    ("json", Formatter::Json),
    ("raw", Formatter::Raw),
];

/// The built-in formatter of this name.
pub(super) fn built_in(name: &str) -> Option<&'static Formatter> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, formatter)| formatter)
}

impl<'a> FormatterTables<'a> {
    pub(super) fn read(file: &Section<'a>, findings: &mut Findings) -> FormatterTables<'a> {
        let tables = file.table("formatters", findings).map(|section| section.tables(findings));
        let mut defined = Vec::new();
        for (name, section) in tables.unwrap_or_default() {
            if name.is_empty() {
                findings.wrong(&section.at, "a formatter without a name; give it one");
            } else if built_in(name).is_some() {
                let what = format!("the formatter {name:?} is built in; choose another name");
                findings.wrong(&section.at, what);
            }
            let formatter = formatter(&section, findings);
            defined.push(Defined { name, at: section.at, formatter, is_used: false });
        }
        FormatterTables { defined }
    }

    /// The formatter that a handler names; the built-in `text` if it names none.
    pub(super) fn of(&mut self, handler: &Section<'a>, findings: &mut Findings) -> Formatter {
        let Some(name) = handler.text("formatter", findings) else { return Formatter::default() };
        if let Some(defined) = self.defined.iter_mut().find(|defined| defined.name == name) {
            defined.is_used = true;
            return defined.formatter.clone();
        }
        built_in(name).cloned().unwrap_or_else(|| {
            let built_in = BUILT_IN.iter().map(|(name, _)| *name);
            let known: Vec<&str> = self.defined.iter().map(|defined| defined.name).chain(built_in).collect();
            let what = unknown("formatter", name, &handler.within(), &known);
            findings.unfit(&handler.value_at("formatter"), what);
            Formatter::default()
        })
    }

    pub(super) fn warn_of_unused(&self, findings: &mut Findings) {
        for Defined { name, at, .. } in self.defined.iter().filter(|defined| !defined.is_used) {
            findings.warn(at, format_args!("no handler uses the formatter {name:?}"));
        }
    }
}

/// The message for a name that is not defined.
pub(super) fn unknown(what: &str, name: &str, within: &str, known: &[&str]) -> String {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => suggestion(Some(near)),
        None => format!("; expected {}", known.join(", ")),
    };
    format!("unknown {what} {name:?}{within}{hint}")
}

fn formatter(section: &Section<'_>, findings: &mut Findings) -> Formatter {
    let keys = settings::formatter_keys();
    section.allow(&keys, findings);
    if section.key_at("format").is_some() {
        let instead = keys.iter().filter(|key| key.about.instead_of == Some("format"));
        for (key, at) in instead.filter_map(|key| Some((key.name, section.key_at(key.name)?))) {
            let within = section.within();
            findings.wrong(&at, format!("{key:?}{within} does not go with format; leave out one of them"));
        }
        section.allow_of(PATTERN, &keys, findings);
        return pattern(section, findings);
    }
    let has_kind = section.key_at("kind").is_some();
    let kind: Option<FormatKind> =
        section.text("kind", findings).and_then(|word| section.parsed("kind", word.parse(), findings));
    // Which keys may follow depends on the kind, so an invalid kind is reported alone.
    if kind.is_some() || !has_kind {
        section.allow_of(&of(kind.unwrap_or_default()), &keys, findings);
    }
    let mut formatter = Formatter::from(kind.unwrap_or_default());
    section.read(FORMATTER, &of(kind.unwrap_or_default()), &mut formatter, findings);
    formatter
}

/// The kind as it is written in the file.
fn of(kind: FormatKind) -> String {
    format!("kind = \"{kind}\"")
}

fn pattern(section: &Section<'_>, findings: &mut Findings) -> Formatter {
    let pattern = section.text("format", findings).unwrap_or_default();
    match Pattern::new(pattern, None, TimeZone::UTC, Newlines::default()) {
        Ok(found) => {
            if !pattern.is_empty() && found.shows_nothing() {
                let hint =
                    if pattern.contains(['{', '$']) { "; only Python's style `%` is known here" } else { "" };
                let what =
                    format!("the format shows nothing of a record; expected %(message)s or the like{hint}");
                findings.wrong(&section.value_at("format"), what);
            }
            for (field, attribute) in found.likely_mistakes() {
                let at = section.value_at("format");
                let hint = suggestion(Some(attribute));
                findings.warn(
                    &at,
                    format_args!(
                        "%({field}) is not an attribute and shows the record's field of that name{hint}"
                    ),
                );
            }
        }
        Err(problem) => refuse_pattern("format", section, pattern, &problem, findings),
    }
    let date = section.text("datefmt", findings);
    if let Some(Err(problem)) =
        date.map(|date| Pattern::new("", Some(date), TimeZone::UTC, Newlines::default()))
    {
        refuse_pattern("datefmt", section, date.unwrap_or_default(), &problem, findings);
    }
    let mut formatter = Formatter::pattern(pattern.to_owned(), date.map(str::to_owned));
    section.read(FORMATTER, PATTERN, &mut formatter, findings);
    formatter
}

fn refuse_pattern(
    key: &str,
    section: &Section<'_>,
    pattern: &str,
    problem: &PatternError,
    findings: &mut Findings,
) {
    match section.byte_at(key, problem.at()) {
        Some(at) => findings.wrong(&at, problem.to_string()),
        None => {
            let before = pattern.get(..problem.at()).unwrap_or_default();
            let character = before.chars().count() + 1;
            let what = format!("{problem} (at character {character} of the format)");
            findings.wrong(&section.value_at(key), what);
        }
    }
}
