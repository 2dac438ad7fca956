//! What is declared about a setting. Everything that shows or reads settings is made from these declarations.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

pub(crate) mod diagnostics;
mod print;
pub(crate) mod quote;
pub(crate) mod section;
pub(crate) mod syntax;
pub(crate) mod words;

pub(crate) use print::put_settings;

/// A setting: a key of a table in the configuration file and, if it has one, its flag on the command line. Its value is
/// part of a `T`.
pub(crate) struct Setting<T: 'static> {
    key: &'static str,
    about: About,
    field: Field<T>,
    /// How the flag's value is read and printed, where that is not as in the file.
    flag_word: Option<Word<T>>,
}

/// What is said about a setting, whatever struct has its value.
pub(crate) struct About {
    /// The values that it takes.
    pub(crate) syntax: Syntax,
    /// The kinds of table that may have it, as they are written in the file; every kind if empty.
    pub(crate) of: &'static [&'static str],
    /// The key in whose place it stands.
    pub(crate) instead_of: Option<&'static str>,
    /// Whether a table that may have it needs it.
    pub(crate) is_required: bool,
    pub(crate) flag: Option<Flag>,
    /// What it does, in Markdown: for the document, and without the markup for `--help` and editors.
    pub(crate) doc: &'static str,
}

/// How a setting's value is read and printed.
enum Field<T: 'static> {
    /// By code of its own, because the value is a table, names another table, or depends on other keys. With the
    /// default as it is written in the file.
    Own(Option<&'static str>),
    /// As a word.
    Word(Word<T>),
}

/// A value that is printed as a word and parsed from it.
pub(crate) struct Word<T: 'static> {
    /// The word for the present value; `None` if the setting has no value.
    pub(crate) get: fn(&T) -> Option<String>,
    pub(crate) set: fn(&mut T, &str) -> Result<(), String>,
}

