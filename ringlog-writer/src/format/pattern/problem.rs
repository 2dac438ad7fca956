//! Errors in patterns and date formats.

/// The letters that may follow a `%` in a date format.
const LETTERS: &str = "a A b B c C d D e F g G h H I j k l m M n p P r R s S t T u U V w W x X y Y z Z %";

/// An error in a pattern or its date format, with its byte offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A `%` that is followed by neither `%` nor `(`.
    #[error("`%` stands for itself only when doubled; write `%%`, or `%(name)s`")]
    Percent {
        /// The offset.
        at: usize,
    },
    /// A name without its closing parenthesis.
    #[error("`%(` has no `)`")]
    Open {
        /// The offset.
        at: usize,
    },
    /// A missing or unknown conversion.
    #[error("expected a conversion, one of s d i u o x X e E f F g G, found {}", or_the_end(*found))]
    Conversion {
        /// The offset.
        at: usize,
        /// What is there instead.
        found: Option<char>,
    },
    /// A width or precision above the limit.
    #[error("a width or precision may be {most} at most")]
    Wide {
        /// The offset.
        at: usize,
        /// The limit.
        most: usize,
    },
    /// A text attribute with a numeric conversion.
    #[error("`{name}` is a text; write `%({name})s`")]
    Text {
        /// The offset.
        at: usize,
        /// The attribute.
        name: String,
    },
    /// An unknown directive of the date format, or one that does not take this flag.
    #[error(
        "unknown date directive `{found}`; expected `%` and one of {}{}",
        LETTERS,
        if found.ends_with('f') { "; the pattern's `%(msecs)03d` gives milliseconds" } else { "" }
    )]
    Date {
        /// The offset in the date format.
        at: usize,
        /// What is there instead.
        found: String,
    },
}

fn or_the_end(found: Option<char>) -> String {
    found.map_or_else(|| "the end".to_owned(), |c| format!("`{c}`"))
}

impl PatternError {
    /// The byte offset in the pattern or in the date format.
    pub fn at(&self) -> usize {
        match self {
            PatternError::Percent { at }
            | PatternError::Open { at }
            | PatternError::Conversion { at, .. }
            | PatternError::Wide { at, .. }
            | PatternError::Text { at, .. }
            | PatternError::Date { at, .. } => *at,
        }
    }

    /// Whether the error is in the date format, not in the pattern.
    pub fn is_in_date(&self) -> bool {
        matches!(self, PatternError::Date { .. })
    }

    pub(super) fn moved(mut self, by: usize) -> PatternError {
        match &mut self {
            PatternError::Percent { at }
            | PatternError::Open { at }
            | PatternError::Conversion { at, .. }
            | PatternError::Wide { at, .. }
            | PatternError::Text { at, .. }
            | PatternError::Date { at, .. } => *at += by,
        }
        self
    }
}
