//! The next time of rotation, compared with a search through the local times of Python's zoneinfo.

use ringlog_writer::rotation::{Rotation, Schedule, Timestamp};

const CASES: usize = 2400;

#[test]
fn the_next_rotation_is_when_the_clock_first_shows_it() {
    let Some(mut python) = crate::python(include_str!("schedule.py"), "sys.version_info >= (3, 9)") else {
        return;
    };
    let output = python.args(["20261121", &CASES.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cases = String::from_utf8(output.stdout).unwrap();
    assert_eq!(cases.lines().count(), CASES);
    let mut zones = std::collections::BTreeSet::new();
    let mut wrong = Vec::new();
    for case in cases.lines() {
        let parts: Vec<&str> = case.split('|').collect();
        let [zone, every, at, after, expected] = parts[..] else { panic!("{case}") };
        let at = (!at.is_empty()).then(|| at.parse().unwrap());
        let rotation = Rotation {
            every: Some(every.parse().unwrap()),
            at,
            zone: zone.parse().unwrap(),
            ..Rotation::default()
        };
        let after = Timestamp::from_second(after.parse().unwrap()).unwrap();
        let next = Schedule::of(&rotation).unwrap().next(after).unwrap();
        if next != Timestamp::from_second(expected.parse().unwrap()).unwrap() {
            wrong.push(format!("{case}: found {}", next.as_second()));
        }
        zones.insert(zone);
    }
    println!("{CASES} next rotations in {} zones", zones.len());
    assert!(
        wrong.is_empty(),
        "{} of {CASES}, such as\n{}",
        wrong.len(),
        wrong[..wrong.len().min(9)].join("\n")
    );
}
