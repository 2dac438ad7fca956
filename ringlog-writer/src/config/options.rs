//! What the writer is told: from where, to where, how.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ringlog::Level;

use crate::error::Error;
use crate::rotation::{Rotation, nearest, size_word, suggestion};

/// Where the lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Out {
    /// Standard output. Records count as persisted once the system has taken them.
    #[default]
    Stdout,
    /// A file, made if it is not there. Its directory has to exist.
    File(PathBuf),
}

/// The name on the command line: a path, or `-` for standard output.
impl From<PathBuf> for Out {
    fn from(path: PathBuf) -> Out {
        if path.as_os_str() == "-" { Out::Stdout } else { Out::File(path) }
    }
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Out::Stdout => f.write_str("standard output"),
            Out::File(path) => path.display().fmt(f),
        }
    }
}

/// What happens to what a file holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, new lines follow it.
    #[default]
    Append,
    /// It is discarded, once the ring is held.
    Truncate,
}

/// Enums whose values have a name on the command line.
macro_rules! named {
    ($type:ident, $what:literal, $($value:ident => $name:literal),+) => {
        impl $type {
            /// Every value, by its name.
            pub const NAMES: &[(&str, $type)] = &[$(($name, $type::$value)),+];
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(match self {
                    $($type::$value => $name),+
                })
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $crate::config::options::UnknownName;

            fn from_str(name: &str) -> Result<Self, $crate::config::options::UnknownName> {
                let known = Self::NAMES.iter().find(|(known, _)| *known == name);
                known.map(|(_, value)| *value).ok_or_else(|| $crate::config::options::UnknownName {
                    name: name.to_owned(),
                    what: $what,
                    known: Self::NAMES.iter().map(|(known, _)| *known).collect(),
                })
            }
        }
    };
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormatKind {
    /// For people: time, level, logger, process and thread, place, message.
    #[default]
    Text,
    /// One JSON object a line, every field with its own type.
    Json,
    /// The message's bytes and a newline, nothing else.
    Raw,
}

pub(crate) use named;

named!(Existing, "treatment of what is there", Append => "append", Truncate => "truncate");
named!(FormatKind, "format", Text => "text", Json => "json", Raw => "raw");

/// What becomes of a newline within a message or an error, in the text format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newlines {
    /// It becomes `\n`: a backslash and the letter. A record is always one line.
    #[default]
    Escape,
    /// The message goes on in the next line, four spaces in. Errors follow in lines of their own.
    Indent,
    /// It stays as it is. A message can then forge lines.
    Raw,
}

named!(Newlines, "policy for newlines", Escape => "escape", Indent => "indent", Raw => "raw");

/// When what was written is made to survive a power cut. A process that is killed, this one too, loses nothing
/// in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// When the system sees fit.
    #[default]
    Never,
    /// With a batch, if the last time is at least so long ago.
    Every(Duration),
    /// With every batch, before its space in the ring is given back.
    Batch,
    /// With every batch that holds a record of this level or above.
    Level(Level),
}

/// The interval of `interval`.
const FSYNC_INTERVAL: Duration = Duration::from_secs(1);

impl fmt::Display for Fsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fsync::Never => f.write_str("never"),
            Fsync::Every(interval) => f.write_str(&duration_word(*interval)),
            Fsync::Batch => f.write_str("batch"),
            Fsync::Level(level) => f.write_str(&level_word(*level)),
        }
    }
}

impl FromStr for Fsync {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "never" => return Ok(Fsync::Never),
            "interval" => return Ok(Fsync::Every(FSYNC_INTERVAL)),
            "batch" => return Ok(Fsync::Batch),
            _ => {}
        }
        parse_duration(name).map(Fsync::Every).or_else(|| name.parse().ok().map(Fsync::Level)).ok_or_else(
            || UnknownName {
                name: name.to_owned(),
                what: "policy for fsync",
                known: vec!["never", "interval", "batch", "a duration like 5s", "a level like error"],
            },
        )
    }
}

/// A length of time such as `10ms` or `1s 500ms`.
pub(crate) fn parse_duration(word: &str) -> Option<Duration> {
    word.parse::<jiff::SignedDuration>().ok()?.try_into().ok()
}

