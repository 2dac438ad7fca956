//! The options of a writer for one ring, as the command line has them.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ringlog::Level;
use ringlog::admin::{self, Shown};

use crate::error::Error;
use crate::format::{FormatKind, Newlines};
use crate::rotation::Rotation;
use crate::text_enum::{InvalidValue, text_enum};

/// Where the lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Out {
    /// Standard output. A record counts as persisted once a write to it has succeeded.
    #[default]
    Stdout,
    /// A file, created if needed. Its directory has to exist.
    File(PathBuf),
}

/// From the value of `--out`: a path, or `-` for standard output.
impl From<PathBuf> for Out {
    fn from(path: PathBuf) -> Out {
        if path.as_os_str() == "-" { Out::Stdout } else { Out::File(path) }
    }
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Out::Stdout => f.write_str("standard output"),
            Out::File(path) => path.shown().fmt(f),
        }
    }
}

/// The treatment of a file's present content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Keeps it; new lines are appended.
    #[default]
    Append,
    /// Discards it, once the ring is held.
    Truncate,
}

text_enum!(Existing, "treatment of existing content", Append => "append", Truncate => "truncate");

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

/// Parses a duration such as `10ms`, `1.5s` or `1h30m`; also `2 minutes` and `PT5S`.
pub(crate) fn parse_duration(word: &str) -> Option<Duration> {
    let spelled_out = || word.parse::<jiff::SignedDuration>().ok()?.try_into().ok();
    admin::parse_duration(word).ok().or_else(spelled_out)
}

/// A level as a word that can be parsed again. Levels between the named ones are written as numbers.
pub(crate) fn level_word(level: Level) -> String {
    match level.name() {
        ("LEVEL", _) => level.number().to_string(),
        (name, 0) => name.to_owned(),
        _ => level.number().to_string(),
    }
}

/// The options of a writer. Start with [`Options::new`] and change what differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The ring: a name, a path, or `.` for `$RINGLOG`.
    pub ring: String,
    /// Where the lines go; standard output by default.
    pub out: Out,
    /// Whether the file's present content is kept; kept by default.
    pub existing: Existing,
    /// The format of a line; text by default.
    pub format: FormatKind,
    /// How newlines are written in the text format; escaped by default.
    pub newlines: Newlines,
    /// Whether the record's id follows the time in text lines; not by default.
    pub ids: bool,
    /// Whether the writer ends once every lane is closed and every record is written; not by default. A lane whose
    /// thread or process has ended counts as closed, also after SIGKILL. If no process has ever logged into the ring,
    /// the writer first waits for one that does.
    pub until_idle: bool,
    /// Whether a checkpoint is kept beside the file, so that every record is in it exactly once even when the writer
    /// is killed; kept by default. Without it the last batch may be written twice.
    pub checkpoint: bool,
    /// When the file is synced, to survive a power cut; never by default.
    pub fsync: Fsync,
    /// When the file is closed and the next one begun; only on request by default.
    pub rotation: Rotation,
    /// How long the writer holds back a record, because a thread that is suspended in the middle of a log call may
    /// still publish an older one. An older record that comes later than that is written out of order and counted as
    /// late. The wait shrinks to nothing as the ring fills. `None` is the consumer's default, 10 ms.
    pub grace: Option<Duration>,
    /// Whether the writer makes the ring anew, as it was, after its file was removed; not by default.
    /// [`admin::remove`] ends the writer instead.
    pub makes_anew: bool,
}

impl Options {
    /// Text to standard output, until the writer is asked to stop.
    pub fn new(ring: impl Into<String>) -> Options {
        Options {
            ring: ring.into(),
            out: Out::default(),
            existing: Existing::default(),
            format: FormatKind::default(),
            newlines: Newlines::default(),
            ids: false,
            until_idle: false,
            checkpoint: true,
            fsync: Fsync::default(),
            rotation: Rotation::default(),
            grace: None,
            makes_anew: false,
        }
    }

    /// Checks that the options fit together, so that none of them is ignored silently.
    ///
    /// # Errors
    /// [`Error::Options`], which says what to change.
    pub fn check(&self) -> Result<(), Error> {
        let rotates = self.rotation != Rotation::default();
        let what = match (rotates, self.fsync != Fsync::Never) {
            (true, _) => "rotated",
            (false, true) => "synced",
            (false, false) => return Ok(()),
        };
        if self.out == Out::Stdout {
            return Err(Error::Options(format!(
                "standard output cannot be {what}; name a file with --out FILE"
            )));
        }
        if !self.checkpoint {
            return Err(Error::Options(format!(
                "a file without a checkpoint cannot be {what}; leave out --no-checkpoint"
            )));
        }
        self.rotation.check().map_err(|contradiction| {
            Error::Options(match contradiction.key() {
                "at" => {
                    "--rotate-at needs --rotate-every midnight, or a weekday; leave it out, or give that too"
                        .to_owned()
                }
                _ => contradiction.to_string(),
            })
        })
    }

    /// The options as arguments of `ringlog-writer`. Defaults are spelled out.
    pub fn to_args(&self) -> Vec<OsString> {
        let out = match &self.out {
            Out::Stdout => "-".into(),
            Out::File(path) => path.clone().into_os_string(),
        };
        let existing = match self.existing {
            Existing::Append => "--append",
            Existing::Truncate => "--truncate",
        };
        let value = |option: &str, value: OsString| {
            let mut argument = OsString::from(option);
            argument.push(value);
            argument
        };
        let mut args = vec![
            value("--out=", out),
            existing.into(),
            format!("--format={}", self.format).into(),
            format!("--newlines={}", self.newlines).into(),
        ];
        if self.ids {
            args.push("--ids".into());
        }
        if self.until_idle {
            args.push("--until-idle".into());
        }
        if !self.checkpoint {
            args.push("--no-checkpoint".into());
        }
        args.push(format!("--fsync={}", self.fsync).into());
        args.extend(rotation_args(&self.rotation));
        if let Some(grace) = self.grace {
            args.push(format!("--grace={}", admin::duration_word(grace)).into());
        }
        args.extend(["--".into(), OsString::from(&self.ring)]);
        args
    }
}

/// The options of the rotation that differ from the default.
fn rotation_args(rotation: &Rotation) -> Vec<OsString> {
    let plain = Rotation::default();
    let Rotation { size, every, at, zone, on_start, naming, keep, compression, on_full } = rotation;
    let mut args = Vec::new();
    let mut put = |option: &str, value: Option<String>| {
        args.extend(value.map(|value| format!("--{option}={value}").into()));
    };
    put("rotate-size", size.map(admin::size_word));
    put("rotate-every", every.map(|every| every.to_string()));
    put("rotate-at", at.map(|at| at.to_string()));
    put("zone", (*zone != plain.zone).then(|| zone.to_string()));
    put("naming", (*naming != plain.naming).then(|| naming.to_string()));
    put("keep", (!keep.is_all()).then(|| keep.to_string()));
    put("compress", compression.map(|compression| compression.to_string()));
    put("on-full", (*on_full != plain.on_full).then(|| on_full.to_string()));
    if *on_start {
        args.push("--rotate-on-start".into());
    }
    args
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
