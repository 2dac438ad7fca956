//! The filter of a process: a least level, and other least levels for some loggers.

use std::fmt;

use crate::record::level::{Level, ParseLevelError};

/// Least levels by logger, read from text such as `info,db=debug,db.pool=warn`.
///
/// A name stands for the logger of that name and those below it; `.` and `::` are the same separator. The longest
/// matching name counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    default: Level,
    /// Longest names first.
    loggers: Vec<(String, Level)>,
}

impl Default for Filter {
    fn default() -> Self {
        Filter { default: Level::INFO, loggers: Vec::new() }
    }
}

/// All records from this level up, of every logger.
impl From<Level> for Filter {
    fn from(default: Level) -> Filter {
        Filter { default, ..Filter::default() }
    }
}

impl std::str::FromStr for Filter {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut filter = Filter::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((logger, level)) => {
                    filter.loggers.push((logger.trim().to_owned(), level.trim().parse()?))
                }
                None => filter.default = part.parse()?,
            }
        }
        filter.loggers.sort_by_key(|(logger, _)| std::cmp::Reverse(length(logger.as_bytes())));
        Ok(filter)
    }
}

impl Filter {
    /// Whether records of this level are wanted from this logger.
    #[inline]
    pub fn allows(&self, level: Level, logger: &str) -> bool {
        if self.loggers.is_empty() { level >= self.default } else { level >= self.level_of(logger) }
    }

    /// The lowest least level of all loggers.
    pub fn least(&self) -> Level {
        self.loggers.iter().map(|(_, level)| *level).fold(self.default, Level::min)
    }

    fn level_of(&self, logger: &str) -> Level {
        self.rule_for(logger).1
    }

    /// The longest name that covers this logger, and its level; the empty name for the default.
    pub(crate) fn rule_for(&self, logger: &str) -> (&str, Level) {
        let named = self.loggers.iter().find(|(name, _)| covers(name.as_bytes(), logger.as_bytes()));
        named.map_or(("", self.default), |(name, level)| (name, *level))
    }

    /// Its text, cut to `bytes` bytes between parts; `…` stands for the parts left out.
    pub(crate) fn text_within(&self, bytes: usize) -> String {
        const MORE: &str = ",…";
        let whole = self.to_string();
        if whole.len() <= bytes {
            return whole;
        }
        // A name that holds a comma may be cut there.
        let fits = whole.match_indices(',').map(|(at, _)| at).take_while(|at| at + MORE.len() <= bytes);
        format!("{}{MORE}", &whole[..fits.last().unwrap_or(0)])
    }
}

/// The text that the filter is read from: `info,db=debug`.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Plain(self.default))?;
        self.loggers.iter().try_for_each(|(logger, level)| write!(f, ",{logger}={}", Plain(*level)))
    }
}

/// A level as [`Filter`] reads it: a name in small letters, or a number between two names.
struct Plain(Level);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            (name, 0) => f.write_str(&name.to_ascii_lowercase()),
            _ => write!(f, "{}", self.0.number()),
        }
    }
}

/// Whether a rule for `name` covers `logger`: the same name, or one below it. The empty name covers all. `.` and
/// `::` are the same separator: a module's statements use the one, its records of the `log` facade the other.
pub(crate) fn covers(name: &[u8], logger: &[u8]) -> bool {
    let (mut name, mut logger) = (name, logger);
    let below = |rest: &[u8]| rest.is_empty() || separator(rest) > 0;
    if name.is_empty() {
        return true;
    }
    loop {
        let (Some((own, own_rest)), Some((other, other_rest))) = (name.split_first(), logger.split_first())
        else {
            return name.is_empty() && below(logger);
        };
        (name, logger) = match (separator(name), separator(logger)) {
            (0, 0) if own == other => (own_rest, other_rest),
            (from, to) if from > 0 && to > 0 => (&name[from..], &logger[to..]),
            _ => return false,
        };
    }
}

/// Whether both are names of the same logger.
pub(crate) fn same(one: &str, other: &str) -> bool {
    covers(one.as_bytes(), other.as_bytes()) && covers(other.as_bytes(), one.as_bytes())
}

/// The length of a name; `.` and `::` both count as one.
pub(crate) fn length(name: &[u8]) -> usize {
    let (mut rest, mut length) = (name, 0);
    while !rest.is_empty() {
        rest = &rest[separator(rest).max(1)..];
        length += 1;
    }
    length
}

/// The length of the separator that the text begins with.
fn separator(text: &[u8]) -> usize {
    match text {
        [b'.', ..] => 1,
        [b':', b':', ..] => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_counts() {
        let filter: Filter = "warn, db=debug,db.pool=error".parse().unwrap();
        assert!(filter.allows(Level::DEBUG, "db") && filter.allows(Level::DEBUG, "db.query"));
        assert!(filter.allows(Level::DEBUG, "db::query") && !filter.allows(Level::INFO, "dbx"));
        assert!(!filter.allows(Level::WARN, "db.pool.worker") && filter.allows(Level::WARN, "http"));
        assert_eq!(filter.least(), Level::DEBUG);
    }

    #[test]
    fn dots_and_colons_separate_the_same_names() {
        let covers = |name: &str, logger: &str| covers(name.as_bytes(), logger.as_bytes());
        for logger in ["shop::db", "shop.db", "shop::db::pool", "shop.db.pool", "shop.db::pool"] {
            assert!(covers("shop.db", logger) && covers("shop::db", logger), "{logger}");
            assert!(covers("", logger) && covers("shop", logger), "{logger}");
        }
        for logger in ["shop", "shop.dbx", "shop.d", "shop:db", "shopxdb", "shop..db", ""] {
            assert!(!covers("shop.db", logger) && !covers("shop::db", logger), "{logger}");
        }
        for (one, other) in [("shop.db", "shop::db"), ("shop::db", "shop::db"), ("", "")] {
            assert!(same(one, other) && length(one.as_bytes()) == length(other.as_bytes()), "{one} {other}");
        }
        assert!(!same("shop", "shop.db") && !same("shop.db", "shop") && length(b"a:::b") == 4);
        let filter: Filter = "shop.db.pool=debug,shop::db=error".parse().unwrap();
        assert!(filter.allows(Level::DEBUG, "shop::db::pool") && !filter.allows(Level::WARN, "shop.db"));
        assert!(covers("", "") && covers("a:b", "a:b") && !covers("a:", "a::b") && !covers("a", "a:b"));
    }

    #[test]
    fn a_filter_is_shown_as_read_and_cut_between_its_parts() {
        let text = "warn,db.pool=error,net=25,db=debug";
        let filter: Filter = text.parse().unwrap();
        assert_eq!((filter.to_string().as_str(), filter.text_within(text.len())), (text, text.to_owned()));
        assert_eq!(filter.text_within(text.len() - 1), "warn,db.pool=error,net=25,…");
        assert_eq!(filter.text_within(28), "warn,db.pool=error,…");
        assert_eq!(filter.text_within(8), "warn,…");
    }

    #[test]
    fn a_text_that_is_not_a_level_is_refused() {
        let error = "info,db=loud".parse::<Filter>().unwrap_err().to_string();
        assert!(error.starts_with("\"loud\" is not a level"), "{error}");
        assert_eq!("".parse(), Ok(Filter::default()));
    }
}