/// The same as a word that [`parse_duration`] reads.
pub(crate) fn duration_word(duration: Duration) -> String {
    match (duration.as_millis(), duration.subsec_nanos() % 1_000_000) {
        (ms, 0) => format!("{ms}ms"),
        (ms, ns) => format!("{ms}ms {ns}ns"),
    }
}

/// A level as a word that is read again: the names of levels between named ones are for people only.
pub(crate) fn level_word(level: Level) -> String {
    match level.name() {
        ("LEVEL", _) => level.number().to_string(),
        (name, 0) => name.to_owned(),
        _ => level.number().to_string(),
    }
}

/// A name that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no {what}; expected {}{}", known.join(", "), suggestion(nearest(name, known.iter().copied())))]
pub struct UnknownName {
    pub(crate) name: String,
    pub(crate) what: &'static str,
    pub(crate) known: Vec<&'static str>,
}

/// What the writer does; start with [`Options::new`] and change what you need.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The ring: a name, a path, or `.` for `$RINGLOG`.
    pub ring: String,
    /// Where the lines go; standard output by default.
    pub out: Out,
    /// What happens to what the file holds already; it stays by default.
    pub existing: Existing,
    /// How a line looks; text by default.
    pub format: FormatKind,
    /// What becomes of newlines in the text format; escaped by default.
    pub newlines: Newlines,
    /// Text lines have the record's id behind the time; not by default.
    pub ids: bool,
    /// End once every lane is closed and all is drained. A ring into which nobody has ever logged is
    /// waited for: its first producer may be starting just now.
    pub until_idle: bool,
    /// Keep a checkpoint beside a file: every record is then in it exactly once, also when the writer is killed. It
    /// is kept by default. Without it the last batch may come twice.
    pub checkpoint: bool,
    /// When a file is made to survive a power cut; never by default.
    pub fsync: Fsync,
    /// When a file is closed and another one begun; only when asked for by default.
    pub rotation: Rotation,
    /// How long a record waits for older ones of interrupted threads; the consumer's default if `None`.
    pub grace: Option<Duration>,
}

impl Options {
    /// Text to standard output until told to stop.
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
        }
    }

    /// Whether they go together: nothing that was asked for is left undone in silence.
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
        self.rotation.check().map_err(|contradiction| Error::Options(contradiction.to_string()))
    }

    /// The same as arguments of `ringlog-writer`, everything spelled out.
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
            args.push(format!("--grace={}", grace.as_millis()).into());
        }
        args.extend(["--".into(), OsString::from(&self.ring)]);
        args
    }
}

/// Everything that is not as by default.
fn rotation_args(rotation: &Rotation) -> Vec<OsString> {
    let plain = Rotation::default();
    let Rotation { size, every, at, zone, on_start, naming, keep, compression, on_full } = rotation;
    let mut args = Vec::new();
    let mut put = |option: &str, value: Option<String>| {
        args.extend(value.map(|value| format!("--{option}={value}").into()));
    };
    put("rotate-size", size.map(size_word));
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
    fn names_are_read_and_written() {
        for (name, kind) in FormatKind::NAMES {
            assert_eq!((kind.to_string().as_str(), name.parse()), (*name, Ok(*kind)));
        }
        for (name, newlines) in Newlines::NAMES {
            assert_eq!((newlines.to_string().as_str(), name.parse()), (*name, Ok(*newlines)));
        }
        let error = "xml".parse::<FormatKind>().unwrap_err().to_string();
        assert_eq!(error, "\"xml\" is no format; expected text, json, raw");
        let error = "jsn".parse::<FormatKind>().unwrap_err().to_string();
        assert_eq!(error, "\"jsn\" is no format; expected text, json, raw; did you mean \"json\"?");
        assert_eq!(format!("{:>5}", FormatKind::Raw), "  raw");
    }

    #[test]
    fn policies_for_fsync_are_written_as_they_are_read() {
        let words = ["never", "batch", "5000ms", "1ms 500000ns", "ERROR", "25", "3"];
        for word in words {
            assert_eq!(word.parse::<Fsync>().unwrap().to_string(), word);
        }
    }
}
