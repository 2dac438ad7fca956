use proptest::prelude::*;

use super::*;

fn family(base: &str, naming: &str, every: Option<&str>) -> Family {
    family_in(base, naming, every, "utc")
}

fn family_in(base: &str, naming: &str, every: Option<&str>, zone: &str) -> Family {
    let rotation = Rotation {
        naming: naming.parse().unwrap(),
        every: every.map(|every| every.parse().unwrap()),
        zone: zone.parse().unwrap(),
        ..Rotation::default()
    };
    Family::new(OsStr::new(base), &rotation)
}

fn closing(now: &str, due: Option<&str>) -> Closing {
    Closing {
        file: Identity { dev: 1, ino: 2, born_ns: 3 },
        now: now.parse().unwrap(),
        due: due.map(|due| due.parse().unwrap()),
        number_at_least: 0,
        clock: WallClock::at(now.parse().unwrap()),
    }
}

/// The name that the next closed file gets where these are taken.
fn next(family: &Family, closing: &Closing, taken: &[&str]) -> String {
    let keys: Vec<FileKey> =
        taken.iter().filter_map(|name| family.parse(OsStr::new(name))).map(|m| m.key).collect();
    let key = family.next(closing, keys.iter());
    family.name(&Member { key, archive: None }).into_string().unwrap()
}

#[test]
fn a_stamp_from_the_future_gives_no_later_file_its_name() {
    let family = family("app.log", "time", None);
    let at = closing("2026-11-21T14:30:00Z", None);
    let taken = ["app-20300101T120000Z.log", "app-20261121T143001Z_004.log.gz", "app-20261121T142959Z.log"];
    assert_eq!(next(&family, &at, &taken), "app-20261121T143000Z.log");
}

#[test]
fn late_entries_give_no_younger_file_an_older_name() {
    let family = family("app.log", "time", None);
    let mut at = closing("2026-11-21T14:30:00Z", None);
    at.clock = WallClock::at("2026-11-21T15:00:00Z".parse().unwrap());
    let taken =
        ["app-20261121T150000Z.log.gz", "app-20261121T150000Z_004.log", "app-20261121T143000Z_009.log"];
    assert_eq!(next(&family, &at, &taken), "app-20261121T150000Z_005.log");
    assert_eq!(next(&family, &at, &taken[2..]), "app-20261121T143000Z_010.log");
    assert_eq!(next(&family, &at, &["app-20261121T142959Z_007.log"]), "app-20261121T143000Z.log");
}

#[test]
fn names_by_time_sort_by_age_and_are_never_taken() {
    let family = family("app.log", "time", None);
    let at = closing("2026-11-21T14:30:00.9Z", None);
    assert_eq!(next(&family, &at, &[]), "app-20261121T143000Z.log");
    let mut taken = vec![next(&family, &at, &[])];
    for _ in 0..3 {
        let known: Vec<&str> = taken.iter().map(String::as_str).collect();
        taken.push(next(&family, &at, &known));
    }
    assert_eq!(
        taken[1..],
        ["app-20261121T143000Z_001.log", "app-20261121T143000Z_002.log", "app-20261121T143000Z_003.log"]
    );
    assert!(taken.is_sorted());
    // The first may be gone or compressed already: its name stays taken.
    let left = ["app-20261121T143000Z_007.log.gz", "app-20261121T142959Z_009.log"];
    assert_eq!(next(&family, &at, &left), "app-20261121T143000Z_008.log");
}

#[test]
fn numbers_go_on_where_they_were() {
    let family = family("app.log", "number", None);
    let mut at = closing("2026-11-21T14:30:00Z", None);
    assert_eq!(next(&family, &at, &["app.log", "app.7.log", "other.000009.log"]), "app.000001.log");
    assert_eq!(
        next(&family, &at, &["app.000009.log.zst", "app.000010.log", "app.000002.log"]),
        "app.000011.log"
    );
    at.number_at_least = 1_000_000;
    assert_eq!(next(&family, &at, &["app.000009.log"]), "app.1000000.log");
}

#[test]
fn python_dates_a_file_by_the_start_of_its_interval() {
    let name = |every, zone, now, due| {
        next(&family_in("app.log", "python", Some(every), zone), &closing(now, Some(due)), &[])
    };
    let (now, due) = ("2026-11-21T14:30:05Z", "2026-11-21T14:30:03Z");
    assert_eq!(name("30s", "utc", now, due), "app.log.2026-11-21_14-29-33");
    assert_eq!(name("2min", "utc", now, due), "app.log.2026-11-21_14-28");
    assert_eq!(name("6h", "utc", now, due), "app.log.2026-11-21_08");
    assert_eq!(name("2d", "utc", now, due), "app.log.2026-11-19");
    assert_eq!(name("midnight", "utc", now, "2026-11-21T00:00:00Z"), "app.log.2026-11-20");
    assert_eq!(name("saturday", "utc", now, "2026-11-21T00:00:00Z"), "app.log.2026-11-14");
    // Midnight behind a day of 23 hours, and behind one of 25.
    assert_eq!(
        name("midnight", "Europe/Berlin", "2026-03-29T23:00:00Z", "2026-03-29T22:00:00Z"),
        "app.log.2026-03-29"
    );
    assert_eq!(
        name("midnight", "Europe/Berlin", "2026-10-26T01:00:00Z", "2026-10-25T23:00:00Z"),
        "app.log.2026-10-25"
    );
    let taken = next(
        &family("app.log", "python", Some("midnight")),
        &closing(now, Some(now)),
        &["app.log.2026-11-20.gz"],
    );
    assert_eq!(taken, "app.log.2026-11-20.1");
}

