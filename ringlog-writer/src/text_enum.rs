//! Enums whose values have a name in the configuration and on the command line, and the error for a value that is
//! not understood.

/// A setting's value that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {setting} {found:?}; expected {expected}{}", suggestion(hint.as_deref()))]
pub struct InvalidValue {
    /// What the value is for.
    pub(crate) setting: &'static str,
    /// The value.
    pub(crate) found: String,
    /// The values that are understood.
    pub(crate) expected: String,
    /// The value that was probably meant.
    pub(crate) hint: Option<String>,
}

impl InvalidValue {
    pub(crate) fn new(setting: &'static str, found: &str, expected: impl Into<String>) -> InvalidValue {
        InvalidValue { setting, found: found.to_owned(), expected: expected.into(), hint: None }
    }

    /// Adds the value that was meant as a hint.
    pub(crate) fn meant(mut self, value: &str) -> InvalidValue {
        self.hint = Some(value.to_owned());
        self
    }

    /// Adds the nearest of the known values as a hint, if one is near.
    pub(crate) fn near<'a>(mut self, known: impl IntoIterator<Item = &'a str>) -> InvalidValue {
        self.hint = nearest(&self.found, known).map(str::to_owned);
        self
    }
}

/// The end of an error message that names the value that was probably meant; empty without one.
pub(crate) fn suggestion(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; did you mean {hint:?}?")).unwrap_or_default()
}

/// The known word that is most similar to a mistyped one, if one is similar enough.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let rated =
        known.into_iter().map(|known| (strsim::jaro_winkler(&word, &known.to_ascii_lowercase()), known));
    rated.filter(|(rating, _)| *rating > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// The value that a name stands for in a table of names.
pub(crate) fn parse<T: Copy>(
    setting: &'static str,
    names: &[(&'static str, T)],
    name: &str,
) -> Result<T, InvalidValue> {
    let known = || names.iter().map(|(known, _)| *known);
    let found = names.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| InvalidValue::new(setting, name, known().collect::<Vec<_>>().join(", ")).near(known()))
}

/// The name that a value has in a table of names.
pub(crate) fn name_of<T: Copy + PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}

/// Implements `NAMES`, `Display` and `FromStr` for an enum whose values have names.
macro_rules! text_enum {
    ($type:ident, $setting:literal, $($value:ident => $name:literal),+) => {
        impl $type {
            /// Every value with its name.
            pub const NAMES: &[(&str, $type)] = &[$(($name, $type::$value)),+];

            /// Every name.
            pub(crate) const WORDS: &[&str] = &[$($name),+];
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad($crate::text_enum::name_of(Self::NAMES, *self))
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $crate::text_enum::InvalidValue;

            fn from_str(name: &str) -> Result<Self, $crate::text_enum::InvalidValue> {
                $crate::text_enum::parse($setting, Self::NAMES, name)
            }
        }
    };
}

pub(crate) use text_enum;
