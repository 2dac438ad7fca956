//! The struct that is to be a record, checked.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Error, Fields, GenericParam, Generics, Ident, Result, Token, Type};

use crate::attributes::{FieldAttributes, RecordAttributes};
use crate::errors::Errors;

/// The most fields of a record: definitions count them in 16 bits.
pub(crate) const FIELDS_MAX: usize = u16::MAX as usize;

/// A struct that can be a record.
pub(crate) struct Record {
    pub(crate) ident: Ident,
    /// Lifetimes and where clauses; no other parameters.
    pub(crate) generics: Generics,
    pub(crate) attributes: RecordAttributes,
    /// The fields that travel, in the order of their declaration.
    pub(crate) fields: Vec<Field>,
}

/// A field that travels.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    /// The name that readers see.
    pub(crate) name: String,
    pub(crate) ty: Type,
    /// Where the name is written.
    name_span: Span,
}

impl Record {
    /// Checks `input`. Fails with all reasons why it cannot be a record.
    pub(crate) fn parse(input: DeriveInput) -> Result<Record> {
        let mut errors = Errors::default();
        let attributes = errors.check(RecordAttributes::parse(&input.attrs)).unwrap_or_default();
        errors.check(refuse_parameters(&input.generics));
        let fields = errors.check(travelling(input.data)).unwrap_or_default();
        errors.finish()?;
        Ok(Record { ident: input.ident, generics: input.generics, attributes, fields })
    }
}

fn refuse_parameters(generics: &Generics) -> Result<()> {
    let mut errors = Errors::default();
    for parameter in &generics.params {
        let (kind, ident) = match parameter {
            GenericParam::Lifetime(_) => continue,
            GenericParam::Type(parameter) => ("type", &parameter.ident),
            GenericParam::Const(parameter) => ("const", &parameter.ident),
        };
        errors.add(Error::new(
            ident.span(),
            format!(
                "found the {kind} parameter `{ident}`, expected at most lifetimes: a record's \
                 definition is one static, which cannot be generic; write one struct for each \
                 `{ident}` you need"
            ),
        ));
    }
    errors.finish()
}

/// The fields that are part of the record.
fn travelling(data: Data) -> Result<Vec<Field>> {
    let mut errors = Errors::default();
    let mut fields = Vec::new();
    for field in declared(data)? {
        let Some(attributes) = errors.check(FieldAttributes::parse(&field.attrs)) else { continue };
        // Named fields have an identifier; `declared` gives no others.
        let Some(ident) = field.ident.filter(|_| attributes.skip.is_none()) else { continue };
        let (name, name_span) = match &attributes.rename {
            Some(name) => (name.value(), name.span()),
            None => (ident.unraw().to_string(), ident.span()),
        };
        fields.push(Field { ident, name, ty: field.ty, name_span });
    }
    errors.check(check_names(&fields));
    errors.check(check_count(&fields));
    errors.finish()?;
    Ok(fields)
}

/// All fields of a struct with named fields, or without fields.
fn declared(data: Data) -> Result<Punctuated<syn::Field, Token![,]>> {
    let advice = "readers see each field by its name; write";
    let (span, found, example) = match data {
        Data::Struct(data) => match data.fields {
            Fields::Named(fields) => return Ok(fields.named),
            Fields::Unit => return Ok(Punctuated::new()),
            Fields::Unnamed(fields) => {
                (fields.paren_token.span.join(), "a tuple struct", "`struct Fill { order: u64 }`")
            }
        },
        Data::Enum(data) => (data.enum_token.span, "an enum", "one struct for each variant"),
        Data::Union(data) => (data.union_token.span, "a union", "a struct with the field that counts"),
    };
    let message = format!("found {found}, expected a struct with named fields: {advice} {example}");
    Err(Error::new(span, message))
}

fn check_names(fields: &[Field]) -> Result<()> {
    let mut errors = Errors::default();
    let mut names = HashSet::new();
    for Field { name, name_span, .. } in fields {
        if name.is_empty() {
            let message = "found an empty name, expected one that readers can ask for: write \
                           `rename = \"name\"`, or `skip` to leave the field out";
            errors.add(Error::new(*name_span, message));
        } else if !names.insert(name) {
            let message = format!(
                "found a second field named `{name}`, expected each name once: give it another \
                 with `#[record(rename = \"...\")]`"
            );
            errors.add(Error::new(*name_span, message));
        }
    }
    errors.finish()
}

fn check_count(fields: &[Field]) -> Result<()> {
    match fields.get(FIELDS_MAX) {
        None => Ok(()),
        Some(surplus) => Err(Error::new(
            surplus.ident.span(),
            format!(
                "found {} fields, expected at most {FIELDS_MAX}: this is the first too many; split \
                 the record, or leave fields out with `#[record(skip)]`",
                fields.len()
            ),
        )),
    }
}
