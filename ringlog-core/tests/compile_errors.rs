//! The compiler's errors for mistakes in log statements, word for word.

#[test]
fn mistakes_in_log_statements_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
