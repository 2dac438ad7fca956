//! The settings of a rotation.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ringlog::admin;

use super::every::{At, Every, Zone};
use super::units::{is_too_large, parse_duration};
use crate::text_enum::{InvalidValue, text_enum};

/// When a file is rotated, and what happens to closed files. By default a file is rotated only on request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rotation {
    /// The size before which a file is closed, in bytes.
    pub size: Option<u64>,
    /// The interval after which a file is closed.
    pub every: Option<Every>,
    /// The time of day for `midnight` and weekdays; 00:00 if `None`.
    pub at: Option<At>,
    /// The time zone of midnight, weekdays and times of day.
    pub zone: Zone,
    /// Whether the writer closes the present file when it starts.
    pub on_start: bool,
    /// The names of closed files.
    pub naming: Naming,
    /// Which closed files are kept.
    pub keep: Keep,
    /// How closed files are compressed, in the background.
    pub compression: Option<Compression>,
    /// The action on a full disk.
    pub on_full: OnFull,
    /// The free bytes of the file system below which the oldest closed files are deleted.
    pub min_free: Option<u64>,
}

/// The largest number of files with shifting names, each of which is renamed at each rotation.
pub const MAX_SHIFTED: u32 = 1000;

impl Rotation {
    /// Whether files are closed also without a request.
    pub(crate) fn closes_by_itself(&self) -> bool {
        self.size.is_some() || self.every.is_some() || self.on_start
    }

    /// Checks that the settings fit together.
    ///
    /// # Errors
    /// [`Contradiction`], which says what to change.
    pub fn check(&self) -> Result<(), Contradiction> {
        let wrong = |key, what: &str| Err(Contradiction { key, what: what.to_owned() });
        if self.at.is_some() && !matches!(self.every, Some(Every::Midnight | Every::Weekday(_))) {
            return wrong("at", "at needs every = \"midnight\" or a weekday; remove at, or set every");
        }
        if self.naming == Naming::Python && self.keep.count == Some(0) {
            // For Python's handlers 0 means all, so it is ambiguous here.
            return wrong(
                "keep",
                "keep = \"0\" does not go with naming = \"python\"; keep at least one file, or write \"all\"",
            );
        }
        if !self.shifts() {
            return Ok(());
        }
        match self.keep.count {
            None => wrong(
                "naming",
                "naming = \"python\" without every shifts files from app.log.1 on and needs to know the last one; \
                 say keep = \"7\", or naming = \"number\"",
            ),
            Some(count) if count > MAX_SHIFTED => {
                let what = format!(
                    "keep = \"{count}\" with naming = \"python\" would rename {count} files at each rotation, at \
                     most {MAX_SHIFTED} are allowed; keep fewer, or say naming = \"number\""
                );
                wrong("keep", &what)
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether closed files are `app.log.1 … N`, each of which is renamed at each rotation.
    pub(super) fn shifts(&self) -> bool {
        self.naming == Naming::Python && self.every.is_none()
    }
}

/// Settings of a [`Rotation`] that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Contradiction {
    key: &'static str,
    what: String,
}

impl Contradiction {
    /// The configuration key of the setting that does not fit.
    pub(crate) fn key(&self) -> &'static str {
        self.key
    }
}

/// The names of closed files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// By the time of closing, in UTC: `app-20261121T143000Z.log`.
    #[default]
    Time,
    /// By a growing number: `app.000123.log`.
    Number,
    /// As by Python's handlers: `app.log.1` is the youngest and each rotation shifts all names, or, with `every`,
    /// `app.log.2026-11-21` by the start of the interval that it covers. If such a name is taken, Python overwrites the
    /// older file; here the younger one gets a number: `app.log.2026-11-21.1`.
    ///
    /// Sizes are in bytes, where Python counts the characters of the next line. A `when="W0"` without
    /// `atTime` ends with Monday, which is `tuesday` here.
    Python,
}

