//! The names of closed files.

use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::every::Every;
use super::files::Identity;
use super::policy::{Compression, Naming, Rotation};
use super::units::Unit;
use super::wall_clock::WallClock;

/// What distinguishes the closed files of a log file. Older files are less than younger ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKey {
    /// `app.000123.log`.
    Number(u64),
    /// `app.log.3`: the third youngest.
    Slot(Reverse<u32>),
    /// `app-20261121T143000Z.log` or `app.log.2026-11-21`, and a number if that name was taken. The former is never
    /// less than that of an existing file, unless that one has a stamp from the future.
    Stamp(String, u64),
}

/// A closed file, as its name describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which closed file it is.
    pub key: FileKey,
    /// Its compression, if it is compressed.
    pub archive: Option<Compression>,
}

/// The names that belong to one log file.
#[derive(Clone, Debug)]
pub struct Family {
    base: Vec<u8>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Time,
    Number,
    Slots,
    /// The start of an interval, in the precision that Python uses.
    Dates {
        format: &'static str,
        pattern: &'static [u8],
        covers: u64,
        zone: TimeZone,
    },
}

/// `20261121T143000Z`; a `d` stands for a digit.
const STAMP: (&str, &[u8]) = ("%Y%m%dT%H%M%SZ", b"ddddddddTddddddZ");

/// A date format, and what it looks like.
type DateFormat = (&'static str, &'static [u8]);

const SECONDS: DateFormat = ("%Y-%m-%d_%H-%M-%S", b"dddd-dd-dd_dd-dd-dd");
const MINUTES: DateFormat = ("%Y-%m-%d_%H-%M", b"dddd-dd-dd_dd-dd");
const HOURS: DateFormat = ("%Y-%m-%d_%H", b"dddd-dd-dd_dd");
const DAYS: DateFormat = ("%Y-%m-%d", b"dddd-dd-dd");

/// The date format that Python's handlers use for an interval.
fn dates(every: Every) -> DateFormat {
    match every {
        Every::Interval { unit: Unit::Second, .. } => SECONDS,
        Every::Interval { unit: Unit::Minute, .. } => MINUTES,
        Every::Interval { unit: Unit::Hour, .. } => HOURS,
        Every::Interval { unit: Unit::Day, .. } | Every::Midnight | Every::Weekday(_) => DAYS,
    }
}

impl Family {
    /// The names that belong to the log file `base`.
    pub fn new(base: &OsStr, rotation: &Rotation) -> Family {
        let form = match (rotation.naming, rotation.every) {
            (Naming::Time, _) => Form::Time,
            (Naming::Number, _) => Form::Number,
            (Naming::Python, None) => Form::Slots,
            (Naming::Python, Some(every)) => {
                let (format, pattern) = dates(every);
                Form::Dates { format, pattern, covers: every.seconds(), zone: rotation.zone.zone().clone() }
            }
        };
        Family { base: base.as_bytes().to_owned(), form }
    }

    /// The name of the open file.
    pub fn base(&self) -> &OsStr {
        OsStr::from_bytes(&self.base)
    }

    /// The base without its extension, and the extension: `app` and `.log`. Leading dots do not begin an extension.
    fn parts(&self) -> (&[u8], &[u8]) {
        let hidden = self.base.iter().take_while(|byte| **byte == b'.').count();
        let point = self.base.iter().rposition(|byte| *byte == b'.').filter(|point| *point > hidden);
        self.base.split_at(point.unwrap_or(self.base.len()))
    }

    /// The name of a closed file.
    pub fn name(&self, member: &Member) -> OsString {
        let (stem, extension) = self.parts();
        let archive = member.archive.map_or("", Compression::suffix);
        let name = match (&member.key, &self.form) {
            (FileKey::Slot(Reverse(slot)), _) => [&self.base, format!(".{slot}").as_bytes()].concat(),
            (FileKey::Number(number), _) => [stem, format!(".{number:06}").as_bytes(), extension].concat(),
            (FileKey::Stamp(stamp, taken), Form::Dates { .. }) => {
                let taken = if *taken == 0 { String::new() } else { format!(".{taken}") };
                [&self.base, format!(".{stamp}{taken}").as_bytes()].concat()
            }
            (FileKey::Stamp(stamp, taken), _) => {
                // An underscore sorts after the dot of the extension.
                let taken = if *taken == 0 { String::new() } else { format!("_{taken:03}") };
                [stem, format!("-{stamp}{taken}").as_bytes(), extension].concat()
            }
        };
        OsString::from_vec([&name, archive.as_bytes()].concat())
    }

