//! Reads `#[record(...)]`, on the struct and on its fields.

use proc_macro2::{Span, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Error, Ident, Lit, LitStr, Meta, Result, Token};

use crate::errors::Errors;

const LEVEL: &str = r#"`level = "info"`"#;
const LOGGER: &str = r#"`logger = "orders"`"#;
const TEXT: &str = r#"`text = "order filled"`"#;
const RENAME: &str = r#"`rename = "name"`"#;

/// The attributes of a struct.
#[derive(Default)]
pub(crate) struct RecordAttributes {
    /// Number of the level.
    pub(crate) level: Option<u8>,
    pub(crate) logger: Option<LitStr>,
    pub(crate) text: Option<LitStr>,
}

impl RecordAttributes {
    /// The level of a record without one: `Level::INFO`.
    pub(crate) const LEVEL_DEFAULT: u8 = 20;

    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut record = Self::default();
        for_each(attributes, |setting| match setting.key.to_string().as_str() {
            "level" => set(&mut record.level, setting, level),
            "logger" => set(&mut record.logger, setting, |setting| string(setting, LOGGER)),
            "text" => set(&mut record.text, setting, |setting| string(setting, TEXT)),
            _ => Err(unknown(setting, "a record", &format!("{LEVEL} (or a number), {LOGGER} or {TEXT}"))),
        })?;
        Ok(record)
    }
}

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    /// The place of `skip`.
    pub(crate) skip: Option<Span>,
    pub(crate) rename: Option<LitStr>,
}

impl FieldAttributes {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut field = Self::default();
        for_each(attributes, |setting| match setting.key.to_string().as_str() {
            "skip" => set(&mut field.skip, setting, flag),
            "rename" => set(&mut field.rename, setting, |setting| string(setting, RENAME)),
            _ => Err(unknown(setting, "a field", &format!("`skip` or {RENAME}"))),
        })?;
        match (field.skip, &field.rename) {
            (Some(skip), Some(_)) => Err(Error::new(
                skip,
                "found both `skip` and `rename`, but a field that is left out has no name: \
                 remove one of them",
            )),
            _ => Ok(field),
        }
    }
}

/// One `key` or `key = value` of an attribute, read up to the key.
struct Setting<'a> {
    key: Ident,
    /// The tokens after the key.
    input: ParseStream<'a>,
}

impl Setting<'_> {
    /// An error that points at the key.
    fn refused(&self, message: String) -> Error {
        Error::new(self.key.span(), message)
    }
}

/// Calls `take` with each setting in each `#[record(...)]`. Continues after one that `take` refuses.
fn for_each(attributes: &[Attribute], mut take: impl FnMut(&Setting<'_>) -> Result<()>) -> Result<()> {
    let mut errors = Errors::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("record")) {
        let Meta::List(settings) = &attribute.meta else {
            let found = source(&attribute.meta);
            let message = format!("found `{found}`, expected parentheses: write `record(...)` or remove it");
            errors.add(Error::new_spanned(&attribute.meta, message));
            continue;
        };
        let parsed = settings.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                let taken = setting(input).and_then(|setting| take(&setting));
                errors.check(taken.and_then(|()| end_of_setting(input)));
                skip_past_comma(input)?;
            }
            Ok(())
        });
        errors.check(parsed);
    }
    errors.finish()
}

fn setting(input: ParseStream<'_>) -> Result<Setting<'_>> {
    match input.call(Ident::parse_any) {
        Ok(key) => Ok(Setting { key, input }),
        Err(_) => Err(not_expected(&input.parse::<TokenTree>()?, "a name", "`name` or `name = value`")),
    }
}

fn end_of_setting(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(not_expected(&input.parse::<TokenTree>()?, "a comma", "a comma before what follows"))
}

fn skip_past_comma(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    input.parse::<Option<Token![,]>>().map(|_| ())
}

/// Sets an attribute that may be set once.
fn set<T>(
    place: &mut Option<T>,
    setting: &Setting<'_>,
    read: impl FnOnce(&Setting<'_>) -> Result<T>,
) -> Result<()> {
    if place.is_some() {
        return Err(setting.refused(format!("found `{}` a second time: keep one of the two", setting.key)));
    }
    *place = Some(read(setting)?);
    Ok(())
}

fn unknown(setting: &Setting<'_>, of: &str, expected: &str) -> Error {
    setting.refused(format!("`{}` is not an attribute of {of}; expected {expected}", setting.key))
}

/// The place of a key without a value.
fn flag(setting: &Setting<'_>) -> Result<Span> {
    let Setting { key, input } = setting;
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(key.span());
    }
    let message = format!("found a value, but `{key}` takes none: write `{key}` alone");
    Err(Error::new(input.span(), message))
}

fn string(setting: &Setting<'_>, example: &str) -> Result<LitStr> {
    match literal(setting, example)? {
        Lit::Str(text) => Ok(text),
        other => Err(not_expected(&other, "a string", example)),
    }
}

fn level(setting: &Setting<'_>) -> Result<u8> {
    let literal = literal(setting, LEVEL)?;
    let number = match &literal {
        Lit::Str(text) => level_number(&text.value()),
        Lit::Int(number) => number.base10_parse().ok(),
        _ => None,
    };
    number.filter(|number| *number > 0).ok_or_else(|| {
        Error::new_spanned(
            &literal,
            format!(
                "{} is not a level; expected \"trace\", \"debug\", \"info\", \"warn\", \"error\", \
                 \"critical\" or a number from 1 to 255",
                source(&literal)
            ),
        )
    })
}

/// The number of a level by name. The names are those that `ringlog::Level` reads.
fn level_number(text: &str) -> Option<u8> {
    match text.to_ascii_lowercase().as_str() {
        "trace" => Some(5),
        "debug" => Some(10),
        "info" => Some(20),
        "warn" | "warning" => Some(30),
        "error" => Some(40),
        "critical" | "fatal" => Some(50),
        other => other.parse().ok(),
    }
}

/// The literal after `key =`.
fn literal(setting: &Setting<'_>, example: &str) -> Result<Lit> {
    let Setting { key, input } = setting;
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Err(setting.refused(format!("found `{key}` without a value: write {example}")));
    }
    if input.is_empty() {
        return Err(Error::new(input.span(), format!("found no value after `=`: write {example}")));
    }
    match input.fork().parse::<Lit>() {
        Ok(_) => input.parse(),
        Err(_) => Err(not_expected(&input.parse::<TokenTree>()?, "a literal", example)),
    }
}

fn not_expected(found: &impl ToTokens, expected: &str, example: &str) -> Error {
    let message = format!("found `{}`, expected {expected}: write {example}", source(found));
    Error::new_spanned(found, message)
}

/// Tokens as source text, for messages.
fn source(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}