/// The values that a setting takes, as they are written in the file.
pub(crate) enum Syntax {
    Boolean,
    String(Pattern),
    /// A string, or a whole number of this range.
    StringOrNumber(Pattern, RangeInclusive<u64>),
    /// A list of so many distinct strings.
    Strings(RangeInclusive<usize>),
    /// A table, whose keys are those of this header.
    Table(&'static str),
    /// Tables with names, whose keys are those of this header.
    Tables(&'static str),
}

/// What a string may contain. The parser decides; this is what editors and documents say.
pub(crate) enum Pattern {
    Any,
    OneOf(&'static [&'static str]),
    Duration,
    /// At least one byte.
    Size,
    /// Counts, durations and sizes with commas between, or `all`.
    Limits,
    /// The name of a level, or its number.
    Level,
    LevelName,
    /// A regular expression for the whole string.
    Expression(&'static str),
    Either(&'static [Pattern]),
}

/// The flag of a setting.
pub(crate) struct Flag {
    pub(crate) form: Form,
    /// A sentence that holds for the flag only.
    pub(crate) note: Option<&'static str>,
}

pub(crate) enum Form {
    /// `--NAME VALUE`, where the value is the word.
    Value { name: &'static str, short: Option<char>, value_name: &'static str },
    /// Flags without a value, each of which stands for a word.
    Switches(&'static [Switch]),
}

/// A flag without a value.
pub(crate) struct Switch {
    pub(crate) name: &'static str,
    pub(crate) word: &'static str,
    /// Its help, if that of the setting does not fit.
    pub(crate) help: Option<&'static str>,
}

impl<T> Setting<T> {
    /// A setting whose value is a word.
    pub(crate) const fn word(
        key: &'static str,
        syntax: Syntax,
        word: Word<T>,
        doc: &'static str,
    ) -> Setting<T> {
        Setting { key, about: About::new(syntax, doc), field: Field::Word(word), flag_word: None }
    }

    /// A setting that code of its own reads and prints. With the default as it is written in the file.
    pub(crate) const fn own(
        key: &'static str,
        syntax: Syntax,
        default: Option<&'static str>,
        doc: &'static str,
    ) -> Setting<T> {
        Setting { key, about: About::new(syntax, doc), field: Field::Own(default), flag_word: None }
    }

    pub(crate) const fn of(mut self, kinds: &'static [&'static str]) -> Setting<T> {
        self.about.of = kinds;
        self
    }

    pub(crate) const fn instead_of(mut self, key: &'static str) -> Setting<T> {
        self.about.instead_of = Some(key);
        self
    }

    pub(crate) const fn required(mut self) -> Setting<T> {
        self.about.is_required = true;
        self
    }

    pub(crate) const fn flag(mut self, flag: Flag) -> Setting<T> {
        self.about.flag = Some(flag);
        self
    }

    /// A flag whose value is read and printed in another way than the key's.
    pub(crate) const fn flag_as(mut self, flag: Flag, word: Word<T>) -> Setting<T> {
        self.flag_word = Some(word);
        self.flag(flag)
    }

    /// Sets the value in `one` to that of `other` where it is the default, that of `plain`. Returns false if both have
    /// another value, and not the same. Settings that are read by code of their own are left to that code.
    pub(crate) fn join(&self, one: &mut T, other: &T, plain: &T) -> bool {
        let Field::Word(word) = &self.field else { return true };
        let (ours, theirs, default) = ((word.get)(one), (word.get)(other), (word.get)(plain));
        match theirs {
            theirs if theirs == ours || theirs == default => true,
            Some(theirs) if ours == default => (word.set)(one, &theirs).is_ok(),
            _ => false,
        }
    }

    /// Whether two values differ. Settings that are read by code of their own are left to that code.
    pub(crate) fn differs(&self, one: &T, other: &T) -> bool {
        matches!(&self.field, Field::Word(word) if (word.get)(one) != (word.get)(other))
    }

    pub(crate) fn key(&self) -> &'static str {
        self.key
    }

    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// How the value is read and printed; `None` if code of its own does that.
    pub(crate) fn as_word(&self) -> Option<&Word<T>> {
        match &self.field {
            Field::Word(word) => Some(word),
            Field::Own(_) => None,
        }
    }

    /// How the flag's value is read and printed; `None` without a flag.
    pub(crate) fn as_flag(&self) -> Option<&Word<T>> {
        self.about.flag.as_ref().and(self.flag_word.as_ref().or(self.as_word()))
    }

    /// The key as the reader, the document and editors see it. Its default is that of the first of these values that
    /// has one.
    pub(crate) fn describe(&'static self, plain: &[T]) -> Key {
        let default = match &self.field {
            Field::Own(default) => default.map(str::to_owned),
            Field::Word(word) => {
                plain.iter().find_map(word.get).map(|word| self.about.syntax.value_of_word(&word))
            }
        };
        let of = self.about.of.iter().map(|kind| (*kind).to_owned()).collect();
        Key { name: self.key, about: &self.about, default, of }
    }
}

impl About {
    const fn new(syntax: Syntax, doc: &'static str) -> About {
        About { syntax, of: &[], instead_of: None, is_required: false, flag: None, doc }
    }

    /// Whether a table of this kind may have the setting.
    pub(crate) fn is_of(&self, kind: &str) -> bool {
        self.of.is_empty() || self.of.contains(&kind)
    }
}

impl Syntax {
    /// What an error message says that it expected.
    pub(crate) fn expected(&self) -> &'static str {
        match self {
            Syntax::Boolean => "true or false",
            Syntax::String(_) => "a string",
            Syntax::StringOrNumber(..) => "a string or a whole number",
            Syntax::Strings(_) => "a list of strings",
            Syntax::Table(_) | Syntax::Tables(_) => "a table",
        }
    }

    /// Formats a value of this type as TOML.
    pub(crate) fn value_of_word(&self, word: &str) -> String {
        match self {
            Syntax::Boolean => word.to_owned(),
            _ => quote::string(word),
        }
    }
}

impl Flag {
    pub(crate) const fn value(name: &'static str, value_name: &'static str) -> Flag {
        Flag { form: Form::Value { name, short: None, value_name }, note: None }
    }

    pub(crate) const fn switches(switches: &'static [Switch]) -> Flag {
        Flag { form: Form::Switches(switches), note: None }
    }

    pub(crate) const fn short(mut self, letter: char) -> Flag {
        if let Form::Value { short, .. } = &mut self.form {
            *short = Some(letter);
        }
        self
    }

    pub(crate) const fn note(mut self, note: &'static str) -> Flag {
        self.note = Some(note);
        self
    }
}

/// A key that a table may have.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) about: &'static About,
    /// The default as it is written in the file.
    pub(crate) default: Option<String>,
    /// The kinds of table that may have it, as they are written in the file; every kind if empty.
    pub(crate) of: Vec<String>,
}

