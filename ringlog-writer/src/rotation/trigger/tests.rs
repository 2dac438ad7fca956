use super::*;
use crate::rotation::Naming;

const S: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * S;

fn trigger(size: Option<u64>, every: Option<&str>, naming: Naming, since_s: u64) -> Trigger {
    let every = every.map(|every| every.parse().unwrap());
    Trigger::new(&Rotation { size, every, naming, ..Rotation::default() }, since_s * S)
}

fn ns(at: &str) -> u64 {
    u64::try_from(at.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap()
}

impl Trigger {
    /// For an entry of the present time.
    fn at(&mut self, len: u64, entry_len: u64, now_ns: u64) -> Option<Cause> {
        self.before(len, entry_len, now_ns, || now_ns)
    }

    fn due_s(&self) -> Option<i64> {
        self.due().map(Timestamp::as_second)
    }
}

#[test]
fn a_file_exceeds_its_size_only_by_a_single_large_entry() {
    let mut trigger = trigger(Some(100), None, Naming::Time, 0);
    assert_eq!(trigger.at(90, 9, 0), None);
    assert_eq!(trigger.at(90, 10, 0), Some(Cause::Size));
    assert_eq!(trigger.at(1, u64::MAX, 0), Some(Cause::Size));
    assert_eq!(trigger.at(0, 1000, 0), None);
    assert_eq!(trigger.due(), None);
}

#[test]
fn without_a_limit_nothing_is_closed() {
    let mut trigger = trigger(None, None, Naming::Python, 0);
    assert_eq!(trigger.at(u64::MAX, u64::MAX, u64::MAX - 1), None);
}

#[test]
fn a_file_is_closed_when_its_interval_is_over() {
    let mut trigger = trigger(None, Some("1h"), Naming::Time, 3599);
    assert_eq!(trigger.at(1, 1, 3600 * S - 1), None);
    assert_eq!(trigger.at(1, 1, 3600 * S), Some(Cause::Time));
    trigger.begin(3600 * S);
    assert_eq!(trigger.at(1, 1, 3600 * S), None);
    assert_eq!(trigger.due_s(), Some(7200));
    // An empty file gets the next hour's entries.
    assert_eq!(trigger.at(0, 1, 7300 * S), None);
    assert_eq!(trigger.due_s(), Some(10_800));
}

#[test]
fn an_empty_file_is_closed_by_no_cause_and_no_naming() {
    for naming in [Naming::Python, Naming::Time, Naming::Number] {
        assert_eq!(trigger(Some(5), None, naming, 0).at(0, 5, 0), None);
        let mut timed = trigger(None, Some("1h"), naming, 60);
        assert_eq!(timed.at(0, 1, 3660 * S), None);
        // The interval of the record that comes late counts from that record.
        assert_eq!(timed.since_ns(), 3660 * S);
        assert_eq!(timed.at(1, 1, 3661 * S), None);
    }
    assert!(!Trigger::may_close(0) && Trigger::may_close(1));
}

#[test]
fn an_interval_counts_from_the_files_first_entry() {
    let mut trigger = trigger(None, Some("1h"), Naming::Python, 1000);
    assert_eq!(trigger.at(0, 1, 2000 * S), None);
    assert_eq!((trigger.since_ns(), trigger.due_s()), (2000 * S, Some(5600)));
    // Asked again for the same entry, as when a batch is made and when it is written.
    assert_eq!(trigger.at(0, 1, 2000 * S), None);
    assert_eq!(trigger.at(1, 1, 5600 * S - 1), None);
    assert_eq!(trigger.at(1, 1, 5600 * S), Some(Cause::Time));
}

#[test]
fn a_clock_that_was_ahead_stops_no_rotation() {
    let ahead = ns("2030-01-01T12:00:00Z");
    for (every, naming, due) in [
        ("midnight", Naming::Python, "2026-11-30T00:00:00Z"),
        ("midnight", Naming::Time, "2026-11-30T00:00:00Z"),
        ("tuesday", Naming::Number, "2026-12-01T00:00:00Z"),
        ("6h", Naming::Time, "2026-11-29T18:00:00Z"),
        ("6h", Naming::Python, "2026-11-29T18:05:00Z"),
    ] {
        let mut trigger = trigger(None, Some(every), naming, 0);
        trigger.begin(ahead);
        // An entry of the time when the clock was ahead, and one of the present.
        let now = ns("2026-11-29T12:05:00Z");
        assert_eq!(trigger.before(1, 1, ahead + DAY * 8, || now), None, "{every}");
        assert_eq!(trigger.before(1, 1, now, || now), None, "{every}");
        assert_eq!(trigger.due(), Some(due.parse().unwrap()), "{every}");
        assert_eq!(trigger.at(1, 1, ns(due)), Some(Cause::Time), "{every}");
    }
}

#[test]
fn a_jump_ahead_closes_the_file_and_a_jump_back_the_next() {
    let mut trigger = trigger(None, Some("midnight"), Naming::Time, 0);
    trigger.begin(ns("2026-11-29T12:00:00Z"));
    let ahead = ns("2030-01-01T12:00:00Z");
    assert_eq!(trigger.at(1, 1, ahead), Some(Cause::Time));
    trigger.begin(ahead);
    assert_eq!(trigger.at(1, 1, ns("2026-11-29T12:10:00Z")), None);
    assert_eq!(trigger.at(1, 1, ns("2026-11-30T00:00:01Z")), Some(Cause::Time));
}

#[test]
fn an_entry_from_the_future_begins_no_interval_there() {
    let mut trigger = trigger(None, Some("midnight"), Naming::Number, 0);
    let now = ns("2026-11-29T12:00:00Z");
    assert_eq!(trigger.before(0, 1, ns("2100-01-01T00:00:00Z"), || now), None);
    assert_eq!(trigger.since_ns(), now);
    // Nor does one end it, nor does an old one begin it anew.
    assert_eq!(trigger.before(1, 1, ns("2100-01-01T00:00:00Z"), || now + 60 * S), None);
    assert_eq!(trigger.before(1, 1, ns("2020-01-01T00:00:00Z"), || now + 60 * S), None);
    assert_eq!(trigger.since_ns(), now);
}

#[test]
fn a_clock_set_back_a_little_ends_no_interval_twice() {
    let mut trigger = trigger(None, Some("midnight"), Naming::Python, 0);
    let midnight = ns("2026-11-30T00:00:00Z");
    trigger.begin(midnight);
    assert_eq!(trigger.at(1, 1, midnight - S / 2), None);
    assert_eq!(trigger.at(1, 1, midnight + S), None);
    assert_eq!(trigger.due(), Some("2026-12-01T00:00:00Z".parse().unwrap()));
}
