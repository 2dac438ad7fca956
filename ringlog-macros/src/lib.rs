//! The derive that makes a struct a record, and the log statements.
//!
//! A crate of its own only because procedural macros have to be; use it as `ringlog::Record`, which is
//! the trait and this derive under one name, and as `ringlog::info!` and its siblings. What it generates
//! refers to the trait's crate as `::ringlog`; that crate itself can derive after `extern crate self as ringlog;`.
//!
//! | module | what it does |
//! |---|---|
//! | `attributes` | reads `#[record(...)]` |
//! | `record` | checks that the struct can be a record, and keeps what matters of it |
//! | `expand` | generates the implementation |
//! | `statement` | reads what stands in the parentheses of a log statement |
//! | `template` | reads its format string |
//! | `fields` | makes one list of fields out of placeholders and key=values |
//! | `log` | generates what a log statement does |
//! | `errors` | collects what went wrong, so that it is told at once |

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod attributes;
mod errors;
mod expand;
mod fields;
mod log;
mod record;
mod statement;
mod template;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements the trait `Record` for a struct with named fields.
///
/// # Promise
///
/// - The struct gets one static `Site`: its definition is written into a ring once for each process,
///   a record carries only the values. File and line of the definition are those of the derive.
/// - Fields travel one by one, in the order of their declaration and in the encoding of their type.
///   The struct's own bytes are never copied: no padding can leak, and it does not matter whether
///   the struct is `repr(C)`. (A `repr(packed)` one is refused by the compiler if a field would need
///   an unaligned reference.)
/// - `level` is a constant, so a test of it folds away. With fields of fixed size so does
///   `payload_bytes`, and `encode` becomes a few stores.
///
/// The type of each field has to implement `FieldValue`. Lifetimes are welcome; a struct without
/// fields is too, its level, logger and text are then the whole record.
///
/// ```text
/// #[derive(Record)]
/// #[record(level = "warn", logger = "orders", text = "fill came late")]
/// struct LateFill<'a> {
///     order: u64,
///     #[record(rename = "market")]
///     venue: &'a str,
///     #[record(skip)]
///     seen_before: bool,
/// }
/// ```
///
/// # Attributes of the struct
///
/// | attribute | meaning | without it |
/// |---|---|---|
/// | `level = "warn"`, `level = 35` | a level by name, or by number from 1 to 255 | `"info"` |
/// | `logger = "orders.fills"` | dotted name of the logger | the module path, with dots |
/// | `text = "..."` | text of the message | empty: the fields say it all |
///
/// The names of levels are `trace`, `debug`, `info`, `warn` or `warning`, `error`, `critical` or
/// `fatal`, in any case. All values are literals, as the definition is a static.
///
/// # Attributes of a field
///
/// | attribute | meaning |
/// |---|---|
/// | `skip` | the field is no part of the record; its type can be any |
/// | `rename = "name"` | readers see the field under this name |
///
/// # Errors
///
/// Each points at its place and all are told at once:
///
/// - enums, unions and tuple structs, since readers see each field by its name;
/// - type and const parameters, since a static cannot be generic;
/// - attributes that are unknown, given twice or without their value, and levels that do not exist;
/// - an empty field name, or one used twice;
/// - more than 65,535 fields, as definitions count them in 16 bits.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::expand(input).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// The macros of the levels: name, number of the level, first line of its documentation.
macro_rules! level_macros {
    ($($name:ident $number:literal $doc:literal)*) => {$(
        #[doc = $doc]
        ///
        /// See the crate `ringlog` for what may stand in the parentheses.
        #[proc_macro]
        pub fn $name(input: TokenStream) -> TokenStream {
            log::expand(input.into(), Some($number)).unwrap_or_else(|error| error.into_compile_error()).into()
        }
    )*};
}

level_macros! {
    trace 5 "Logs at TRACE: every step."
    debug 10 "Logs at DEBUG: for the developer."
    info 20 "Logs at INFO: the course of things."
    warn 30 "Logs at WARN: unexpected, but handled."
    error 40 "Logs at ERROR: something failed."
    critical 50 "Logs at CRITICAL: the program may be unable to go on."
}

/// Logs at a level that is known only when the program runs: `log!(level, "message {x}", key = value)`.
///
/// Otherwise as the macros of the levels.
#[proc_macro]
pub fn log(input: TokenStream) -> TokenStream {
    log::expand(input.into(), None).unwrap_or_else(|error| error.into_compile_error()).into()
}
