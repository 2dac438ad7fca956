//! Reading a table of the file, key by key.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Display;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Findings, Span};
use super::quote;
use super::{Key, Setting, Syntax, names};
use crate::text_enum::{nearest, suggestion};

/// Keys of Python's files, in lower case, and the key that means the same here.
const PYTHON: &[(&str, &str)] = &[
    ("class", "kind"),
    ("filename", "path"),
    ("mode", "existing"),
    ("maxbytes", "size"),
    ("backupcount", "keep"),
    ("when", "every"),
    ("interval", "every"),
    ("attime", "at"),
    ("utc", "zone"),
    ("delay", "existing"),
    ("fmt", "format"),
    ("filters", "level"),
];

/// A table of the file.
#[derive(Clone)]
pub(crate) struct Section<'a> {
    /// The table's name as in a header, `handlers.file`; empty for the file itself.
    pub(crate) name: String,
    /// The place of its header.
    pub(crate) at: Span,
    text: &'a str,
    table: &'a DeTable<'a>,
}

/// A key of a table, and its value.
pub(crate) type TableEntry<'a> = (&'a Spanned<Cow<'a, str>>, &'a Spanned<DeValue<'a>>);

impl<'a> Section<'a> {
    pub(crate) fn file(text: &'a str, table: &'a DeTable<'a>) -> Section<'a> {
        Section { name: String::new(), at: 0..0, text, table }
    }

    /// The keys and values in the order of the file.
    fn entries(&self) -> Vec<TableEntry<'a>> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    fn get(&self, key: &str) -> Option<TableEntry<'a>> {
        self.table.get_key_value(key)
    }

    /// The place of a key.
    pub(crate) fn key_at(&self, key: &str) -> Option<Span> {
        self.get(key).map(|(key, _)| key.span())
    }

    /// The place of a key's value; the table's own place if it has no such key.
    pub(crate) fn value_at(&self, key: &str) -> Span {
        self.get(key).map_or(self.at.clone(), |(_, value)| value.span())
    }

    /// The place of a byte of a string value; `None` where escapes make that ambiguous.
    pub(crate) fn byte_at(&self, key: &str, byte: usize) -> Option<Span> {
        let span = self.value_at(key);
        let written = self.text.get(span.clone())?;
        let is_plain = match written.as_bytes() {
            [b'"', b'"', b'"', ..] | [b'\'', b'\'', b'\'', ..] => false,
            [b'"', inner @ ..] => !inner.contains(&b'\\'),
            [b'\'', ..] => true,
            _ => false,
        };
        is_plain.then(|| span.start + 1 + byte..span.end)
    }

    /// The header of a table in this one.
    fn header(&self, name: &str) -> String {
        let dot = if self.name.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.name, quote::key(name))
    }

