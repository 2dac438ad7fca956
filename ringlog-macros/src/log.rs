//! Generates the code of a log statement.
//!
//! The message's placeholders and the key=values become the fields of one record. The definition, a static, holds the
//! message as a template in which placeholders name fields by number. The record carries the values, and the reader
//! formats the text.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{ParseBuffer, Parser};
use syn::{Expr, LitStr, Result};

use crate::fields::{Failure, Fields};
use crate::statement::{Statement, parse};
use crate::template;

/// The statement of a macro with this level, or of `log!`, whose level is an argument.
pub(crate) fn expand(input: TokenStream, level: Option<u8>) -> Result<TokenStream> {
    let statement = (|input: &ParseBuffer<'_>| parse(input, level.is_none())).parse2(input)?;
    let mut fields = Fields::new(&statement.items);
    if level.is_none() {
        // The first field carries a level that is known only at the call.
        fields.unnamed(quote!((&&&&::ringlog::__private::Capture(__ringlog_level)).field()));
    }
    let template = match &statement.message {
        None => String::new(),
        Some(message) => match message_template(message, &mut fields) {
            Ok(template) => template,
            Err(Failure::Error(error)) => return Err(error),
            Err(Failure::Format(said_by_compiler)) => return Ok(said_by_compiler),
        },
    };
    fields.key_values()?;
    Ok(statement_with(&statement, level, &template, &fields))
}

fn message_template(message: &LitStr, fields: &mut Fields<'_>) -> std::result::Result<String, Failure> {
    let Some(pieces) = template::parse(&message.value()) else {
        return Err(Failure::Format(quote!({
            let _ = ::core::format_args!(#message);
            ::core::compile_error!("this is not a format string")
        })));
    };
    fields.message(message, pieces).map_err(|failure| match failure {
        Failure::Format(arguments) => Failure::Format(quote!({
            let _ = ::core::format_args!(#message #arguments);
            ::core::compile_error!("the arguments do not match the message")
        })),
        error => error,
    })
}

fn statement_with(
    statement: &Statement,
    level: Option<u8>,
    template: &str,
    fields: &Fields<'_>,
) -> TokenStream {
    let definition = definition(level, statement.logger.as_ref(), template);
    let names = fields.fields.iter().map(|field| &field.name);
    let sources = fields.sources();
    let variables = sources.iter().map(|source| &source.variable);
    let expressions = sources.iter().map(|source| &source.expression);
    let captures = fields.fields.iter().rev().map(|field| &field.capture);
    let arguments = captures.fold(quote!(()), |rest, first| quote!((#first, #rest)));
    let level_value = match level {
        Some(number) => quote!(::ringlog::Level::from_number(#number)),
        None => quote!(*__ringlog_level),
    };
    let level_argument =
        statement.level.iter().map(|level| quote!(let __ringlog_level: &::ringlog::Level = &(#level);));
    let to = statement.to.iter().map(|to| quote!(let __ringlog_to: &::ringlog::Logger = &(#to);));
    let (is_open, publish) = match (&statement.to, level) {
        (Some(_), _) => (
            quote!(is_open_to(__ringlog_to, #level_value)),
            quote!(log_to(__ringlog_to, #level_value, #arguments)),
        ),
        (None, Some(_)) => (quote!(is_open()), quote!(log(#level_value, #arguments))),
        (None, None) => (quote!(is_open_at(#level_value)), quote!(log(#level_value, #arguments))),
    };
    quote! {{
        let __ringlog_callsite = {
            const FIELDS: &[::ringlog::schema::Field] = &[#(::ringlog::__private::field(#names)),*];
            static CALLSITE: ::ringlog::__private::Callsite =
                ::ringlog::__private::Callsite::new(#definition);
            &CALLSITE
        };
        #(#to)*
        #(#level_argument)*
        if ::ringlog::__private::is_compiled_in(#level_value) && __ringlog_callsite.#is_open {
            match (#(&(#expressions),)*) {
                (#(#variables,)*) => {
                    #[allow(unused_imports)]
                    use ::ringlog::__private::prelude::*;
                    __ringlog_callsite.#publish;
                }
            }
        }
    }}
}

fn definition(level: Option<u8>, logger: Option<&Expr>, template: &str) -> TokenStream {
    // The records of `log!` carry their level; this one serves code that reads the definition alone.
    let number = level.unwrap_or(crate::attributes::RecordAttributes::LEVEL_DEFAULT);
    let level_in_record = level.is_none();
    let is_template = template.contains(['{', '}']);
    // An empty name stands for the module's path.
    let logger = logger.map_or(quote!(""), |logger| quote!(#logger));
    quote! {
        ::ringlog::schema::Definition {
            level: ::ringlog::Level::from_number(#number),
            logger: ::std::borrow::Cow::Borrowed(#logger),
            file: ::std::borrow::Cow::Borrowed(::core::file!()),
            line: ::core::line!(),
            module: ::std::borrow::Cow::Borrowed(::core::module_path!()),
            function: ::std::borrow::Cow::Borrowed(""),
            text: ::std::borrow::Cow::Borrowed(#template),
            template: #is_template,
            level_in_record: #level_in_record,
            fields: ::std::borrow::Cow::Borrowed(FIELDS),
        }
    }
}
