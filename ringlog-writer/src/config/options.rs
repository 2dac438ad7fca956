//! The options of a writer for one ring, as the command line has them, and the settings of a file, which a handler has
//! too.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ringlog::Level;
use ringlog::admin::{self, Shown};

use super::owners::{Group, Mode, Owner};
use crate::error::Error;
use crate::format::{FormatKind, Newlines};
use crate::rotation::Rotation;
use crate::text_enum::{InvalidValue, nearest, suggestion, text_enum};

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

/// A level as a word that can be parsed again; `NOTSET` for 0.
pub(crate) fn level_or_notset(level: Level) -> String {
    if level.number() == 0 { "NOTSET".to_owned() } else { level_word(level) }
}

/// Parses a level: a name in any case, or a number; 0 for `NOTSET`.
pub(crate) fn parse_level(word: &str) -> Result<Level, String> {
    if word.eq_ignore_ascii_case("notset") || word == "0" {
        return Ok(Level::from_number(0));
    }
    word.parse().map_err(|_| {
        let near = suggestion(nearest(word, LEVELS.iter().copied()));
        format!(
            "{word:?} is not a level; expected trace, debug, info, warn, error, critical, notset, or a number from 0 \
             to 255{near}"
        )
    })
}

/// The names of levels.
pub(crate) const LEVELS: &[&str] =
    &["trace", "debug", "info", "warn", "warning", "error", "critical", "fatal", "notset"];

/// When the writer stops, how long an output that takes nothing is waited for, if nothing else is configured.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Declares [`FileConfig`] and [`Options`]. The settings of a file are fields of both: a handler's file has them, and
/// so has the one output of a writer without a configuration.
macro_rules! structs_with_settings_of_a_file {
    ($($(#[$doc:meta])+ $field:ident: $type:ty = $default:expr;)+) => {
        /// A file that a handler writes.
        #[derive(Clone, Debug, PartialEq)]
        pub struct FileConfig {
            /// The path. Its directory has to exist.
            pub path: PathBuf,
            $($(#[$doc])+ pub $field: $type,)+
        }

        impl FileConfig {
            /// A file with a checkpoint, to which lines are appended.
            pub fn new(path: impl Into<PathBuf>) -> FileConfig {
                FileConfig { path: path.into(), $($field: $default,)+ }
            }
        }

        /// The options of a writer. Start with [`Options::new`] and change what differs.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Options {
            /// The ring: a name, a path, or `.` for `$RINGLOG`.
            pub ring: String,
            /// Where the lines go; standard output by default.
            pub out: Out,
            $($(#[$doc])+ pub $field: $type,)+
            /// The format of a line; text by default.
            pub format: FormatKind,
            /// How newlines are written in the text format; escaped by default.
            pub newlines: Newlines,
            /// Whether the record's id follows the time in text lines; not by default.
            pub ids: bool,
            /// Whether the writer ends once every lane is closed and every record is written; not by default. A lane
            /// whose thread or process has ended counts as closed, also after SIGKILL. If no process has ever logged
            /// into the ring, the writer first waits for one that does.
            pub until_idle: bool,
            /// How long the writer holds back a record, because a thread that is suspended in the middle of a log call
            /// may still publish an older one. An older record that comes later than that is written out of order and
            /// counted as late. The wait shrinks to nothing as the ring fills. `None` is the consumer's default, 10 ms.
            pub grace: Option<Duration>,
            /// When the writer stops, how long an output that takes nothing, such as a pipe that is not read, is waited
            /// for; 5 s by default. With zero it gets what it takes at once.
            pub stop_timeout: Duration,
            /// Whether a process that ends without closing its lanes has a line; it has by default. `ringlog stat`
            /// counts it in any case.
            pub exit_notices: bool,
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
                    $($field: $default,)+
                    format: FormatKind::default(),
                    newlines: Newlines::default(),
                    ids: false,
                    until_idle: false,
                    grace: None,
                    stop_timeout: STOP_TIMEOUT,
                    exit_notices: true,
                    makes_anew: false,
                }
            }

            /// The output as a handler's file of this path.
            pub(super) fn file(&self, path: PathBuf) -> FileConfig {
                FileConfig { path, $($field: self.$field.clone(),)+ }
            }
        }
    };
}

structs_with_settings_of_a_file! {
    /// Whether the file's present content is kept; kept by default.
    existing: Existing = Existing::Append;
    /// Whether a checkpoint is kept beside the file, so that every record is in it exactly once even when the writer
    /// is killed; kept by default. Without it the last batch may be written twice.
    checkpoint: bool = true;
    /// The mode of files that the writer makes. If `None`, that of the file before, or as the umask leaves it.
    mode: Option<Mode> = None;
    /// The owner of files that the writer makes. If `None`, that of the file before, or the writer's user.
    owner: Option<Owner> = None;
    /// The group of files that the writer makes. If `None`, that of the file before, or as the system decides.
    group: Option<Group> = None;
    /// When the file is synced, to survive a power cut; never by default.
    fsync: Fsync = Fsync::Never;
    /// When the file is closed and the next one begun; only on request by default.
    rotation: Rotation = Rotation::default();
}

impl Options {
    /// Checks that the options fit together, so that none of them is ignored silently.
    ///
    /// # Errors
    /// [`Error::Options`], which says what to change.
    pub fn check(&self) -> Result<(), Error> {
        let is_owned = self.mode.is_some() || self.owner.is_some() || self.group.is_some();
        if self.out == Out::Stdout && is_owned {
            return Err(Error::Options(
                "standard output gets no mode, owner or group; name a file with --out FILE".to_owned(),
            ));
        }
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