impl Key {
    /// Whether a table of this kind may have the key.
    pub(crate) fn is_of(&self, kind: &str) -> bool {
        self.of.is_empty() || self.of.iter().any(|of| of == kind)
    }
}

/// A table of the file: its header, empty for the file itself, and its keys.
pub(crate) struct Table {
    pub(crate) header: &'static str,
    pub(crate) keys: Vec<Key>,
}

/// The keys of these settings. Their defaults are those of the first of these values that has one.
pub(crate) fn keys<T>(settings: &'static [Setting<T>], plain: &[T]) -> Vec<Key> {
    settings.iter().map(|setting| setting.describe(plain)).collect()
}

/// The names of these keys, each once: two kinds of table may have a key of the same name.
pub(crate) fn names(keys: &[Key]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in keys {
        if !names.contains(&key.name) {
            names.push(key.name);
        }
    }
    names
}

/// A text in Markdown without the targets of links, and without marks of code around single words.
pub(crate) fn plain_text(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once("](") {
        let Some((_, behind)) = after.split_once(')') else { break };
        let (before, link) = before.rsplit_once('[').unwrap_or(("", before));
        text.extend([before, link]);
        rest = behind;
    }
    text.push_str(rest);
    let is_word = |code: &str| !code.contains([' ', '\\']);
    // Every second part is code.
    let parts = text.split('`').enumerate().map(|(i, part)| match i % 2 {
        1 if !is_word(part) => format!("`{part}`"),
        _ => part.to_owned(),
    });
    parts.collect()
}

/// Parses a word into its place.
pub(crate) fn parse_into<F: FromStr<Err: Display>>(place: &mut F, word: &str) -> Result<(), String> {
    *place = word.parse().map_err(|error: F::Err| error.to_string())?;
    Ok(())
}

/// Parses a word into a place that may be empty.
pub(crate) fn parse_some<F: FromStr<Err: Display>>(place: &mut Option<F>, word: &str) -> Result<(), String> {
    *place = Some(word.parse().map_err(|error: F::Err| error.to_string())?);
    Ok(())
}

/// The [`Word`] of a field. Without a parser and a printer those of its type are used.
macro_rules! word {
    ($($field:ident).+) => {
        $crate::setting::Word {
            get: |it| Some(it.$($field).+.to_string()),
            set: |it, word| $crate::setting::parse_into(&mut it.$($field).+, word),
        }
    };
    ($($field:ident).+, $parse:expr, $print:expr) => {
        $crate::setting::Word {
            get: |it| Some($print(it.$($field).+)),
            set: |it, word| {
                it.$($field).+ = $parse(word).map_err(|error| error.to_string())?;
                Ok(())
            },
        }
    };
}

/// The [`Word`] of an optional field. Without a parser and a printer those of its type are used.
macro_rules! optional {
    ($($field:ident).+) => {
        $crate::setting::Word {
            get: |it| it.$($field).+.as_ref().map(ToString::to_string),
            set: |it, word| $crate::setting::parse_some(&mut it.$($field).+, word),
        }
    };
    ($($field:ident).+, $parse:expr, $print:expr) => {
        $crate::setting::Word {
            get: |it| it.$($field).+.map($print),
            set: |it, word| {
                it.$($field).+ = Some($parse(word).map_err(|error| error.to_string())?);
                Ok(())
            },
        }
    };
}

/// The [`Word`] of a field that only these variants of an enum have.
macro_rules! in_variant {
    ($($variant:path)|+, $field:ident) => {
        $crate::setting::Word {
            get: |it| match it {
                $($variant { $field, .. })|+ => Some($field.to_string()),
                _ => None,
            },
            set: |it, word| match it {
                $($variant { $field, .. })|+ => $crate::setting::parse_into($field, word),
                _ => Err(format!("{} is not for this kind", stringify!($field))),
            },
        }
    };
}

pub(crate) use {in_variant, optional, word};

#[cfg(test)]
mod tests {
    use super::plain_text;

    #[test]
    fn texts_lose_their_markup() {
        let text = "With `text`: [see](there.md#x), `a b` or `\\n`, [or](y) not [this].";
        assert_eq!(plain_text(text), "With text: see, `a b` or `\\n`, or not [this].");
    }
}
