//! Numbers of things in messages.

/// A number of things: `1 record`, `2 records`. The plural of `thing` ends with one more `s`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The verb that agrees with a number.
pub(crate) fn is_or_are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}
