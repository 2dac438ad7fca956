//! Retention: which closed files are deleted.

use std::collections::BTreeMap;

use super::files::{FileEntry, Identity};
use super::names::{Family, FileKey};
use super::policy::Rotation;
use super::step::PlanStep;
use super::total::ClosedFile;
use super::wall_clock::WallClock;

/// The closed files by [`Family::place`], oldest first. A file and its archive, which exist together while it is
/// compressed, are one.
pub(super) fn closed<'a>(
    family: &Family,
    listing: &'a [FileEntry],
    open: Option<Identity>,
    clock: &WallClock,
) -> BTreeMap<(FileKey, bool, FileKey), Vec<&'a FileEntry>> {
    let mut closed: BTreeMap<_, Vec<&FileEntry>> = BTreeMap::new();
    for entry in listing.iter().filter(|entry| entry.is_regular && Some(entry.file) != open) {
        if let Some(member) = family.parse(&entry.name) {
            closed.entry(family.place(member.key, clock)).or_default().push(entry);
        }
    }
    closed
}

/// The steps that delete files beyond a limit, oldest first.
///
/// The number of files with shifting names is limited by the shift alone, as in Python's handler. A file from the
/// future is not old, and while the clock is not trusted none is.
pub(super) fn steps(
    family: &Family,
    rotation: &Rotation,
    listing: &[FileEntry],
    open: Option<Identity>,
    clock: &WallClock,
) -> Vec<PlanStep> {
    let now_s = clock.now.as_second();
    let keep = rotation.keep;
    let count = keep.count.filter(|_| !rotation.shifts()).map_or(usize::MAX, |count| count as usize);
    let age_s = keep
        .age
        .filter(|_| clock.is_trusted)
        .map_or(i64::MAX, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    let mut bytes = 0_u64;
    let mut too_many = Vec::new();
    for (younger, files) in closed(family, listing, open, clock).into_values().rev().enumerate() {
        bytes = files.iter().fold(bytes, |bytes, file| bytes.saturating_add(file.len));
        let written_s = files.iter().map(|file| file.modified_s).max().unwrap_or(now_s);
        let is_old = now_s.saturating_sub(written_s) > age_s;
        if younger >= count || is_old || keep.bytes.is_some_and(|max| bytes > max) {
            too_many.push(files);
        }
    }
    too_many.into_iter().rev().flatten().map(PlanStep::delete).collect()
}

/// The steps that delete the oldest closed files: the oldest one, and further ones until they have so many bytes.
pub(super) fn oldest(
    family: &Family,
    listing: &[FileEntry],
    open: Option<Identity>,
    clock: &WallClock,
    bytes: u64,
) -> Vec<PlanStep> {
    let (mut steps, mut found) = (Vec::new(), 0_u64);
    for files in closed(family, listing, open, clock).into_values() {
        if !steps.is_empty() && found >= bytes {
            break;
        }
        found = files.iter().fold(found, |found, file| found.saturating_add(file.len));
        steps.extend(files.into_iter().map(PlanStep::delete));
    }
    steps
}

/// The closed files, oldest first, for the limit of all handlers.
pub(crate) fn closed_files(
    family: &Family,
    listing: &[FileEntry],
    open: Identity,
    clock: &WallClock,
) -> Vec<ClosedFile> {
    let files = closed(family, listing, Some(open), clock).into_values();
    let one = |files: Vec<&FileEntry>| ClosedFile {
        modified_s: files.iter().map(|file| file.modified_s).max().unwrap_or_default(),
        len: files.iter().map(|file| file.len).max().unwrap_or_default(),
        files: files.into_iter().cloned().collect(),
    };
    files.map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::rotation::Timestamp;
    use crate::rotation::policy::Keep;

    const DAY: i64 = 86_400;

    fn at(day: i64) -> WallClock {
        WallClock::at(Timestamp::from_second(day * DAY).unwrap())
    }

    /// Files with their lengths and days of last writing; the inode is the place in the list.
    fn listing(files: &[(&str, u64, i64)]) -> Vec<FileEntry> {
        let entry = |(ino, (name, len, day)): (usize, &(&str, u64, i64))| FileEntry {
            name: (*name).into(),
            file: Identity { dev: 1, ino: ino as u64, born_ns: 0 },
            len: *len,
            modified_s: day * DAY,
            is_regular: !name.ends_with('/'),
        };
        files.iter().enumerate().map(entry).collect()
    }

    fn names(steps: Vec<PlanStep>) -> Vec<String> {
        let name = |step| match step {
            PlanStep::Delete { name, .. } => name.into_string().unwrap(),
            PlanStep::Rename { .. } => panic!("a rename"),
        };
        steps.into_iter().map(name).collect()
    }

    fn numbered(keep: Keep) -> (Family, Rotation) {
        let rotation = Rotation { naming: "number".parse().unwrap(), keep, ..Rotation::default() };
        (Family::new(OsStr::new("app.log"), &rotation), rotation)
    }

    const FILES: &[(&str, u64, i64)] = &[
        ("app.log", 1000, 10),
        ("app.000003.log", 10, 9),
        ("app.000001.log.gz", 5, 1),
        ("app.000002.log", 10, 5),
        ("app.000002.log.gz", 5, 5),
        ("app.log.1", 10, 0),
        ("app.000001.log.gz.tmp", 10, 0),
        ("app.1.log", 10, 0),
        ("other.000001.log", 10, 0),
    ];

    #[test]
    fn files_beyond_any_limit_are_deleted() {
        let second = ["app.000002.log", "app.000002.log.gz"];
        let until_second = ["app.000001.log.gz", "app.000002.log", "app.000002.log.gz"];
        let all = [&until_second[..], &["app.000003.log"]].concat();
        let cases: [(&str, &[&str]); 13] = [
            ("all", &[]),
            ("3", &[]),
            ("2", &until_second[..1]),
            ("1", &until_second),
            ("0", &all),
            ("9d", &[]),
            ("8d", &until_second[..1]),
            ("4d", &until_second),
            ("0s", &all),
            ("30b", &[]),
            ("29b", &until_second[..1]),
            ("24b", &until_second),
            ("2,4d,30b", &until_second),
        ];
        for (keep, expected) in cases {
            let (family, rotation) = numbered(keep.parse().unwrap());
            assert_eq!(names(steps(&family, &rotation, &listing(FILES), None, &at(10))), expected, "{keep}");
        }
        // The age is that of the file, not of its name.
        let mut files = listing(FILES);
        files[2].modified_s = 10 * DAY;
        let (family, rotation) = numbered("4d".parse().unwrap());
        assert_eq!(names(steps(&family, &rotation, &files, None, &at(10))), second);
    }

    #[test]
    fn the_open_file_is_never_deleted_under_any_name() {
        let (family, rotation) = numbered("0".parse().unwrap());
        let files = listing(FILES);
        let deleted = names(steps(&family, &rotation, &files, Some(files[1].file), &at(0)));
        assert_eq!(deleted, ["app.000001.log.gz", "app.000002.log", "app.000002.log.gz"]);
    }

    #[test]
    fn only_regular_files_are_deleted() {
        let (family, rotation) = numbered("0".parse().unwrap());
        let mut files = listing(&FILES[1..2]);
        files[0].is_regular = false;
        assert_eq!(names(steps(&family, &rotation, &files, None, &at(0))), [""; 0]);
        assert_eq!(names(oldest(&family, &files, None, &at(0), 1)), [""; 0]);
    }

    #[test]
    fn the_oldest_goes_first() {
        let (family, _) = numbered(Keep::default());
        let files = listing(FILES);
        assert_eq!(names(oldest(&family, &files, None, &at(0), 1)), ["app.000001.log.gz"]);
        assert_eq!(
            names(oldest(&family, &files[3..], None, &at(0), 1)),
            ["app.000002.log", "app.000002.log.gz"]
        );
        assert_eq!(names(oldest(&family, &files[5..], None, &at(0), 1)), [""; 0]);
    }

    #[test]
    fn the_oldest_go_until_they_have_so_many_bytes() {
        let (family, _) = numbered(Keep::default());
        let files = listing(FILES);
        let all = ["app.000001.log.gz", "app.000002.log", "app.000002.log.gz", "app.000003.log"];
        for (bytes, count) in [(0, 1), (5, 1), (6, 3), (20, 3), (21, 4), (u64::MAX, 4)] {
            assert_eq!(names(oldest(&family, &files, None, &at(0), bytes)), all[..count], "{bytes}");
        }
        let open = Some(files[1].file);
        assert_eq!(names(oldest(&family, &files, open, &at(0), u64::MAX)), all[..3], "never the open one");
    }

    #[test]
    fn a_file_and_its_archive_are_one_closed_file() {
        let (family, _) = numbered(Keep::default());
        let files = listing(FILES);
        let closed = closed_files(&family, &files, files[0].file, &at(0));
        let found: Vec<_> =
            closed.iter().map(|closed| (closed.modified_s / DAY, closed.len, closed.files.len())).collect();
        assert_eq!(found, [(1, 5, 1), (5, 10, 2), (9, 10, 1)], "only the longer one of both stays");
    }

    #[test]
    fn shifted_names_are_limited_by_age_and_size_only() {
        let rotation = Rotation {
            naming: "python".parse().unwrap(),
            keep: "1,10b".parse().unwrap(),
            ..Rotation::default()
        };
        let family = Family::new(OsStr::new("app.log"), &rotation);
        let files = listing(&[("app.log.1", 4, 0), ("app.log.10", 4, 0), ("app.log.9", 4, 0)]);
        assert_eq!(names(steps(&family, &rotation, &files, None, &at(0))), ["app.log.10"]);
    }

    #[test]
    fn no_file_is_old_while_the_clock_is_not_trusted() {
        let clock = WallClock { is_trusted: false, ..at(1000) };
        let deleted = |keep: &str| {
            let (family, rotation) = numbered(keep.parse().unwrap());
            names(steps(&family, &rotation, &listing(FILES), None, &clock))
        };
        assert_eq!(deleted("0s"), [""; 0]);
        // The other limits go on.
        assert_eq!(deleted("2,0s"), ["app.000001.log.gz"]);
        assert_eq!(deleted("0s,29b"), ["app.000001.log.gz"]);
    }

    #[test]
    fn files_from_the_future_are_not_old_and_make_no_others_old() {
        let (family, rotation) = numbered("5d".parse().unwrap());
        let files =
            listing(&[("app.000001.log", 1, 4), ("app.000002.log", 1, 3000), ("app.000003.log", 1, 9)]);
        assert_eq!(names(steps(&family, &rotation, &files, None, &at(10))), ["app.000001.log"]);
    }

    #[test]
    fn files_from_the_future_lie_where_the_clock_was_set_back() {
        let on = |day: i64| {
            let stamp = Timestamp::from_second(day * DAY).unwrap();
            format!("app-{}.log", stamp.strftime("%Y%m%dT%H%M%SZ"))
        };
        // Closed on days 1 and 2, while the clock was ahead, and on days 3 and 4.
        let [first, second, ahead, more, third, fourth] =
            [on(1), on(2), on(3000), on(3001), on(3), on(4)].map(String::leak).map(|name| &*name);
        let all = [(first, 1), (second, 2), (ahead, 3000), (more, 3001), (third, 3), (fourth, 4)];
        let files = listing(&all.map(|(name, day)| (name, 10, day)));
        let deleted = |keep: &str, set_back| {
            let rotation = Rotation { keep: keep.parse().unwrap(), ..Rotation::default() };
            let family = Family::new(OsStr::new("app.log"), &rotation);
            let clock = WallClock { set_back, ..at(5) };
            names(steps(&family, &rotation, &files, None, &clock))
        };
        let set_back = Some(Timestamp::from_second(5 * DAY / 2).unwrap());
        for (count, expected) in [(5, 1), (4, 2), (3, 3), (2, 4), (1, 5)] {
            assert_eq!(
                deleted(&count.to_string(), set_back),
                all[..expected].iter().map(|(name, _)| *name).collect::<Vec<_>>()
            );
        }
        assert_eq!(deleted("29b", set_back), all[..4].iter().map(|(name, _)| *name).collect::<Vec<_>>());
        // As long as it is not known when, they count as closed just now.
        assert_eq!(deleted("2", None), [first, second, third, fourth]);
    }
}
