//! When a file is closed, what it is called then, and for how long it is kept.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::every::{At, Every, Zone};
use super::units;
use crate::text_enum::{InvalidValue, text_enum};

/// When the output is rotated, and what becomes of closed files. By default nothing is rotated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rotation {
    /// A file that would grow to this many bytes is closed first.
    pub size: Option<u64>,
    /// A file is closed when its time is over.
    pub every: Option<Every>,
    /// The time of day for `midnight` and weekdays; 00:00 if `None`.
    pub at: Option<At>,
    /// Whose clock midnight, weekdays and times of day are of.
    pub zone: Zone,
    /// A writer that starts closes what is there.
    pub on_start: bool,
    /// What closed files are called.
    pub naming: Naming,
    /// Which closed files are kept.
    pub keep: Keep,
    /// How closed files are compressed, in the background.
    pub compression: Option<Compression>,
    /// What to do where the disk is full.
    pub on_full: OnFull,
}

/// The most files that may be kept under shifting names: each is renamed at each rotation.
pub const MAX_SHIFTED: u32 = 1000;

impl Rotation {
    /// Whether the parts fit together.
    ///
    /// # Errors
    /// [`Contradiction`], which says what to change.
    pub fn check(&self) -> Result<(), Contradiction> {
        let wrong = |key, what: &str| Err(Contradiction { key, what: what.to_owned() });
        if self.at.is_some() && !matches!(self.every, Some(Every::Midnight | Every::Weekday(_))) {
            return wrong("at", "at needs every = \"midnight\" or a weekday; remove it, or say which day");
        }
        if self.naming == Naming::Python && self.keep.count == Some(0) {
            // For Python's handlers 0 means all: nobody shall lose or keep files by misunderstanding.
            return wrong(
                "keep",
                "keep = \"0\" does not go with naming = \"python\"; keep at least one file, or say \"all\"",
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

    /// Closed files are `app.log.1 … N`, and each is renamed at each rotation.
    pub(super) fn shifts(&self) -> bool {
        self.naming == Naming::Python && self.every.is_none()
    }
}

/// Parts of a [`Rotation`] that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Contradiction {
    key: &'static str,
    what: String,
}

impl Contradiction {
    /// The part that does not fit, as it is called in a configuration.
    pub(crate) fn key(&self) -> &'static str {
        self.key
    }
}

/// What closed files are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// By the time of closing, in UTC: `app-20261121T143000Z.log`.
    #[default]
    Time,
    /// By a growing number: `app.000123.log`.
    Number,
    /// As Python's handlers do it: `app.log.1` is the youngest and all are shifted, or, with `every`,
    /// `app.log.2026-11-21` by the start of the time that it covers. Where such a name is taken, Python loses
    /// the older file; here the younger one gets a number: `app.log.2026-11-21.1`.
    ///
    /// Sizes are counted in bytes where Python counts the characters of the coming line. A `when="W0"` without
    /// `atTime` ends with Monday, which is `tuesday` here.
    Python,
}

text_enum!(Naming, "naming", Time => "time", Number => "number", Python => "python");

/// How closed files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `.gz`.
    Gzip,
    /// `.zst`.
    Zstd,
}

text_enum!(Compression, "compression", Gzip => "gzip", Zstd => "zstd");

impl Compression {
    /// Every way.
    pub const ALL: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

    /// What it appends to a name.
    pub fn suffix(self) -> &'static str {
        match self {
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        }
    }
}

/// What to do where the disk is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// Records wait in the ring.
    #[default]
    Wait,
    /// The oldest closed file is deleted.
    DropOldestFile,
}

text_enum!(OnFull, "full-disk policy", Wait => "wait", DropOldestFile => "drop-oldest-file");

/// Which closed files are kept: those within every limit given. Without a limit all are.
///
/// As a word `7`, `30d`, `2GiB`, or several of them with commas between; `all` without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// At most this many.
    pub count: Option<u32>,
    /// Only those last written at most this long ago; whole seconds.
    pub age: Option<Duration>,
    /// Only as many of the youngest as have together at most this many bytes, compressed or not.
    pub bytes: Option<u64>,
}

impl Keep {
    /// Whether everything is kept.
    pub fn is_all(&self) -> bool {
        *self == Keep::default()
    }

    fn limit(&mut self, word: &str) -> bool {
        if let Ok(count) = word.parse() {
            self.count.replace(count).is_none()
        } else if let Some((number, unit)) = units::span(word) {
            let age = Duration::from_secs(u64::from(number) * unit.seconds());
            self.age.replace(age).is_none()
        } else if let Some(bytes) = units::bytes_with_unit(word) {
            self.bytes.replace(bytes).is_none()
        } else {
            false
        }
    }
}

impl FromStr for Keep {
    type Err = InvalidValue;

    fn from_str(word: &str) -> Result<Keep, InvalidValue> {
        let mut keep = Keep::default();
        if word == "all" || word.split(',').all(|limit| keep.limit(limit.trim())) {
            return Ok(keep);
        }
        let expected =
            "a count, an age, a size, each at most once, such as 7 or 30d or 2GiB or 7,30d; or all";
        Err(InvalidValue::new("limit of closed files", word, expected).near(["all"]))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = [
            self.count.map(|count| count.to_string()),
            self.age.map(units::span_word),
            self.bytes.map(units::size_word),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        f.pad(if limits.is_empty() { "all".to_owned() } else { limits.join(",") }.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written() {
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
        let expected =
            "\"pyton\" is no naming of closed files; expected time, number, python; did you mean \"python\"?";
        assert_eq!(error, expected);
        let error = "xz".parse::<Compression>().unwrap_err().to_string();
        assert_eq!(error, "\"xz\" is no compression; expected gzip, zstd");
    }

    #[test]
    fn limits_are_read_and_written() {
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
        for wrong in ["", "7,8", "1d,2d", "-1", "ever", "7,", "3 parsecs"] {
            assert!(wrong.parse::<Keep>().is_err(), "{wrong:?}");
        }
        let error = "al".parse::<Keep>().unwrap_err().to_string();
        assert!(error.ends_with("or 7,30d; or all; did you mean \"all\"?"), "{error}");
    }

    #[test]
    fn parts_that_do_not_fit_together_are_refused() {
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
