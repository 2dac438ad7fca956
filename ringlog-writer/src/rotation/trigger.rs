//! The decision before which entry a file is closed.

use jiff::Timestamp;

use super::policy::{Naming, Rotation};
use super::schedule::Schedule;

/// Why a file is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It would exceed its size.
    Size,
    /// Its interval is over.
    Time,
}

/// Decides before which entry the file is closed. Costs two comparisons an entry.
#[derive(Clone, Debug)]
pub struct Trigger {
    size: u64,
    schedule: Option<Schedule>,
    closes_empty: bool,
    /// The end of the file's interval; the greatest number for never.
    due_ns: u64,
}

impl Trigger {
    /// A trigger for a file that was created or last written at `since_ns`, in nanoseconds since 1970. As by Python's
    /// handlers, a file of an earlier interval is closed before the first entry.
    pub fn new(rotation: &Rotation, since_ns: u64) -> Trigger {
        let mut trigger = Trigger {
            size: rotation.size.unwrap_or(u64::MAX),
            schedule: Schedule::of(rotation),
            closes_empty: rotation.naming == Naming::Python,
            due_ns: u64::MAX,
        };
        trigger.rotated(since_ns);
        trigger
    }

    /// Whether the file, `len` bytes long, is closed before an entry of `entry_len` bytes is written at `now_ns`.
    ///
    /// An empty file is not closed, so an entry larger than the size limit gets a file of its own. Python's handlers do
    /// close it, and so does [`Naming::Python`].
    pub fn before(&mut self, len: u64, entry_len: u64, now_ns: u64) -> Option<Cause> {
        if now_ns >= self.due_ns {
            if self.may_close(len) {
                return Some(Cause::Time);
            }
            self.rotated(now_ns);
        }
        let is_full = len.saturating_add(entry_len) >= self.size && self.size < u64::MAX;
        (is_full && self.may_close(len)).then_some(Cause::Size)
    }

    /// Whether a file of this length may be closed. Holds for closing on start and on request too.
    pub fn may_close(&self, len: u64) -> bool {
        len > 0 || self.closes_empty
    }

    /// Notes that a new file was begun at `now_ns`.
    pub fn rotated(&mut self, now_ns: u64) {
        let now = Timestamp::from_nanosecond(now_ns.into()).ok();
        let due = now.and_then(|now| self.schedule.as_ref()?.next(now));
        self.due_ns = due.and_then(|due| u64::try_from(due.as_nanosecond()).ok()).unwrap_or(u64::MAX);
    }

    /// The end of the file's interval, if it has one.
    pub fn due(&self) -> Option<Timestamp> {
        (self.due_ns < u64::MAX).then(|| Timestamp::from_nanosecond(self.due_ns.into()).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn trigger(size: Option<u64>, every: Option<&str>, naming: Naming, since_s: u64) -> Trigger {
        let every = every.map(|every| every.parse().unwrap());
        Trigger::new(&Rotation { size, every, naming, ..Rotation::default() }, since_s * S)
    }

    #[test]
    fn a_file_exceeds_its_size_only_by_a_single_large_entry() {
        let mut trigger = trigger(Some(100), None, Naming::Time, 0);
        assert_eq!(trigger.before(90, 9, 0), None);
        assert_eq!(trigger.before(90, 10, 0), Some(Cause::Size));
        assert_eq!(trigger.before(1, u64::MAX, 0), Some(Cause::Size));
        assert_eq!(trigger.before(0, 1000, 0), None);
        assert_eq!(trigger.due(), None);
    }

    #[test]
    fn without_a_limit_nothing_is_closed() {
        let mut trigger = trigger(None, None, Naming::Python, 0);
        assert_eq!(trigger.before(u64::MAX, u64::MAX, u64::MAX - 1), None);
    }

    #[test]
    fn a_file_is_closed_when_its_interval_is_over() {
        let mut trigger = trigger(None, Some("1h"), Naming::Time, 3599);
        assert_eq!(trigger.before(1, 1, 3600 * S - 1), None);
        assert_eq!(trigger.before(1, 1, 3600 * S), Some(Cause::Time));
        trigger.rotated(3600 * S);
        assert_eq!(trigger.before(1, 1, 3600 * S), None);
        assert_eq!(trigger.due().map(Timestamp::as_second), Some(7200));
        // An empty file gets the next hour's entries.
        assert_eq!(trigger.before(0, 1, 7300 * S), None);
        assert_eq!(trigger.due().map(Timestamp::as_second), Some(10_800));
    }

    #[test]
    fn with_pythons_naming_empty_files_are_closed() {
        assert_eq!(trigger(Some(5), None, Naming::Python, 0).before(0, 5, 0), Some(Cause::Size));
        assert_eq!(trigger(None, Some("1h"), Naming::Python, 60).before(0, 1, 3660 * S), Some(Cause::Time));
    }
}
