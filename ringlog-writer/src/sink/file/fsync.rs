//! When a file is synced.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ringlog::Level;
use ringlog::admin;

use crate::setting::words::{level_word, parse_duration};
use crate::text_enum::InvalidValue;

/// When a file is synced, so that its records survive a power cut. A killed process, be it a producer or the writer,
/// loses nothing under any policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Never: the kernel writes back when it sees fit.
    #[default]
    Never,
    /// With a batch, if the last sync was at least this long ago.
    Every(Duration),
    /// With every batch, before it is acknowledged.
    Batch,
    /// With every batch that has a record of at least this level.
    Level(Level),
}

/// The interval that the word `interval` stands for.
const FSYNC_INTERVAL: Duration = Duration::from_secs(1);

impl fmt::Display for Fsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fsync::Never => f.write_str("never"),
            Fsync::Every(interval) => f.write_str(&admin::duration_word(*interval)),
            Fsync::Batch => f.write_str("batch"),
            Fsync::Level(level) => f.write_str(&level_word(*level)),
        }
    }
}

impl FromStr for Fsync {
    type Err = InvalidValue;

    fn from_str(word: &str) -> Result<Self, InvalidValue> {
        const WORDS: [&str; 3] = ["never", "interval", "batch"];
        match word {
            "never" => return Ok(Fsync::Never),
            "interval" => return Ok(Fsync::Every(FSYNC_INTERVAL)),
            "batch" => return Ok(Fsync::Batch),
            _ => {}
        }
        let parsed = parse_duration(word).map(Fsync::Every).or_else(|| word.parse().ok().map(Fsync::Level));
        parsed.ok_or_else(|| {
            let expected = "never, interval, batch, a duration like 5s, a level like error";
            InvalidValue::new("fsync policy", word, expected).near(WORDS)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fsync_policies_display_as_they_parse() {
        for word in ["never", "batch", "5s", "1500ms", "1min", "ERROR", "25", "3"] {
            assert_eq!(word.parse::<Fsync>().unwrap().to_string(), word);
        }
        for (word, same) in
            [("interval", "1s"), ("1ms 500000ns", "1500us"), ("2 minutes", "2min"), ("PT1H", "1h")]
        {
            assert_eq!(word.parse::<Fsync>().unwrap().to_string(), same);
        }
    }
}
