//! Levels: numbers with names, as in Python's `logging`, plus TRACE.

pub(crate) mod filter;
pub(crate) mod rules;

use std::fmt;
use std::str::FromStr;

/// The importance of a record: a number from 1 to 255, larger is more important.
///
/// The named levels are [`TRACE`](Self::TRACE) 5, [`DEBUG`](Self::DEBUG) 10, [`INFO`](Self::INFO) 20,
/// [`WARN`](Self::WARN) 30, [`ERROR`](Self::ERROR) 40 and [`CRITICAL`](Self::CRITICAL) 50; any number
/// between them is a level too and takes the name of the next lower one, with the distance: `INFO+5`.
///
/// ```
/// use ringlog::Level;
/// assert!(Level::WARN > Level::INFO);
/// assert_eq!("warning".parse(), Ok(Level::WARN));
/// assert_eq!(Level::from_number(25).to_string(), "INFO+5");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// 5: every step.
    pub const TRACE: Level = Level(5);
    /// 10: for the developer.
    pub const DEBUG: Level = Level(10);
    /// 20: the course of things.
    pub const INFO: Level = Level(20);
    /// 30: unexpected, but handled. From here up a record may use the ring's reserved space.
    pub const WARN: Level = Level(30);
    /// 40: something failed.
    pub const ERROR: Level = Level(40);
    /// 50: the program may be unable to go on.
    pub const CRITICAL: Level = Level(50);

    const NAMED: [(Level, &'static str); 6] = [
        (Self::CRITICAL, "CRITICAL"),
        (Self::ERROR, "ERROR"),
        (Self::WARN, "WARN"),
        (Self::INFO, "INFO"),
        (Self::DEBUG, "DEBUG"),
        (Self::TRACE, "TRACE"),
    ];

    /// The level with this number.
    pub const fn from_number(number: u8) -> Level {
        Level(number)
    }

    /// The level's number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether records of this level may use the space reserved for urgent ones: the last slots of each block and
    /// the reserved blocks.
    pub const fn is_urgent(self) -> bool {
        self.0 >= Self::WARN.0
    }

    /// The name of the highest named level at or below this one, and the distance to it.
    /// Below TRACE the name is `LEVEL` and the distance the number itself.
    pub fn name(self) -> (&'static str, u8) {
        for (level, name) in Self::NAMED {
            if self >= level {
                return (name, self.0 - level.0);
            }
        }
        ("LEVEL", self.0)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            (name, 0) => f.pad(name),
            (name, above) => f.pad(&format!("{name}+{above}")),
        }
    }
}

/// The text is not a level: neither a known name nor a number from 1 to 255.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a level; expected trace, debug, info, warn, error, critical or a number from 1 to 255")]
pub struct ParseLevelError(String);

/// As `Display`: `unwrap`, and a `main` that returns the error, print it, and it says what to do.
impl fmt::Debug for ParseLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "trace" => Ok(Self::TRACE),
            "debug" => Ok(Self::DEBUG),
            "info" => Ok(Self::INFO),
            "warn" | "warning" => Ok(Self::WARN),
            "error" => Ok(Self::ERROR),
            "critical" | "fatal" => Ok(Self::CRITICAL),
            other => match other.parse::<u8>() {
                Ok(number) if number > 0 => Ok(Level(number)),
                _ => Err(ParseLevelError(text.to_owned())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_between_named_ones_keep_their_number() {
        assert_eq!(Level::from_number(3).to_string(), "LEVEL+3");
        assert_eq!(Level::from_number(42).to_string(), "ERROR+2");
        assert_eq!("35".parse(), Ok(Level::from_number(35)));
        assert!("0".parse::<Level>().is_err());
        assert!("loud".parse::<Level>().unwrap_err().to_string().contains("\"loud\" is not a level"));
    }

    #[test]
    fn urgent_starts_at_warn() {
        assert!(!Level::INFO.is_urgent() && Level::WARN.is_urgent());
    }
}
