//! What is wrong with a file, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::syntax;

/// Bytes of the text.
pub(super) type Span = Range<usize>;

/// One thing that is wrong with a configuration, or worth a word: `ringlog.toml:7:1: unknown key …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}", file.display(), Behind(*place))]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Line and column, both from 1; columns count characters. `None` if it is about the file as a whole.
    pub place: Option<(usize, usize)>,
    /// What is wrong, what was expected, and what may have been meant.
    pub what: String,
}

struct Behind(Option<(usize, usize)>);

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
    }
}

/// All that is wrong with a configuration, sorted by place; a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if i > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

/// What has been found so far, by bytes of the text.
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

#[derive(Debug)]
struct Finding {
    at: usize,
    what: String,
    /// It is certain whatever stands elsewhere in the file.
    is_local: bool,
}

impl Findings {
    /// What is written at this place is wrong.
    pub(super) fn wrong(&mut self, at: &Span, what: impl Into<String>) {
        self.errors.push(Finding { at: at.start, what: what.into(), is_local: true });
    }

    /// What is written at this place does not go with the rest of the file.
    pub(super) fn unfit(&mut self, at: &Span, what: impl Into<String>) {
        self.errors.push(Finding { at: at.start, what: what.into(), is_local: false });
    }

    /// What is written at this place is allowed, but hardly meant.
    pub(super) fn warn(&mut self, at: &Span, what: impl fmt::Display) {
        self.warnings.push(Finding { at: at.start, what: format!("warning: {what}"), is_local: false });
    }

    /// How many errors there are so far.
    pub(super) fn errors(&self) -> usize {
        self.errors.len()
    }

    /// The text is no TOML at these places. What was read behind the first of them may mean something else, so only
    /// what stands before it counts.
    pub(super) fn not_toml(&mut self, errors: Vec<syntax::Error>) {
        let Some(first) = errors.iter().map(|error| error.at).min() else { return };
        self.errors.retain(|finding| finding.is_local && finding.at < first);
        let finding = |syntax::Error { at, what }| Finding { at, what, is_local: true };
        self.errors.extend(errors.into_iter().map(finding));
    }

    /// The warnings; or the errors, if there are any.
    pub(super) fn judge(self, text: &str, file: &Path) -> Result<Vec<Problem>, ConfigErrors> {
        let locate = |mut findings: Vec<Finding>| -> Vec<Problem> {
            findings.sort_by_key(|finding| finding.at);
            let mut cursor = Cursor::new(text);
            let problem = |finding: Finding| Problem {
                file: file.to_owned(),
                place: Some(cursor.place(finding.at)),
                what: finding.what,
            };
            findings.into_iter().map(problem).collect()
        };
        if self.errors.is_empty() {
            Ok(locate(self.warnings))
        } else {
            Err(ConfigErrors(locate(self.errors)))
        }
    }
}

/// Turns bytes into lines and columns, in ascending order.
pub(super) struct Cursor<'a> {
    rest: std::str::CharIndices<'a>,
    next: (usize, usize),
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { rest: text.char_indices(), next: (1, 1) }
    }

    /// Line and column of a byte that is not before the last one asked for.
    pub(super) fn place(&mut self, at: usize) -> (usize, usize) {
        while self.rest.offset() < at {
            match self.rest.next() {
                Some((_, '\n')) => self.next = (self.next.0 + 1, 1),
                // Editors do not show a byte order mark.
                Some((0, '\u{feff}')) => {}
                Some(_) => self.next.1 += 1,
                None => break,
            }
        }
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "\u{feff}a\nüb\r\n\n";
        let place = |at: usize| Cursor::new(text).place(at);
        let expected =
            [(0, (1, 1)), (3, (1, 1)), (4, (1, 2)), (5, (2, 1)), (7, (2, 2)), (8, (2, 3)), (10, (3, 1))];
        for (at, place_of_it) in expected {
            assert_eq!(place(at), place_of_it, "{at}");
        }
        assert_eq!(place(11), (4, 1));
        assert_eq!(place(1000), (4, 1));
    }
}
