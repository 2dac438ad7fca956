//! The formats that need no pattern, and the policy for newlines.

use crate::text_enum::text_enum;

/// A format that needs no pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormatKind {
    /// For people: time, level, logger, process and thread, place in the source, message.
    #[default]
    Text,
    /// One JSON object a line; every field keeps its type.
    Json,
    /// The message's bytes and a newline, nothing else.
    Raw,
}

text_enum!(FormatKind, "format", Text => "text", Json => "json", Raw => "raw");

/// How a newline within a message or an error is written, in text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newlines {
    /// As `\n`: a backslash and the letter. A record is always one line.
    #[default]
    Escape,
    /// As a newline and four spaces. Errors follow in lines of their own.
    Indent,
    /// As it is. A message can then forge lines.
    Raw,
}

text_enum!(Newlines, "newline policy", Escape => "escape", Indent => "indent", Raw => "raw");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_displayed() {
        for (name, kind) in FormatKind::NAMES {
            assert_eq!((kind.to_string().as_str(), name.parse()), (*name, Ok(*kind)));
        }
        for (name, newlines) in Newlines::NAMES {
            assert_eq!((newlines.to_string().as_str(), name.parse()), (*name, Ok(*newlines)));
        }
        let error = "xml".parse::<FormatKind>().unwrap_err().to_string();
        assert_eq!(error, "invalid format \"xml\"; expected text, json, raw");
        let error = "jsn".parse::<FormatKind>().unwrap_err().to_string();
        assert_eq!(error, "invalid format \"jsn\"; expected text, json, raw; did you mean \"json\"?");
        assert_eq!(format!("{:>5}", FormatKind::Raw), "  raw");
    }
}
