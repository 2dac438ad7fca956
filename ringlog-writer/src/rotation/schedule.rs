//! The times at which files are closed.
//!
//! Days have 23, 24 or 25 hours, and some times of day occur twice or not at all:
//!
//! * A time of day that occurs twice counts the first time; one that is skipped counts when the clock jumps.
//! * Intervals are aligned to the clock: `6h` is 00:00, 06:00, 12:00 and 18:00, `15min` the quarters. In
//!   general they are the multiples since the beginning of 1970 on the zone's clock. They count whenever the clock
//!   shows them or jumps over them: a time that occurs twice counts twice.
//! * Under Python's naming an interval counts from the file's start, in elapsed time, as in Python.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp};

use super::every::Every;
use super::policy::{Naming, Rotation};

/// The times at which files are closed.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Rule,
    zone: TimeZone,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    /// This number of seconds after a file's start.
    After(i64),
    /// At the multiples of this number of seconds on the clock.
    Clock(i64),
    /// Each day.
    Day(Time),
    /// Each week.
    Week(Weekday, Time),
}

impl Schedule {
    /// The schedule of a rotation, if it has one.
    pub fn of(rotation: &Rotation) -> Option<Schedule> {
        let every = rotation.every?;
        let at = rotation.at.unwrap_or_default().time();
        let rule = match every {
            Every::Interval { .. } if rotation.naming == Naming::Python => {
                Rule::After(every.seconds() as i64)
            }
            Every::Interval { .. } => Rule::Clock(every.seconds() as i64),
            Every::Midnight => Rule::Day(at),
            Every::Weekday(weekday) => Rule::Week(weekday, at),
        };
        Some(Schedule { rule, zone: rotation.zone.zone().clone() })
    }

    /// The first time later than `after`: the start of the open file, or its last write before the writer started.
    /// Always a whole second; `None` at the end of the calendar.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self.rule {
            Rule::After(seconds) => second(floor(after).checked_add(seconds)?),
            Rule::Clock(seconds) => self.next_multiple(after, seconds),
            Rule::Day(time) => self.next_day(after, time, |_| true),
            Rule::Week(weekday, time) => self.next_day(after, time, |date| date.weekday() == weekday),
        }
    }

    fn next_day(&self, after: Timestamp, time: Time, is_day: impl Fn(Date) -> bool) -> Option<Timestamp> {
        let today = self.zone.to_datetime(after).date();
        // The day one week later may have begun before, if the clock went back over midnight.
        let days = (0..=8).filter_map(|days| today.checked_add(Span::new().days(days)).ok());
        let times = days.filter(|date| is_day(*date)).filter_map(|date| self.first(date, time));
        times.filter(|at| *at > after).min()
    }

    /// The time at which the clock first shows this time of this day, or jumps over it.
    fn first(&self, date: Date, time: Time) -> Option<Timestamp> {
        let civil = date.to_datetime(time);
        match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the clock from behind the jump, the time lies before the jump.
                let before_jump = after.to_timestamp(civil).ok()?;
                self.zone
                    .following(before_jump)
                    .find(|jump| jump.offset() == after)
                    .map(|jump| jump.timestamp())
            }
        }
    }

    fn next_multiple(&self, after: Timestamp, every: i64) -> Option<Timestamp> {
        let shown = |at: i64, offset: Offset| at + i64::from(offset.seconds());
        let mut from = floor(after);
        let mut offset = self.zone.to_offset(after);
        for change in self.zone.following(after) {
            let (to, new_offset) = (floor(change.timestamp()), change.offset());
            let next = from + every - shown(from, offset).rem_euclid(every);
            if next < to {
                return second(next);
            }
            // At the change the clock shows a multiple, has jumped over one, or has gone back.
            let (old, new) = (shown(to, offset), shown(to, new_offset));
            if new - new.rem_euclid(every) >= old.min(new) {
                return second(to);
            }
            (from, offset) = (to, new_offset);
        }
        second(from + every - shown(from, offset).rem_euclid(every))
    }
}

fn floor(at: Timestamp) -> i64 {
    at.as_nanosecond().div_euclid(1_000_000_000) as i64
}

fn second(unix_s: i64) -> Option<Timestamp> {
    Timestamp::from_second(unix_s).ok()
}

#[cfg(test)]
mod tests;