text_enum!(Naming, "naming", Time => "time", Number => "number", Python => "python");

/// The compression of closed files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `.gz`.
    Gzip,
    /// `.zst`.
    Zstd,
}

text_enum!(Compression, "compression", Gzip => "gzip", Zstd => "zstd");

impl Compression {
    /// Every compression.
    pub const ALL: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

    /// The suffix of a compressed file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        }
    }
}

/// The action on a full disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// Records wait in the ring.
    #[default]
    Wait,
    /// The oldest closed file is deleted.
    DropOldestFile,
}

text_enum!(OnFull, "full-disk policy", Wait => "wait", DropOldestFile => "drop-oldest-file");

/// The limits within which closed files are kept. Without a limit all are kept.
///
/// As a word `7`, `30d`, `2GiB`, or several of them with commas between; `all` without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// At most this many.
    pub count: Option<u32>,
    /// Only those whose last write is at most this long ago; whole seconds.
    pub age: Option<Duration>,
    /// Only the youngest, up to this total size in bytes, compressed or not.
    pub bytes: Option<u64>,
}

impl Keep {
    /// Whether everything is kept.
    pub fn is_all(&self) -> bool {
        *self == Keep::default()
    }

    fn limit(&mut self, word: &str) -> bool {
        if is_bare(word) {
            word.parse().is_ok_and(|count| self.count.replace(count).is_none())
        } else if let Ok(age) = parse_duration(word) {
            // `5m` is five minutes, or mebibytes as in `10M`: too far from each other to guess.
            let is_ambiguous = admin::parse_size(word).is_ok();
            age.subsec_nanos() == 0 && !is_ambiguous && self.age.replace(age).is_none()
        } else if let Ok(bytes) = admin::parse_size(word) {
            self.bytes.replace(bytes).is_none()
        } else {
            false
        }
    }
}

