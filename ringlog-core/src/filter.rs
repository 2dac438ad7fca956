//! Which records are wanted: a least level, and others for some loggers.

use crate::level::{Level, ParseLevelError};

/// Least levels by logger, read from text such as `info,db=debug,db.pool=warn`.
///
/// A logger's name is matched as a whole or up to a `.` or `::`; the longest match counts.
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

impl std::str::FromStr for Filter {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut filter = Filter::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((logger, level)) => filter.loggers.push((logger.trim().to_owned(), level.trim().parse()?)),
                None => filter.default = part.parse()?,
            }
        }
        filter.loggers.sort_by_key(|(logger, _)| std::cmp::Reverse(logger.len()));
        Ok(filter)
    }
}

impl Filter {
    /// Whether records of this level are wanted from this logger.
    #[inline]
    pub fn allows(&self, level: Level, logger: &str) -> bool {
        if self.loggers.is_empty() { level >= self.default } else { level >= self.level_of(logger) }
    }

    /// The least level that any logger has.
    pub fn least(&self) -> Level {
        self.loggers.iter().map(|(_, level)| *level).fold(self.default, Level::min)
    }

    fn level_of(&self, logger: &str) -> Level {
        let named = self.loggers.iter().find(|(name, _)| {
            let rest = logger.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with("::"))
        });
        named.map_or(self.default, |(_, level)| *level)
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
    fn what_is_no_level_is_refused() {
        let error = "info,db=loud".parse::<Filter>().unwrap_err().to_string();
        assert!(error.starts_with("\"loud\" is not a level"), "{error}");
        assert_eq!("".parse(), Ok(Filter::default()));
    }
}
