use super::*;

fn schedule(every: &str, at: Option<&str>, zone: &str, naming: Naming) -> Schedule {
    let rotation = Rotation {
        every: Some(every.parse().unwrap()),
        at: at.map(|at| at.parse().unwrap()),
        zone: zone.parse().unwrap(),
        naming,
        ..Rotation::default()
    };
    assert_eq!(rotation.check(), Ok(()));
    Schedule::of(&rotation).unwrap()
}

/// The next `count` times, as the zone's clock shows them.
fn next(every: &str, at: Option<&str>, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(every, at, zone, Naming::Time);
    let mut after: Timestamp = after.parse().unwrap();
    let mut show = || {
        after = schedule.next(after).unwrap();
        after.to_zoned(schedule.zone.clone()).strftime("%a %m-%d %H:%M:%S%:z").to_string()
    };
    (0..count).map(|_| show()).collect()
}

#[test]
fn midnight_comes_once_on_days_of_23_and_25_hours() {
    assert_eq!(
        next("midnight", None, "Europe/Berlin", "2026-03-28T12:00:00Z", 3),
        ["Sun 03-29 00:00:00+01:00", "Mon 03-30 00:00:00+02:00", "Tue 03-31 00:00:00+02:00"]
    );
    assert_eq!(
        next("midnight", None, "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["Sun 10-25 00:00:00+02:00", "Mon 10-26 00:00:00+01:00"]
    );
    // Cuba's clocks jump over midnight, and come back to it.
    assert_eq!(
        next("midnight", None, "America/Havana", "2026-03-07T12:00:00Z", 1),
        ["Sun 03-08 01:00:00-04:00"]
    );
    assert_eq!(
        next("midnight", None, "America/Havana", "2026-10-31T12:00:00Z", 2),
        ["Sun 11-01 00:00:00-04:00", "Mon 11-02 00:00:00-05:00"]
    );
}

#[test]
fn a_skipped_or_repeated_time_of_day_counts_once() {
    let half_past_two = Some("02:30");
    assert_eq!(
        next("midnight", half_past_two, "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["Sun 03-29 03:00:00+02:00", "Mon 03-30 02:30:00+02:00"]
    );
    assert_eq!(
        next("sunday", half_past_two, "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["Sun 10-25 02:30:00+02:00", "Sun 11-01 02:30:00+01:00"]
    );
    // In St. John's the first Sunday of November 2009 began, was Saturday again, and began once more.
    assert_eq!(
        next("sunday", None, "America/St_Johns", "2009-11-01T02:00:00Z", 2),
        ["Sun 11-01 00:00:00-02:30", "Sun 11-08 00:00:00-03:30"]
    );
    assert_eq!(
        next("sunday", None, "America/St_Johns", "2009-11-01T03:00:00Z", 1),
        ["Sun 11-08 00:00:00-03:30"]
    );
    // Samoa left out 30 December 2011.
    assert_eq!(next("friday", None, "Pacific/Apia", "2011-12-28T12:00:00Z", 1), ["Sat 12-31 00:00:00+14:00"]);
}

#[test]
fn intervals_keep_to_the_clock() {
    assert_eq!(
        next("6h", None, "Europe/Berlin", "2026-03-28T22:59:59.999999999Z", 3),
        ["Sun 03-29 00:00:00+01:00", "Sun 03-29 06:00:00+02:00", "Sun 03-29 12:00:00+02:00"]
    );
    assert_eq!(
        next("1h", None, "Europe/Berlin", "2026-10-25T00:10:00Z", 2),
        ["Sun 10-25 02:00:00+01:00", "Sun 10-25 03:00:00+01:00"]
    );
    assert_eq!(next("1d", None, "America/Havana", "2026-03-07T12:00:00Z", 1), ["Sun 03-08 01:00:00-04:00"]);
    assert_eq!(next("30s", None, "Asia/Kathmandu", "2026-01-01T00:00:00Z", 1), ["Thu 01-01 05:45:30+05:45"]);
}

#[test]
fn pythons_intervals_count_from_the_start_of_the_file() {
    let schedule = schedule("6h", None, "Europe/Berlin", Naming::Python);
    let next = schedule.next("2026-03-28T21:07:08.9Z".parse().unwrap()).unwrap();
    assert_eq!(next.to_string(), "2026-03-29T03:07:08Z");
}

#[test]
fn a_schedule_ends_with_the_calendar() {
    for every in ["30s", "4294967295d", "midnight", "monday"] {
        assert_eq!(
            schedule(every, None, "Europe/Berlin", Naming::Time).next(Timestamp::MAX),
            None,
            "{every}"
        );
        assert_eq!(schedule(every, None, "utc", Naming::Python).next(Timestamp::MAX), None, "{every}");
    }
}
