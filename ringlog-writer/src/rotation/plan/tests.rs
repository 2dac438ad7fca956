//! Plans on real files: their result, and that it is the same after any crash.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::rotation::{Directory, Timestamp, WallClock};

struct Scratch {
    dir: tempfile::TempDir,
    directory: Directory,
    rotation: Rotation,
    family: Family,
}

impl Scratch {
    /// A directory with these files; each holds its own name.
    fn new(naming: &str, every: Option<&str>, keep: &str, files: &[&str]) -> Scratch {
        let dir = tempfile::tempdir().unwrap();
        for name in files {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let every = every.map(|every| every.parse().unwrap());
        let (naming, keep) = (naming.parse().unwrap(), keep.parse().unwrap());
        let rotation = Rotation { naming, every, keep, ..Rotation::default() };
        let family = Family::new(OsStr::new("app.log"), &rotation);
        Scratch { directory: Directory::new(dir.path()), dir, rotation, family }
    }

    fn listing(&self) -> Vec<FileEntry> {
        self.directory.lock().list().unwrap()
    }

    fn plan(&self) -> Plan {
        let file = self.directory.lock().entry("app.log").unwrap().unwrap().file;
        let now = "2026-11-21T14:30:00Z".parse().unwrap();
        Plan::new(
            &self.family,
            &self.rotation,
            &self.listing(),
            &Closing { file, now, due: None, number_at_least: 1, clock: WallClock::at(now) },
        )
    }

    fn files(&self) -> BTreeMap<String, String> {
        let file = |entry: &FileEntry| {
            let text = fs::read_to_string(self.dir.path().join(&entry.name)).unwrap();
            (entry.name.to_str().unwrap().to_owned(), text)
        };
        self.listing().iter().map(file).collect()
    }

    /// The names and what is in them, with the file that begins after the rotation.
    fn rotate(&self) -> Vec<String> {
        self.plan().carry_out(&self.directory.lock()).unwrap();
        self.files().into_iter().map(|(name, text)| format!("{name}={text}")).collect()
    }
}

#[test]
fn shifting_makes_room_and_deletes_the_last_slot() {
    let files = ["app.log", "app.log.1", "app.log.2.gz", "app.log.3", "app.log.9", "app.log.bak"];
    let kept = Scratch::new("python", None, "3", &files).rotate();
    assert_eq!(
        kept,
        [
            "app.log.1=app.log",
            "app.log.2=app.log.1",
            "app.log.3.gz=app.log.2.gz",
            "app.log.9=app.log.9",
            "app.log.bak=app.log.bak"
        ]
    );
    // Nothing comes into the last slot.
    let kept = Scratch::new("python", None, "3", &["app.log", "app.log.1", "app.log.3"]).rotate();
    assert_eq!(kept, ["app.log.1=app.log", "app.log.2=app.log.1", "app.log.3=app.log.3"]);
    let kept = Scratch::new("python", None, "1", &["app.log", "app.log.1", "app.log.1.gz"]).rotate();
    assert_eq!(kept, ["app.log.1=app.log"]);
    // A file and its archive, between the archive's rename and the deletion of the original.
    let kept = Scratch::new("python", None, "2", &["app.log", "app.log.1", "app.log.1.gz"]).rotate();
    assert_eq!(kept, ["app.log.1=app.log", "app.log.2=app.log.1", "app.log.2.gz=app.log.1.gz"]);
}

#[test]
fn the_file_just_closed_counts_as_kept() {
    let kept =
        Scratch::new("number", None, "2", &["app.log", "app.000004.log", "app.000005.log.gz"]).rotate();
    assert_eq!(kept, ["app.000005.log.gz=app.000005.log.gz", "app.000006.log=app.log"]);
    let dates = ["app.log", "app.log.2026-11-19", "app.log.2026-11-18"];
    let kept = Scratch::new("python", Some("midnight"), "2", &dates).rotate();
    assert_eq!(kept, ["app.log.2026-11-19=app.log.2026-11-19", "app.log.2026-11-20=app.log"]);
    let kept = Scratch::new("time", None, "1", &["app.log", "app-20261121T143000Z.log"]).rotate();
    assert_eq!(kept, ["app-20261121T143000Z_001.log=app.log"]);
}

#[test]
fn foreign_files_in_the_way_are_not_changed() {
    let scratch = Scratch::new("number", None, "1", &["app.log"]);
    fs::create_dir(scratch.dir.path().join("app.000001.log")).unwrap();
    let plan = scratch.plan();
    assert_eq!(
        plan.imagine(&scratch.listing()).iter().filter(|entry| entry.name == "app.000002.log").count(),
        1
    );

    // It comes between the listing and the rename.
    fs::write(scratch.dir.path().join("app.000002.log"), "another's").unwrap();
    let refused = plan.carry_out(&scratch.directory.lock()).unwrap_err();
    assert!(matches!(refused, PlanError::Taken { .. }), "{refused}");
    fs::remove_dir(scratch.dir.path().join("app.000001.log")).unwrap();
    let kept = Scratch::rotate(&scratch);
    assert_eq!(kept, ["app.000003.log=app.log"]);
}

#[test]
fn another_file_under_the_same_name_is_left_alone() {
    let scratch = Scratch::new("python", None, "2", &["app.log", "app.log.1", "app.log.2"]);
    let plan = scratch.plan();
    for name in ["app.log", "app.log.2"] {
        fs::rename(scratch.dir.path().join(name), scratch.dir.path().join(format!("moved.{name}"))).unwrap();
        fs::write(scratch.dir.path().join(name), "another's").unwrap();
    }
    // The second slot is not free any more: nothing is overwritten.
    let refused = plan.carry_out(&scratch.directory.lock()).unwrap_err();
    assert!(matches!(refused, PlanError::Taken { .. }), "{refused}");
    let files = scratch.files();
    assert_eq!([&files["app.log"], &files["app.log.2"]], ["another's", "another's"]);
}

#[test]
fn a_moved_file_is_not_renamed() {
    for naming in ["number", "python"] {
        let scratch = Scratch::new(naming, None, "3", &["app.log", "app.log.1", "app.000001.log"]);
        let file = scratch.directory.lock().entry("app.log").unwrap().unwrap().file;
        let now = Timestamp::UNIX_EPOCH;
        let clock = WallClock::at(now);
        let closing = Closing { file, now, due: None, number_at_least: 1, clock };
        let plan = || Plan::new(&scratch.family, &scratch.rotation, &scratch.listing(), &closing);
        assert!(!plan().is_empty());
        fs::rename(scratch.dir.path().join("app.log"), scratch.dir.path().join("moved")).unwrap();
        assert!(plan().is_empty(), "{naming}");
        // Another file by the same name is not ours either.
        fs::write(scratch.dir.path().join("app.log"), "another's").unwrap();
        assert!(plan().is_empty(), "{naming}");
    }
}

/// What a crash leaves: the first steps are done, and perhaps the next file has begun.
fn crash_after(
    scratch: &Scratch,
    plan: &Plan,
    steps: usize,
    next_has_begun: bool,
) -> BTreeMap<String, String> {
    let done = Plan { steps: plan.steps[..steps].to_vec() };
    done.carry_out(&scratch.directory.lock()).unwrap();
    let base = scratch.dir.path().join("app.log");
    if next_has_begun && steps == plan.steps.len() {
        fs::write(&base, "next").unwrap();
    }
    let again = Plan::decode(&bytes(plan)).unwrap();
    again.carry_out(&scratch.directory.lock()).unwrap();
    scratch.files()
}

fn bytes(plan: &Plan) -> Vec<u8> {
    let mut bytes = Vec::new();
    plan.encode(&mut bytes);
    bytes
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    let all = [
        "app.log.1",
        "app.log.1.gz",
        "app.log.2",
        "app.log.2.zst",
        "app.log.3",
        "app.log.3.gz",
        "app.log.4",
        "app.log.2026-11-20",
        "app.log.2026-11-20.1",
        "app.log.2026-11-19.gz",
        "app.log.2026-11-19",
        "app.000001.log",
        "app.000002.log.gz",
        "app.000002.log",
        "app.000009.log",
        "app-20261121T143000Z.log",
        "app-20261121T143000Z_002.log.gz",
        "app-20251121T143000Z.log",
        "app.log.bak",
        "another.log",
    ];
    proptest::sample::subsequence(all.to_vec(), 0..=all.len())
}

fn ways() -> impl Strategy<Value = (&'static str, Option<&'static str>, &'static str)> {
    proptest::sample::select(vec![
        ("python", None, "1"),
        ("python", None, "2"),
        ("python", None, "3"),
        ("python", None, "5"),
        ("python", Some("midnight"), "2"),
        ("python", Some("midnight"), "all"),
        ("number", None, "1"),
        ("number", None, "60b"),
        ("time", None, "2"),
        ("time", None, "all"),
        ("time", None, "0"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_crash_between_any_two_steps_changes_nothing(files in names(), (naming, every, keep) in ways()) {
        let files = [&["app.log"], &files[..]].concat();
        let whole = Scratch::new(naming, every, keep, &files);
        let imagined: Vec<_> = whole.plan().imagine(&whole.listing()).into_iter().map(|entry| entry.name).collect();
        let steps = whole.plan().steps.len();
        whole.plan().carry_out(&whole.directory.lock()).unwrap();
        let expected = whole.files();
        let mut imagined: Vec<_> = imagined.iter().map(|name| name.to_str().unwrap()).collect();
        imagined.sort_unstable();
        prop_assert_eq!(&imagined, &expected.keys().map(String::as_str).collect::<Vec<_>>());
        prop_assert!(!expected.contains_key("app.log"));
        for foreign in ["app.log.bak", "another.log"].iter().filter(|name| files.contains(name)) {
            prop_assert!(expected.contains_key(*foreign));
        }

        for crash in 0..=steps {
            for next_has_begun in [false, true] {
                let scratch = Scratch::new(naming, every, keep, &files);
                let mut left = crash_after(&scratch, &scratch.plan(), crash, next_has_begun);
                let next = left.remove("app.log");
                prop_assert_eq!(next.as_deref(), (next_has_begun && crash == steps).then_some("next"));
                prop_assert_eq!(&left, &expected, "after {} of {} steps", crash, steps);
            }
        }
    }

    #[test]
    fn a_plan_decodes_from_its_bytes(
        steps in proptest::collection::vec((any::<bool>(), any::<[u64; 3]>(), "[^/\0]{3,60}", "[a-z]{1,9}"), 0..9),
    ) {
        let step = |(is_rename, [dev, ino, born_ns], name, to): (bool, [u64; 3], String, String)| {
            let file = Identity { dev, ino, born_ns };
            let name = OsString::from(name);
            let rename = |from| PlanStep::Rename { from, to: to.into(), file };
            if is_rename { rename(name) } else { PlanStep::Delete { name, file } }
        };
        let plan = Plan { steps: steps.into_iter().map(step).collect() };
        let bytes = bytes(&plan);
        prop_assert_eq!(Plan::decode(&bytes), Some(plan));
        for cut in 0..bytes.len() {
            prop_assert_eq!(Plan::decode(&bytes[..cut]), None);
        }
        prop_assert_eq!(Plan::decode(&[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn decoding_any_bytes_is_safe(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0..4_u8], 0..200)) {
        if let Some(plan) = Plan::decode(&bytes) {
            prop_assert_eq!(self::bytes(&plan), bytes);
        }
    }
}

#[test]
fn names_outside_the_directory_are_refused() {
    let file = Identity { dev: 1, ino: 2, born_ns: 3 };
    let good =
        bytes(&Plan { steps: vec![PlanStep::Rename { from: "app.log".into(), to: "ab".into(), file }] });
    assert!(Plan::decode(&good).is_some());
    for evil in [*b"..", *b"a/", *b"a\0"] {
        let mut bytes = good.clone();
        let at = bytes.len() - 2;
        bytes[at..].copy_from_slice(&evil);
        assert_eq!(Plan::decode(&bytes), None, "{evil:?}");
    }
    for name in ["", ".", "..", "a/b", "/etc/passwd", "a\0"] {
        let plan = Plan { steps: vec![PlanStep::Delete { name: name.into(), file }] };
        assert_eq!(Plan::decode(&bytes(&plan)), Some(Plan::default()), "{name:?}");
    }
}

#[test]
fn the_size_of_a_decoded_plan_is_bounded() {
    let file = Identity { dev: 1, ino: 2, born_ns: 3 };
    let plan = Plan { steps: vec![PlanStep::Delete { name: "a".into(), file }; Plan::MAX_STEPS + 1] };
    let mut bytes = bytes(&plan);
    assert_eq!(Plan::decode(&bytes).unwrap().steps().len(), Plan::MAX_STEPS);
    // One step more, which is whole.
    bytes.extend_from_within(2..2 + (bytes.len() - 2) / Plan::MAX_STEPS);
    bytes[..2].copy_from_slice(&(Plan::MAX_STEPS as u16 + 1).to_le_bytes());
    assert_eq!(Plan::decode(&bytes), None);
}
