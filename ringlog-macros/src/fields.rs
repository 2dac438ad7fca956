//! Makes one list of fields of a message's placeholders and the key=values after it.

use std::collections::{HashMap, HashSet};

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, LitStr, Result};

use crate::statement::{Form, Item};
use crate::template::{Argument, Count, Piece, Placeholder, Precision};

/// An expression that is evaluated once, and the variable that holds a reference to it.
pub(crate) struct Source {
    pub(crate) variable: Ident,
    pub(crate) expression: TokenStream,
    /// The name of its value; empty without one.
    name: String,
    /// The number of the argument: they are evaluated in the order in which they are written.
    place: usize,
}

/// A field of the record.
pub(crate) struct Field {
    /// Empty if the field belongs to the message alone.
    pub(crate) name: String,
    /// The expression that makes it an argument.
    pub(crate) capture: TokenStream,
    span: Span,
}

/// Why a message and its arguments do not make fields.
pub(crate) enum Failure {
    /// The compiler reports the error, for these arguments of `format_args!`.
    Format(TokenStream),
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

/// The fields so far, and their sources.
pub(crate) struct Fields<'a> {
    items: &'a [Item],
    sources: Vec<Source>,
    pub(crate) fields: Vec<Field>,
    /// The source of each item that has one.
    of_item: Vec<Option<usize>>,
    /// The sources of variables that the message names.
    captured: HashMap<String, usize>,
    /// The field that shows a source by a specification.
    shown: HashMap<(usize, String), usize>,
    /// The number of positional arguments that placeholders have taken in turn.
    taken: usize,
    has_message: bool,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(items: &'a [Item]) -> Fields<'a> {
        Fields {
            items,
            sources: Vec::new(),
            fields: Vec::new(),
            of_item: items.iter().map(|_| None).collect(),
            captured: HashMap::new(),
            shown: HashMap::new(),
            taken: 0,
            has_message: false,
        }
    }

    /// Adds a field without a name.
    pub(crate) fn unnamed(&mut self, capture: TokenStream) {
        self.fields.push(Field { name: String::new(), capture, span: Span::call_site() });
    }

    /// Makes fields of the message's arguments. Returns the message as a template.
    pub(crate) fn message(
        &mut self,
        message: &LitStr,
        pieces: Vec<Piece>,
    ) -> std::result::Result<String, Failure> {
        self.has_message = true;
        let positions = positions(&pieces);
        let mut template = String::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => template.push_str(text),
                Piece::Placeholder(placeholder) => match self.placeholder(message, placeholder)? {
                    Some(text) => template.push_str(&text),
                    None => return Err(Failure::Format(self.arguments(positions, &pieces))),
                },
            }
        }
        let mut positional = positional(self.items).take(positions);
        if positional.any(|item| self.of_item[item].is_none()) {
            return Err(Failure::Format(self.arguments(positions, &pieces)));
        }
        Ok(template)
    }

    /// The arguments by which the compiler finds the error.
    fn arguments(&self, positions: usize, pieces: &[Piece]) -> TokenStream {
        let positional = positional(self.items).take(positions).map(|item| {
            let value = &self.items[item].value;
            quote!(#value)
        });
        let named = self.items.iter().filter_map(|item| {
            let key = item.key.as_ref().filter(|key| key.is_explicit && names(pieces, &key.name))?;
            let (name, value) = (format_ident!("{}", key.name, span = key.span), &item.value);
            Some(quote!(#name = #value))
        });
        let arguments = positional.chain(named);
        quote!(#(, #arguments)*)
    }

    /// The placeholder with numbers of fields in it; `None` if an argument is missing.
    fn placeholder(&mut self, message: &LitStr, placeholder: &Placeholder) -> Result<Option<String>> {
        let Placeholder { argument, flags, width, precision, kind } = placeholder;
        // In the order in which placeholders take positional arguments.
        let star = match precision {
            Some(Precision::Star) => match self.resolve(message, &Argument::Next)? {
                Some(source) => Some(source),
                None => return Ok(None),
            },
            _ => None,
        };
        let Some(value) = self.resolve(message, argument)? else { return Ok(None) };
        let mut counts = Vec::new();
        let mut count = |this: &mut Self, count: &Count| -> Result<Option<[String; 2]>> {
            let argument = match count {
                Count::Literal(number) => return Ok(Some([number.clone(), number.clone()])),
                Count::Argument(argument) => argument,
            };
            let Some(source) = this.resolve(message, argument)? else { return Ok(None) };
            Ok(Some(this.count(source, &mut counts)))
        };
        // One specification for the reader, in numbers of fields; one for formatting here, in numbers of arguments.
        let mut specs = [flags.clone(), flags.clone()];
        if let Some(width) = width {
            let Some(texts) = count(self, width)? else { return Ok(None) };
            specs.iter_mut().zip(texts).for_each(|(spec, text)| spec.push_str(&text));
        }
        let texts = match (precision, star) {
            (Some(Precision::Count(precision)), _) => match count(self, precision)? {
                Some(texts) => Some(texts),
                None => return Ok(None),
            },
            (Some(Precision::Star), Some(source)) => Some(self.count(source, &mut counts)),
            _ => None,
        };
        if let Some(texts) = texts {
            specs.iter_mut().zip(texts).for_each(|(spec, text)| {
                spec.push('.');
                spec.push_str(&text);
            });
        }
        let [for_reader, for_here] = specs.map(|spec| spec + kind);
        let field = self.show(value, for_reader.clone(), &for_here, &counts, kind == "p");
        let name = std::mem::take(&mut self.sources[value].name);
        // The message may take a variable by name and by position: one field is enough.
        if !name.is_empty() && self.fields.iter().all(|field| field.name != name) {
            self.fields[field].name = name;
        }
        let spec =
            if for_reader.is_empty() || kind == "p" { String::new() } else { format!(":{for_reader}") };
        Ok(Some(format!("{{{field}{spec}}}")))
    }

    /// A width or precision from an argument: for the reader, and for formatting here.
    fn count(&mut self, source: usize, counts: &mut Vec<usize>) -> [String; 2] {
        counts.push(source);
        let field = self.show(source, String::new(), "", &[], false);
        [format!("{field}$"), format!("{}$", counts.len())]
    }

    /// The field that shows `source` as `for_reader` says.
    fn show(
        &mut self,
        source: usize,
        for_reader: String,
        for_here: &str,
        counts: &[usize],
        is_pointer: bool,
    ) -> usize {
        if let Some(field) = self.shown.get(&(source, for_reader.clone())) {
            return *field;
        }
        let variable = &self.sources[source].variable;
        let counts = counts.iter().map(|count| &self.sources[*count].variable);
        let format = format!("{{0:{for_here}}}");
        let format = quote!(|__ringlog_f| ::core::write!(__ringlog_f, #format, *#variable #(, *#counts)*));
        let capture = if is_pointer {
            quote!(::ringlog::__private::Formatted::new(#format))
        } else {
            quote!((&::ringlog::__private::Capture(#variable)).placeholder(#format))
        };
        self.fields.push(Field { name: String::new(), capture, span: variable.span() });
        self.shown.insert((source, for_reader), self.fields.len() - 1);
        self.fields.len() - 1
    }

    /// The source of a placeholder's argument.
    fn resolve(&mut self, message: &LitStr, argument: &Argument) -> Result<Option<usize>> {
        let position = match argument {
            Argument::Next => {
                self.taken += 1;
                self.taken - 1
            }
            Argument::Position(position) => *position,
            Argument::Name(name) => return self.named(message, name).map(Some),
        };
        match positional(self.items).nth(position) {
            Some(item) => self.of(item).map(Some),
            None => Ok(None),
        }
    }

    fn named(&mut self, message: &LitStr, name: &str) -> Result<usize> {
        let plain = name.strip_prefix("r#").unwrap_or(name);
        let is_it = |item: &Item| item.key.as_ref().is_some_and(|key| key.is_explicit && key.name == plain);
        if let Some(item) = self.items.iter().position(is_it) {
            return self.of(item);
        }
        if let Some(source) = self.captured.get(name) {
            return Ok(*source);
        }
        let mut variable: Ident = syn::parse_str(name)?;
        variable.set_span(message.span());
        let source = self.source(quote!(#variable), message.span(), variable.unraw().to_string(), 0);
        self.captured.insert(name.to_owned(), source);
        Ok(source)
    }

    /// The source of an item that the message names.
    fn of(&mut self, item: usize) -> Result<usize> {
        if let Some(source) = self.of_item[item] {
            return Ok(source);
        }
        let Item { key, form, value } = &self.items[item];
        if *form != Form::Value {
            let message = "found `%` or `?` before a value that the message formats: remove it";
            return Err(Error::new(value.span(), message));
        }
        let name = key.as_ref().map_or_else(String::new, |key| key.name.clone());
        let source = self.source(quote!(#value), value.span(), name, item);
        self.of_item[item] = Some(source);
        Ok(source)
    }

    fn source(&mut self, expression: TokenStream, span: Span, name: String, place: usize) -> usize {
        let variable =
            format_ident!("__ringlog_{}", self.sources.len(), span = span.resolved_at(Span::mixed_site()));
        self.sources.push(Source { variable, expression, name, place });
        self.sources.len() - 1
    }

    /// Makes fields of the items that the message has not named.
    pub(crate) fn key_values(&mut self) -> Result<()> {
        let items = self.items;
        let left = items.iter().enumerate().filter(|(item, _)| self.of_item[*item].is_none());
        for (place, Item { key, form, value }) in left.collect::<Vec<_>>() {
            let Some(key) = key else {
                let message = if self.has_message {
                    "found a value that the message has no place for: add a `{}` to the message, or give the \
                     value a name, `name = value`"
                } else {
                    "found a value without a name: write `name = value`, or a message in quotes before it, \
                     `\"{}\", value`"
                };
                return Err(Error::new(value.span(), message));
            };
            // `&error` and `error` are the same here, because the macro takes a reference.
            let value = match value {
                Expr::Reference(reference) if reference.mutability.is_none() => &*reference.expr,
                other => other,
            };
            let source = self.source(quote!(#value), value.span(), String::new(), place);
            let variable = &self.sources[source].variable;
            let span = value.span().resolved_at(Span::call_site());
            let capture = match form {
                Form::Value => quote_spanned! {span=>
                    ::ringlog::__private::argument((&&&&::ringlog::__private::Capture(#variable)).field())
                },
                Form::Display => quote_spanned! {span=>
                    ::ringlog::__private::Shown::new(|f| ::core::fmt::Display::fmt(#variable, f))
                },
                Form::Debug => quote_spanned! {span=>
                    ::ringlog::__private::Shown::new(|f| ::core::fmt::Debug::fmt(#variable, f))
                },
            };
            self.fields.push(Field { name: key.name.clone(), capture, span: key.span });
        }
        self.check_names()
    }

    /// Variables and expressions, in the order in which they are to be evaluated.
    pub(crate) fn sources(&self) -> Vec<&Source> {
        let mut sources: Vec<_> = self.sources.iter().collect();
        sources.sort_by_key(|source| source.place);
        sources
    }

    fn check_names(&self) -> Result<()> {
        let mut names = HashSet::new();
        let named = self.fields.iter().filter(|field| !field.name.is_empty());
        match named.into_iter().find(|field| !names.insert(&field.name)) {
            None => Ok(()),
            Some(twice) => Err(Error::new(
                twice.span,
                format!("found a second field named `{}`, expected each name once", twice.name),
            )),
        }
    }
}

/// The items that placeholders can take by their position.
fn positional(items: &[Item]) -> impl Iterator<Item = usize> {
    let is_positional =
        |item: &Item| item.form == Form::Value && item.key.as_ref().is_none_or(|key| !key.is_explicit);
    items.iter().enumerate().filter(move |(_, item)| is_positional(item)).map(|(number, _)| number)
}

/// How many positional arguments the message takes.
fn positions(pieces: &[Piece]) -> usize {
    let mut next = 0;
    let mut highest = 0;
    for argument in arguments(pieces) {
        match argument {
            Argument::Next => next += 1,
            Argument::Position(position) => highest = highest.max(position + 1),
            Argument::Name(_) => {}
        }
    }
    next.max(highest)
}

/// Whether a placeholder names this argument.
fn names(pieces: &[Piece], name: &str) -> bool {
    arguments(pieces).any(|argument| matches!(argument, Argument::Name(named) if named == name))
}

/// All arguments of the message's placeholders.
fn arguments(pieces: &[Piece]) -> impl Iterator<Item = &Argument> {
    let placeholders = pieces.iter().filter_map(|piece| match piece {
        Piece::Placeholder(placeholder) => Some(placeholder),
        Piece::Text(_) => None,
    });
    placeholders.flat_map(|Placeholder { argument, width, precision, .. }| {
        let width = width.as_ref().and_then(Count::argument);
        let precision = match precision {
            Some(Precision::Count(count)) => count.argument(),
            Some(Precision::Star) => Some(&Argument::Next),
            None => None,
        };
        [Some(argument), width, precision].into_iter().flatten()
    })
}
