//! The derive macro of records, and the macros of log statements.
//!
//! Procedural macros have to be a crate of their own. Use them from the crate `ringlog`: `ringlog::Record` is the trait
//! and this derive under one name, `ringlog::info!` and its siblings are the log statements. Generated code names
//! that crate as `::ringlog`; the crate itself can derive after `extern crate self as ringlog;`.
//!
//! | module | what it does |
//! |---|---|
//! | `attributes` | reads `#[record(...)]` |
//! | `record` | checks that the struct can be a record |
//! | `expand` | generates the implementation |
//! | `statement` | reads the arguments of a log statement |
//! | `template` | reads its format string |
//! | `fields` | makes one list of fields of placeholders and key=values |
//! | `log` | generates the code of a log statement |
//! | `errors` | collects all errors of one expansion |

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
/// - The struct gets one static `Site`. Its definition is written into a ring once for each process; a record
///   carries only the values. File and line of the definition are those of the derive.
/// - Fields travel one by one, in the order of their declaration and in the encoding of their type.
///   The struct's own bytes are never copied: no padding can leak, and the struct's `repr` does not matter. (The
///   compiler refuses a `repr(packed)` struct if a field would need an unaligned reference.)
/// - `level` is a constant, so a test of it folds away. With fields of fixed size `payload_bytes` is a constant too,
///   and `encode` becomes a few stores.
///
/// The type of each field has to implement `FieldValue`. The struct may have lifetimes. A struct without fields is a
/// record of level, logger and text.
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
/// | `text = "..."` | text of the message | empty |
///
/// The names of levels are `trace`, `debug`, `info`, `warn` or `warning`, `error`, `critical` or
/// `fatal`, in capitals or not. All values are literals, because the definition is a static.
///
/// # Attributes of a field
///
/// | attribute | meaning |
/// |---|---|
/// | `skip` | the field is left out of the record, and may be of any type |
/// | `rename = "name"` | readers see the field under this name |
///
/// # Errors
///
/// Each points at its place, and all are reported at once:
///
/// - enums, unions and tuple structs, because readers name each field;
/// - type and const parameters, because a static cannot be generic;
/// - attributes that are unknown, given twice or without their value, and levels that do not exist;
/// - an empty field name, or one used twice;
/// - more than 65,535 fields, because definitions count them in 16 bits.
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
        /// The crate `ringlog` documents the arguments.
        #[proc_macro]
        pub fn $name(input: TokenStream) -> TokenStream {
            log::expand(input.into(), Some($number)).unwrap_or_else(|error| error.into_compile_error()).into()
        }
    )*};
}

level_macros! {
    trace 5 "Logs at TRACE: every step."
    debug 10 "Logs at DEBUG: for the developer."
    info 20 "Logs at INFO: normal operation."
    warn 30 "Logs at WARN: unexpected, but handled."
    error 40 "Logs at ERROR: something failed."
    critical 50 "Logs at CRITICAL: the program may be unable to continue."
}

/// Logs at a level that is known only when the program runs: `log!(level, "message {x}", key = value)`.
///
/// The other arguments are those of the macros of the levels.
#[proc_macro]
pub fn log(input: TokenStream) -> TokenStream {
    log::expand(input.into(), None).unwrap_or_else(|error| error.into_compile_error()).into()
}
