//! Errors and warnings about a configuration file, with their places.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::syntax;
use ringlog::admin::Shown;

/// A range of bytes of the text.
pub(crate) type Span = Range<usize>;

/// An error in a configuration, or a warning about it: `ringlog.toml:7:1: unknown key …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}", file.shown(), Behind(*place))]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: PathBuf,
    /// Line and column, both from 1; columns count characters. `None` if the whole file is meant.
    pub place: Option<(usize, usize)>,
    /// The message: what is wrong, what was expected, and what was probably meant.
    pub what: String,
}

struct Behind(Option<(usize, usize)>);

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
    }
}

/// Every error in a configuration, sorted by place. Displayed as one line each.
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

/// Collects errors and warnings while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

#[derive(Debug)]
struct Finding {
    at: usize,
    what: String,
    /// Whether the error holds whatever the rest of the file says.
    is_local: bool,
}

impl Findings {
    /// Reports an error that holds whatever the rest of the file says.
    pub(crate) fn wrong(&mut self, at: &Span, what: impl Into<String>) {
        self.errors.push(Finding { at: at.start, what: what.into(), is_local: true });
    }

    /// Reports that this place contradicts the rest of the file.
    pub(crate) fn unfit(&mut self, at: &Span, what: impl Into<String>) {
        self.errors.push(Finding { at: at.start, what: what.into(), is_local: false });
    }

    /// Reports what is allowed, but probably not meant.
    pub(crate) fn warn(&mut self, at: &Span, what: impl fmt::Display) {
        self.warnings.push(Finding { at: at.start, what: format!("warning: {what}"), is_local: false });
    }

    /// The number of errors so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors.len()
    }

    /// Adds syntax errors. What was read after the first of them may mean something else, so only findings before it
    /// are kept.
    pub(crate) fn not_toml(&mut self, errors: Vec<syntax::Error>) {
        let Some(first) = errors.iter().map(|error| error.at).min() else { return };
        self.errors.retain(|finding| finding.is_local && finding.at < first);
        let finding = |syntax::Error { at, what }| Finding { at, what, is_local: true };
        self.errors.extend(errors.into_iter().map(finding));
    }

    /// The warnings, or the errors if there are any, sorted by place.
    pub(crate) fn finish(self, text: &str, file: &Path) -> Result<Vec<Problem>, ConfigErrors> {
        let locate = |mut findings: Vec<Finding>| -> Vec<Problem> {
            findings.sort_by_key(|finding| finding.at);
            let mut counter = LineCounter::new(text);
            let problem = |finding: Finding| Problem {
                file: file.to_owned(),
                place: Some(counter.place(finding.at)),
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

/// Converts byte offsets, in ascending order, to lines and columns.
pub(crate) struct LineCounter<'a> {
    rest: std::str::CharIndices<'a>,
    next: (usize, usize),
}

impl<'a> LineCounter<'a> {
    pub(crate) fn new(text: &'a str) -> LineCounter<'a> {
        LineCounter { rest: text.char_indices(), next: (1, 1) }
    }

    /// The line and column of a byte, which must not lie before the last one asked for.
    pub(crate) fn place(&mut self, at: usize) -> (usize, usize) {
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
        let place = |at: usize| LineCounter::new(text).place(at);
        let expected =
            [(0, (1, 1)), (3, (1, 1)), (4, (1, 2)), (5, (2, 1)), (7, (2, 2)), (8, (2, 3)), (10, (3, 1))];
        for (at, place_of_it) in expected {
            assert_eq!(place(at), place_of_it, "{at}");
        }
        assert_eq!(place(11), (4, 1));
        assert_eq!(place(1000), (4, 1));
    }
}
