//! What the compiler says of log statements that are none, to the letter: people read it when they are
//! already in trouble.

#[test]
fn mistakes_in_log_statements_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