    /// Parses the name of a closed file; `None` for any other name.
    pub fn parse(&self, name: &OsStr) -> Option<Member> {
        let name = name.as_bytes();
        let mut archives = Compression::ALL.into_iter();
        let archive = archives.find(|archive| name.ends_with(archive.suffix().as_bytes()));
        let plain = &name[..name.len() - archive.map_or(0, |archive| archive.suffix().len())];
        // The log file itself may be named app.gz.
        let member = |plain, archive| self.key(plain).map(|key| Member { key, archive });
        let found = member(plain, archive).or_else(|| member(name, None))?;
        // A closed file has exactly one name: app.7.log is not app.000007.log.
        (self.name(&found).as_bytes() == name).then_some(found)
    }

    /// Whether the name is that of a closed file of this log file by another naming. No limit counts such a file.
    pub(crate) fn is_of_another_naming(&self, name: &OsStr) -> bool {
        let dates = [SECONDS, MINUTES, HOURS, DAYS].map(|(format, pattern)| Form::Dates {
            format,
            pattern,
            covers: 0,
            zone: TimeZone::UTC,
        });
        let mut forms = [Form::Time, Form::Number, Form::Slots].into_iter().chain(dates);
        let is_of = |form| Family { base: self.base.clone(), form }.parse(name).is_some();
        self.parse(name).is_none() && forms.any(is_of)
    }

    fn key(&self, name: &[u8]) -> Option<FileKey> {
        let (stem, extension) = self.parts();
        let between = |from: &[u8]| name.strip_prefix(stem)?.strip_prefix(from)?.strip_suffix(extension);
        let behind = || name.strip_prefix(self.base.as_slice())?.strip_prefix(b".");
        match &self.form {
            Form::Number => number(between(b".")?).map(FileKey::Number),
            Form::Slots => {
                let slot =
                    number(behind()?).and_then(|slot| u32::try_from(slot).ok()).filter(|slot| *slot > 0)?;
                Some(FileKey::Slot(Reverse(slot)))
            }
            Form::Time => stamp(between(b"-")?, STAMP.1, b'_'),
            Form::Dates { pattern, .. } => stamp(behind()?, pattern, b'.'),
        }
    }

