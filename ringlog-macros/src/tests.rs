//! The errors of the derive: where they point, and their messages. The generated code is tested in the crate of the
//! trait.

use quote::quote;

use crate::expand::expand;
use crate::record::{FIELDS_MAX, Record};

/// The errors for a struct: the piece of the source that each points at, and its message.
fn errors(source: &str) -> Vec<(String, String)> {
    let input = syn::parse_str(source).expect("the test's source is Rust");
    match expand(input) {
        Ok(_) => Vec::new(),
        Err(errors) => errors
            .into_iter()
            .map(|error| (error.span().source_text().unwrap_or_default(), error.to_string()))
            .collect(),
    }
}

/// Asserts one error that points at `at` and contains all of `words`.
#[track_caller]
fn refused(source: &str, at: &str, words: &[&str]) {
    let errors = errors(source);
    let [(found_at, message)] = &errors[..] else { panic!("expected one error: {errors:?}") };
    assert_eq!(found_at, at, "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

/// The same for attributes of an otherwise fine struct.
#[track_caller]
fn refused_on_record(attributes: &str, at: &str, words: &[&str]) {
    refused(&format!("{attributes} struct Fill {{ order: u64 }}"), at, words);
}

/// The same for attributes of a field.
#[track_caller]
fn refused_on_field(attributes: &str, at: &str, words: &[&str]) {
    refused(&format!("struct Fill {{ {attributes} order: u64 }}"), at, words);
}

#[test]
fn structs_that_can_be_records_expand_to_rust() {
    for source in [
        "struct Fill { order: u64 }",
        "struct Started {}",
        "struct Started;",
        "#[repr(C)] #[record()] pub struct Fill { pub(crate) r#type: u8 }",
        "struct Fill<'a, 'b: 'a> where 'a: 'a { venue: &'a str, note: std::borrow::Cow<'b, str> }",
        r#"#[record(level = "FATAL")] #[record(logger = "a.b", text = "t",)] struct Fill { order: u64 }"#,
        "#[record(level = 255)] struct Fill { #[record(skip)] cache: Vec<Option<u8>> }",
        r#"struct Fill { a: u8, #[record(skip)] #[doc = "twice"] b: u8, #[record(rename = "b")] c: u8 }"#,
    ] {
        let input = syn::parse_str(source).expect("the test's source is Rust");
        let output = expand(input).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert!(output.to_string().contains("impl"), "{source}");
    }
}

#[test]
fn only_structs_with_named_fields_are_records() {
    let expected = "expected a struct with named fields: readers see each field by its name";
    let example = "struct Fill { order: u64 }";
    refused("struct Fill(u64, u32);", "(u64, u32)", &["found a tuple struct", expected, example]);
    let example = "one struct for each variant";
    refused("enum Event { Fill }", "enum", &["found an enum", expected, example]);
    let example = "a struct with the field that counts";
    refused("union Bits { a: u8 }", "union", &["found a union", expected, example]);
}

#[test]
fn generic_structs_are_refused_at_the_parameter() {
    let why = "expected at most lifetimes: a record's definition is one static";
    let found = "found the type parameter `T`";
    refused("struct Fill<'a, T: Copy> { id: &'a T }", "T", &[found, why, "for each `T` you need"]);
    let found = "found the const parameter `N`";
    refused("struct Fill<const N: usize> { id: [u8; N] }", "N", &[found, why]);
}

#[test]
fn a_level_that_does_not_exist_is_refused() {
    refused_on_record("#[record(level = -1)]", "-1", &["is not a level; expected", "1 to 255"]);
    for level in [r#""loud""#, r#""""#, r#""0""#, "0", "256", "1.5", "true"] {
        let expected = concat!(
            r#"is not a level; expected "trace", "debug", "info", "warn", "error", "critical" "#,
            "or a number from 1 to 255"
        );
        refused_on_record(&format!("#[record(level = {level})]"), level, &[level, expected]);
    }
}

#[test]
fn values_are_literals_of_their_kind() {
    let write = r#"write `level = "info"`"#;
    let found = "found `INFO`, expected a literal";
    refused_on_record("#[record(level = INFO)]", "INFO", &[found, write]);
    refused_on_record("#[record(level)]", "level", &["found `level` without a value", write]);
    refused_on_record(r#"#[record(level("info"))]"#, "level", &["without a value", write]);
    let write = r#"write `logger = "orders"`"#;
    let found = "found `7`, expected a string";
    refused_on_record("#[record(logger = 7)]", "7", &[found, write]);
    let write = r#"write `text = "order filled"`"#;
    refused_on_record("#[record(text = )]", ")", &["found no value after `=`", write]);
    let write = r#"write `rename = "name"`"#;
    let found = "found `'n'`, expected a string";
    refused_on_field("#[record(rename = 'n')]", "'n'", &[found, write]);
    let found = "found a value, but `skip` takes none";
    refused_on_field("#[record(skip = true)]", "=", &[found, "write `skip` alone"]);
}

#[test]
fn unknown_attributes_name_the_known_ones() {
    let expected =
        r#"expected `level = "info"` (or a number), `logger = "orders"` or `text = "order filled"`"#;
    let found = "`lvl` is not an attribute of a record";
    refused_on_record(r#"#[record(lvl = "info")]"#, "lvl", &[found, expected]);
    refused_on_record("#[record(skip)]", "skip", &["`skip` is not an attribute of a record"]);
    let expected = r#"expected `skip` or `rename = "name"`"#;
    let found = "`level` is not an attribute of a field";
    refused_on_field(r#"#[record(level = "info")]"#, "level", &[found, expected]);
}

#[test]
fn settings_are_names_with_commas_between() {
    let found = r#"found `"orders"`, expected a name: write `name` or `name = value`"#;
    refused_on_record(r#"#[record("orders")]"#, r#""orders""#, &[found]);
    refused_on_field("#[record(, skip)]", ",", &["found `,`, expected a name"]);
    let found = "found `text`, expected a comma";
    refused_on_record(r#"#[record(level = 1 text = "t", )]"#, "text", &[found]);
    refused_on_record("#[record(crate::level = 1)]", "crate", &["`crate` is not an attribute"]);
}

#[test]
fn an_attribute_without_parentheses_is_refused() {
    let write = "write `record(...)` or remove it";
    refused_on_record("#[record]", "record", &["found `record`, expected parentheses", write]);
    refused_on_field(r#"#[record = "skip"]"#, r#"record = "skip""#, &[r#"`record = "skip"`"#]);
}

#[test]
fn attributes_given_twice_are_refused_at_the_second() {
    let twice = "a second time: keep one of the two";
    refused_on_record("#[record(level = 1, level = 2)]", "level", &["`level`", twice]);
    refused_on_record(r#"#[record(text = "a")] #[record(text = "b")]"#, "text", &["`text`", twice]);
    refused_on_field("#[record(skip, skip)]", "skip", &["`skip`", twice]);
    let both = "found both `skip` and `rename`";
    refused_on_field(r#"#[record(skip, rename = "n")]"#, "skip", &[both, "remove one of them"]);
}

#[test]
fn two_fields_cannot_have_one_name() {
    let source = r#"struct Fill { order: u64, #[record(rename = "order")] id: u64 }"#;
    refused(source, r#""order""#, &["second field named `order`", "#[record(rename"]);
    refused_on_field(r#"#[record(rename = "")]"#, r#""""#, &["found an empty name"]);
}

#[test]
fn a_definition_counts_its_fields_in_16_bits() {
    let fields: String = (0..=FIELDS_MAX).map(|n| format!("f{n}: u8,")).collect();
    let found = "found 65536 fields, expected at most 65535";
    refused(&format!("struct Wide {{ {fields} }}"), "f65535", &[found, "split the record"]);
    let input = syn::parse_str(&format!("struct Wide {{ #[record(skip)] {fields} }}"));
    assert!(input.and_then(Record::parse).is_ok());
}

#[test]
fn all_errors_are_reported_at_once() {
    let source = r#"
        #[record(level = 0, colour = "red", logger)]
        #[record(level = 7)]
        struct Fill<T, U> { #[record(skip = 1)] a: T, #[record(rename = "b")] c: u8, b: U }
    "#;
    let places: Vec<String> = errors(source).into_iter().map(|(at, _)| at).collect();
    assert_eq!(places, ["0", "colour", "logger", "T", "U", "=", "b"]);
}

#[test]
fn errors_become_compile_errors() {
    let input = quote!(
        enum Event {}
    );
    let output = syn::parse2(input).and_then(expand).map_err(|error| error.into_compile_error());
    let error = output.expect_err("an enum is refused").to_string();
    assert!(error.contains("compile_error") && error.contains("found an enum"), "{error}");
}