    /// ` in [handlers.file]`, or nothing for the file itself.
    pub(crate) fn within(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) }
    }

    /// Reports the keys that are not among these.
    pub(crate) fn allow(&self, keys: &[Key], findings: &mut Findings) {
        for entry in self.unknown(keys) {
            self.refuse(entry, keys, findings);
        }
    }

    /// The entries whose keys are not among these.
    pub(crate) fn unknown(&self, keys: &[Key]) -> Vec<TableEntry<'a>> {
        let mut entries = self.entries();
        entries.retain(|(name, _)| keys.iter().all(|known| known.name != name.get_ref().as_ref()));
        entries
    }

    /// Reports an unknown key.
    pub(crate) fn refuse(&self, (key, _): TableEntry<'_>, keys: &[Key], findings: &mut Findings) {
        let name = key.get_ref().as_ref();
        findings.wrong(&key.span(), format!("unknown key {name:?}{}{}", self.within(), meant(name, keys)));
    }

    /// Reports the keys that a table of this kind may not have.
    pub(crate) fn allow_of(&self, kind: &str, keys: &[Key], findings: &mut Findings) {
        for (key, _) in self.entries() {
            let (name, at) = (key.get_ref().as_ref(), key.span());
            let known: Vec<&Key> = keys.iter().filter(|known| known.name == name).collect();
            if !known.is_empty() && !known.iter().any(|known| known.is_of(kind)) {
                let of: Vec<&str> = known.iter().flat_map(|known| &known.of).map(String::as_str).collect();
                let of = of.join(" and ");
                let what = format!("{name:?}{} does not go with {kind}; it is for {of}", self.within());
                findings.wrong(&at, what);
            }
        }
    }

    fn mistyped(&self, (key, value): TableEntry<'_>, expected: &str, findings: &mut Findings) {
        let (name, found, within) = (key.get_ref(), kind_of(value.get_ref()), self.within());
        let hint = match value.get_ref() {
            DeValue::Datetime(_) if expected.starts_with("a string") => {
                format!("; write it in quotes, {:?}", self.text.get(value.span()).unwrap_or_default())
            }
            DeValue::Array(_) if expected == "a table" && self.has_brackets(&value.span()) => {
                format!("; write [{}] in single brackets", self.header(name))
            }
            _ => String::new(),
        };
        let what = format!("wrong type of {name:?}{within}; expected {expected}, found {found}{hint}");
        findings.wrong(&value.span(), what);
    }

    /// Whether the header at this place has two brackets.
    fn has_brackets(&self, at: &Span) -> bool {
        self.text.get(at.clone()).is_some_and(|text| text.starts_with("[["))
    }

    /// A string.
    pub(crate) fn text(&self, key: &str, findings: &mut Findings) -> Option<&'a str> {
        let entry = self.get(key)?;
        match entry.1.get_ref() {
            DeValue::String(text) => Some(text),
            _ => {
                self.mistyped(entry, "a string", findings);
                None
            }
        }
    }

    /// Reads the settings that have a value here into their places, as far as a table of this kind may have them.
    pub(crate) fn read<T>(
        &self,
        settings: &[Setting<T>],
        kind: &str,
        target: &mut T,
        findings: &mut Findings,
    ) {
        for setting in settings.iter().filter(|setting| setting.about().is_of(kind)) {
            let Some(word) = setting.as_word() else { continue };
            if let Some(text) = self.word(setting.key(), &setting.about().syntax, findings) {
                self.parsed(setting.key(), (word.set)(target, &text), findings);
            }
        }
    }

    /// A value of this syntax as a word.
    fn word(&self, key: &str, syntax: &Syntax, findings: &mut Findings) -> Option<Cow<'a, str>> {
        let entry = self.get(key)?;
        match (syntax, entry.1.get_ref()) {
            (Syntax::String(_) | Syntax::StringOrNumber(..), DeValue::String(text)) => {
                Some(Cow::Borrowed(text.as_ref()))
            }
            (Syntax::StringOrNumber(..), DeValue::Integer(number)) => {
                let decimal = i128::from_str_radix(number.as_str(), number.radix());
                Some(decimal.map_or_else(|_| number.to_string(), |number| number.to_string()).into())
            }
            (Syntax::Boolean, DeValue::Boolean(flag)) => Some(flag.to_string().into()),
            _ => {
                self.mistyped(entry, syntax.expected(), findings);
                None
            }
        }
    }

    /// The parsed value of a key; reports the error if there is one.
    pub(crate) fn parsed<T, E: Display>(
        &self,
        key: &str,
        parsed: Result<T, E>,
        findings: &mut Findings,
    ) -> Option<T> {
        parsed.map_err(|error| findings.wrong(&self.value_at(key), error.to_string())).ok()
    }

    /// A list of distinct strings, each with its place.
    pub(crate) fn texts(&self, key: &str, findings: &mut Findings) -> Option<Vec<(&'a str, Span)>> {
        let entry = self.get(key)?;
        let DeValue::Array(list) = entry.1.get_ref() else {
            self.mistyped(entry, "a list of strings", findings);
            return None;
        };
        let (mut texts, mut seen) = (Vec::new(), HashSet::new());
        for value in list.iter() {
            match value.get_ref() {
                DeValue::String(text) if !seen.insert(text) => {
                    let what = format!("{text:?} is twice in {key:?}{}; once is enough", self.within());
                    findings.wrong(&value.span(), what);
                }
                DeValue::String(text) => texts.push((text.as_ref(), value.span())),
                other => {
                    let found = kind_of(other);
                    let what = format!(
                        "wrong type in {key:?}{}; expected a list of strings, found {found} in it",
                        self.within()
                    );
                    findings.wrong(&value.span(), what);
                }
            }
        }
        Some(texts)
    }

    /// A table in this one.
    pub(crate) fn table(&self, key: &str, findings: &mut Findings) -> Option<Section<'a>> {
        let entry = self.get(key)?;
        self.section(entry, findings)
    }

    fn section(&self, entry: TableEntry<'a>, findings: &mut Findings) -> Option<Section<'a>> {
        let (key, value) = entry;
        match value.get_ref() {
            DeValue::Table(table) => {
                let name = self.header(key.get_ref());
                Some(Section { name, at: key.span(), text: self.text, table })
            }
            _ => {
                self.mistyped(entry, "a table", findings);
                None
            }
        }
    }

    /// The tables in this one with their names, in the order of the file.
    pub(crate) fn tables(&self, findings: &mut Findings) -> Vec<(&'a str, Section<'a>)> {
        let mut tables = Vec::new();
        for entry in self.entries() {
            if let Some(section) = self.section(entry, findings) {
                tables.push((entry.0.get_ref().as_ref(), section));
            }
        }
        tables
    }
}

/// The end of the message for an unknown key: the key that was probably meant, or all that are known.
fn meant(name: &str, keys: &[Key]) -> String {
    let is_known = |name: &&str| keys.iter().any(|key| key.name == *name);
    let python = PYTHON.iter().find(|(python, _)| python.eq_ignore_ascii_case(name));
    let python = python.map(|(_, ours)| *ours).filter(is_known);
    match python.or_else(|| nearest(name, keys.iter().map(|key| key.name))) {
        Some(near) => suggestion(Some(near)),
        None => {
            format!("; expected {}", names(keys).join(", "))
        }
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