/// Whether a limit is a number without a unit, which is a count.
fn is_bare(limit: &str) -> bool {
    limit.starts_with(|c: char| c.is_ascii_digit() || c == '+')
        && limit[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

impl FromStr for Keep {
    type Err = InvalidValue;

    fn from_str(word: &str) -> Result<Keep, InvalidValue> {
        let mut keep = Keep::default();
        if word == "all" || word.split(',').all(|limit| keep.limit(limit.trim())) {
            return Ok(keep);
        }
        let limits = || word.split(',').map(str::trim);
        let expected = if limits().any(|limit| is_bare(limit) && is_too_large(limit, str::parse::<u32>)) {
            "a count of at most 4294967295; a size needs a unit, such as 5GiB"
        } else if limits().any(|limit| is_too_large(limit, parse_duration)) {
            "an age of at most 213503d"
        } else if limits().any(|limit| !is_bare(limit) && is_too_large(limit, admin::parse_size)) {
            "a size of less than 16777216TiB"
        } else {
            "a count, an age, a size, each at most once, such as 7 or 30d or 2GiB or 7,30d; or all"
        };
        Err(InvalidValue::new("keep limit", word, expected).near(["all"]))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = [
            self.count.map(|count| count.to_string()),
            self.age.map(admin::duration_word),
            self.bytes.map(admin::size_word),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        f.pad(if limits.is_empty() { "all".to_owned() } else { limits.join(",") }.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_displayed() {
        for (word, naming) in Naming::NAMES {
            assert_eq!((word.parse(), naming.to_string().as_str()), (Ok(*naming), *word));
        }
        for (word, compression) in Compression::NAMES {
            assert_eq!((word.parse(), compression.to_string().as_str()), (Ok(*compression), *word));
        }
        for (word, on_full) in OnFull::NAMES {
            assert_eq!((word.parse(), on_full.to_string().as_str()), (Ok(*on_full), *word));
        }
        let error = "pyton".parse::<Naming>().unwrap_err().to_string();
        let expected = "invalid naming \"pyton\"; expected time, number, python; did you mean \"python\"?";
        assert_eq!(error, expected);
        let error = "xz".parse::<Compression>().unwrap_err().to_string();
        assert_eq!(error, "invalid compression \"xz\"; expected gzip, zstd");
    }

    #[test]
    fn limits_are_parsed_and_displayed() {
        let day = |days: u64| Some(Duration::from_secs(days * 86_400));
        for (word, keep) in [
            ("all", Keep::default()),
            ("7", Keep { count: Some(7), ..Keep::default() }),
            ("0", Keep { count: Some(0), ..Keep::default() }),
            ("30d", Keep { age: day(30), ..Keep::default() }),
            ("2GiB", Keep { bytes: Some(2 << 30), ..Keep::default() }),
            ("7,30d,2GiB", Keep { count: Some(7), age: day(30), bytes: Some(2 << 30) }),
        ] {
            assert_eq!((word.parse(), keep.to_string().as_str()), (Ok(keep), word));
        }
        assert_eq!("24h, 100b".parse(), Ok(Keep { count: None, age: day(1), bytes: Some(100) }));
        assert_eq!(
            "1d12h,1.5KiB".parse(),
            Ok(Keep { count: None, age: Some(day(3).unwrap() / 2), bytes: Some(1536) })
        );
        assert_eq!("1h30m".parse(), Ok(Keep { age: Some(Duration::from_secs(5400)), ..Keep::default() }));
        for wrong in ["", "7,8", "1d,2d", "-1", "ever", "7,", "3 parsecs", "1.5s", "5m", "5 m"] {
            assert!(wrong.parse::<Keep>().is_err(), "{wrong:?}");
        }
        assert_eq!("2 minutes".parse(), Ok(Keep { age: Some(Duration::from_secs(120)), ..Keep::default() }));
        for (word, expected) in [
            ("7,4294967296", "a count of at most 4294967295; a size needs a unit, such as 5GiB"),
            ("5000000000", "a count of at most 4294967295; a size needs a unit, such as 5GiB"),
            ("99999999999d", "an age of at most 213503d"),
            ("7,99999999999999TiB", "a size of less than 16777216TiB"),
            ("1.5", "a count, an age, a size, each at most once, such as 7 or 30d or 2GiB or 7,30d; or all"),
        ] {
            let error = word.parse::<Keep>().unwrap_err().to_string();
            assert_eq!(error, format!("invalid keep limit {word:?}; expected {expected}"));
        }
        assert_eq!("4294967295".parse(), Ok(Keep { count: Some(u32::MAX), ..Keep::default() }));
        let error = "al".parse::<Keep>().unwrap_err().to_string();
        assert!(error.ends_with("or 7,30d; or all; did you mean \"all\"?"), "{error}");
    }

    #[test]
    fn contradicting_settings_are_refused() {
        let mut rotation = Rotation { size: Some(1), naming: Naming::Python, ..Rotation::default() };
        let refusal = |rotation: &Rotation| rotation.check().unwrap_err().to_string();
        assert!(refusal(&rotation).contains("say keep = \"7\""));
        rotation.keep.count = Some(0);
        assert!(refusal(&rotation).contains("keep at least one file"));
        rotation.keep.count = Some(MAX_SHIFTED + 1);
        assert!(refusal(&rotation).contains("at most 1000 are allowed"));
        rotation.keep.count = Some(MAX_SHIFTED);
        assert_eq!(rotation.check(), Ok(()));
        rotation.at = "02:30".parse().ok();
        assert!(refusal(&rotation).starts_with("at needs every"));
        rotation.every = "6h".parse().ok();
        assert!(refusal(&rotation).starts_with("at needs every"));
        rotation.every = "monday".parse().ok();
        assert_eq!(rotation.check(), Ok(()));
        rotation.keep.count = None;
        assert_eq!(rotation.check(), Ok(()));
    }
}