    /// The key of the next closed file, given the existing ones. With shifting names always the first.
    pub(super) fn next<'a>(
        &self,
        closing: &Closing,
        taken: impl Iterator<Item = &'a FileKey> + Clone,
    ) -> FileKey {
        let stamp = match &self.form {
            Form::Slots => return FileKey::Slot(Reverse(1)),
            Form::Number => {
                let last = taken
                    .filter_map(|key| if let FileKey::Number(last) = key { Some(*last) } else { None })
                    .max();
                return FileKey::Number(
                    last.map_or(1, |last| last.saturating_add(1)).max(closing.number_at_least),
                );
            }
            Form::Time => {
                let now = closing.now.strftime(STAMP.0).to_string();
                // Old entries may come late: the youngest file must not be the oldest by its name. A stamp from the
                // future does not count, because the clock was ahead when that file was closed.
                let stamps = taken
                    .clone()
                    .filter(|key| !self.is_from_future(key, closing.clock.now))
                    .filter_map(|key| if let FileKey::Stamp(stamp, _) = key { Some(stamp) } else { None });
                stamps.max().filter(|last| **last > now).cloned().unwrap_or(now)
            }
            Form::Dates { format, covers, zone, .. } => covered(closing, *covers, zone, format),
        };
        let same = taken.filter_map(|key| {
            if let FileKey::Stamp(of, number) = key { (*of == stamp).then_some(*number) } else { None }
        });
        let next = same.max().map_or(0, |last| last.saturating_add(1));
        FileKey::Stamp(stamp, next)
    }

    /// The stamp of this time, if the names have stamps.
    fn stamp_of(&self, at: Timestamp) -> Option<String> {
        match &self.form {
            Form::Time => Some(at.strftime(STAMP.0).to_string()),
            Form::Dates { format, zone, .. } => Some(at.to_zoned(zone.clone()).strftime(format).to_string()),
            Form::Number | Form::Slots => None,
        }
    }

    /// Whether the stamp of a closed file lies in the future: the clock was ahead when it was closed.
    pub(crate) fn is_from_future(&self, key: &FileKey, now: Timestamp) -> bool {
        matches!(key, FileKey::Stamp(stamp, _) if self.stamp_of(now).is_some_and(|now| *stamp > now))
    }

    /// The place of a closed file among the others, by age. One with a stamp from the future is older than all that
    /// were closed since the clock was set back.
    pub(super) fn place(&self, key: FileKey, clock: &WallClock) -> (FileKey, bool, FileKey) {
        let set_back = clock.set_back.unwrap_or(clock.now);
        match self.stamp_of(set_back).filter(|_| self.is_from_future(&key, clock.now)) {
            Some(stamp) => (FileKey::Stamp(stamp, 0), false, key),
            None => (key.clone(), true, key),
        }
    }

    /// The name under which a file is compressed. It depends on the file's identity, because its name may be shifted
    /// meanwhile.
    pub(super) fn temporary(&self, file: Identity, compression: Compression) -> OsString {
        let tail = format!(".{:x}-{:x}-{:x}{}.tmp", file.dev, file.ino, file.born_ns, compression.suffix());
        OsString::from_vec([&self.base, tail.as_bytes()].concat())
    }

    /// Whether the name is that of a temporary file of the compressor.
    pub(super) fn is_temporary(&self, name: &OsStr) -> bool {
        let tail = || {
            let tail = name
                .as_bytes()
                .strip_prefix(self.base.as_slice())?
                .strip_prefix(b".")?
                .strip_suffix(b".tmp")?;
            Compression::ALL.iter().find_map(|archive| tail.strip_suffix(archive.suffix().as_bytes()))
        };
        tail().is_some_and(|file| {
            let numbers = file.split(|byte| *byte == b'-');
            numbers.clone().count() == 3
                && numbers.into_iter().all(|hex| !hex.is_empty() && hex.iter().all(u8::is_ascii_hexdigit))
        })
    }
}

/// The parameters of closing a file.
#[derive(Clone, Debug)]
pub struct Closing {
    /// The open file.
    pub file: Identity,
    /// The time of the first entry of the next file.
    pub now: Timestamp,
    /// The end of its interval, if there is a schedule.
    pub due: Option<Timestamp>,
    /// The lowest number that the closed file may get, even if older files were deleted.
    pub number_at_least: u64,
    /// The present time.
    pub clock: WallClock,
}

/// The start of the interval that a file covers, as Python computes it: one interval before its end, and an hour more
/// or less if summer time began or ended in between.
fn covered(closing: &Closing, covers: u64, zone: &TimeZone, format: &str) -> String {
    let covers = i64::try_from(covers).unwrap_or(i64::MAX);
    let due = closing.due.unwrap_or(closing.now).as_second();
    let at = |second| Timestamp::from_second(second).unwrap_or(closing.now);
    let is_summer = |at| zone.to_offset_info(at).dst().is_dst();
    let start = due.saturating_sub(covers);
    let shift = match (is_summer(closing.now), is_summer(at(start))) {
        (true, false) => 3600,
        (false, true) => -3600,
        _ => 0,
    };
    at(start.saturating_add(shift)).to_zoned(zone.clone()).strftime(format).to_string()
}

/// Parses a number of ASCII digits.
fn number(digits: &[u8]) -> Option<u64> {
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    are_digits.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// Parses a stamp of this pattern, and the number if one follows.
fn stamp(text: &[u8], pattern: &[u8], separator: u8) -> Option<FileKey> {
    let (stamp, rest) = text.split_at_checked(pattern.len())?;
    let fits = stamp.iter().zip(pattern).all(|(byte, expected)| match expected {
        b'd' => byte.is_ascii_digit(),
        _ => byte == expected,
    });
    let taken = if rest.is_empty() { Some(0) } else { number(rest.strip_prefix(&[separator])?) };
    let stamp = std::str::from_utf8(stamp).ok()?.to_owned();
    taken.filter(|_| fits).map(|taken| FileKey::Stamp(stamp, taken))
}

#[cfg(test)]
mod tests;