#[test]
fn an_extension_begins_at_the_last_dot() {
    let number = |base| next(&family(base, "number", None), &closing("2026-11-21T14:30:00Z", None), &[]);
    assert_eq!(number("app"), "app.000001");
    assert_eq!(number("app.tar.gz"), "app.tar.000001.gz");
    assert_eq!(
        [number(".app"), number("..app"), number("app.")],
        [".app.000001", "..app.000001", "app.000001."]
    );
    let family = family("app.gz", "number", None);
    let member = |name| family.parse(OsStr::new(name));
    assert_eq!(member("app.000001.gz"), Some(Member { key: FileKey::Number(1), archive: None }));
    assert_eq!(
        member("app.000001.gz.gz"),
        Some(Member { key: FileKey::Number(1), archive: Some(Compression::Gzip) })
    );
}

#[test]
fn names_need_not_be_text() {
    let base = OsStr::from_bytes(b"\xff\xfe.log");
    for (naming, every) in [("time", None), ("number", None), ("python", None), ("python", Some("1h"))] {
        let mut family = family("app.log", naming, every);
        family.base = base.as_bytes().to_owned();
        let at = closing("2026-11-21T14:30:00Z", None);
        let member = Member { key: family.next(&at, [].iter()), archive: Some(Compression::Zstd) };
        assert_eq!(family.parse(&family.name(&member)), Some(member), "{naming}");
        let temporary = family.temporary(at.file, Compression::Zstd);
        assert!(family.is_temporary(&temporary) && family.parse(&temporary).is_none());
    }
}

#[test]
fn names_similar_to_closed_files_are_refused() {
    let refuses = |naming, every, names: &[&str]| {
        let family = family("app.log", naming, every);
        for name in names {
            assert_eq!(family.parse(OsStr::new(name)), None, "{naming}: {name}");
        }
    };
    refuses(
        "number",
        None,
        &["app.log", "app.1.log", "app.0000001.log", "app..log", "app.00000x.log", "app.000001.log.xz"],
    );
    refuses(
        "number",
        None,
        &["app.+00001.log", "xapp.000001.log", "app.000001.txt", "app.99999999999999999999.log"],
    );
    refuses(
        "time",
        None,
        &[
            "app-.log",
            "app-20261121T143000Z_1.log",
            "app-20261121T143000Z_000.log",
            "app-20261121T143000.log",
        ],
    );
    refuses(
        "python",
        None,
        &["app.log", "app.log.0", "app.log.01", "app.log.x", "app.log.4294967296", "app.log.1.bak"],
    );
    refuses(
        "python",
        Some("midnight"),
        &["app.log.2026-11-21_14", "app.log.2026-11-2", "app.log.2026-11-21.0", "app.log.2026-11-21.old"],
    );
}

#[test]
fn only_temporary_names_are_recognised() {
    let family = family("app.log", "python", None);
    let file = Identity { dev: 0xfe01, ino: 77, born_ns: 0 };
    assert_eq!(family.temporary(file, Compression::Gzip), "app.log.fe01-4d-0.gz.tmp");
    assert!(family.is_temporary(OsStr::new("app.log.fe01-4d-0.gz.tmp")));
    for foreign in [
        "app.log.tmp",
        "app.log.gz.tmp",
        "app.log.1-2.gz.tmp",
        "app.log.1-2-3.tmp",
        "app.log.1--3.gz.tmp",
        "app.log.x-2-3.gz.tmp",
    ] {
        assert!(!family.is_temporary(OsStr::new(foreign)), "{foreign}");
    }
}

fn any_family() -> impl Strategy<Value = Family> {
    let base = prop_oneof!["[a-c.]{1,6}", Just("app.log".to_owned())];
    let every = prop_oneof![Just("30s"), Just("5min"), Just("1h"), Just("midnight")];
    let form = prop_oneof![
        Just(("time", false)),
        Just(("number", false)),
        Just(("python", false)),
        Just(("python", true))
    ];
    (base, form, every)
        .prop_map(|(base, (naming, timed), every)| family(&base, naming, timed.then_some(every)))
}

proptest! {
    #[test]
    fn a_generated_name_parses_to_its_member(
        family in any_family(),
        number in 1..2_000_000_u64,
        second in 0..4_000_000_000_i64,
        archive in 0..3_usize,
    ) {
        let stamp = |format: &str| Timestamp::from_second(second).unwrap().strftime(format).to_string();
        let key = match &family.form {
            Form::Number => FileKey::Number(number),
            Form::Slots => FileKey::Slot(Reverse(number as u32)),
            Form::Time => FileKey::Stamp(stamp(STAMP.0), number - 1),
            Form::Dates { format, .. } => FileKey::Stamp(stamp(format), number - 1),
        };
        let member = Member { key, archive: Compression::ALL.get(archive).copied() };
        let name = family.name(&member);
        prop_assert_ne!(name.as_os_str(), family.base());
        prop_assert_eq!(family.parse(&name), Some(member));
    }

    #[test]
    fn parsing_any_bytes_is_safe(family in any_family(), name in proptest::collection::vec(any::<u8>(), 0..40)) {
        let name = OsStr::from_bytes(&name);
        if let Some(member) = family.parse(name) {
            prop_assert_eq!(family.name(&member), name);
        }
        let _ = family.is_temporary(name);
    }
}
