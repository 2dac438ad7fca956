//! The decision before which entry a file is closed.

use jiff::Timestamp;

use super::policy::Rotation;
use super::schedule::Schedule;

/// Why a file is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It would exceed its size.
    Size,
    /// Its interval is over.
    Time,
}

/// How far in the future the start of a file may lie before it is corrected. Less is a clock that was set back a
/// little, which must not end an interval twice.
const SLACK_NS: u64 = 1_000_000_000;

/// Decides before which entry the file is closed. Costs three comparisons an entry.
///
/// An interval counts from the file's first entry. Times are judged by the present clock: neither an entry nor a file
/// from the future delays the end of an interval or brings it about.
#[derive(Clone, Debug)]
pub struct Trigger {
    size: u64,
    schedule: Option<Schedule>,
    /// The start of the file's interval.
    since_ns: u64,
    /// Its end; the greatest number for never.
    due_ns: u64,
}

impl Trigger {
    /// A trigger for a file whose first entry was written at `since_ns`, in nanoseconds since 1970. As by Python's
    /// handlers, a file of an earlier interval is closed before the next entry.
    pub fn new(rotation: &Rotation, since_ns: u64) -> Trigger {
        let mut trigger = Trigger {
            size: rotation.size.unwrap_or(u64::MAX),
            schedule: Schedule::of(rotation),
            since_ns,
            due_ns: u64::MAX,
        };
        trigger.begin(since_ns);
        trigger
    }

    /// Whether the file, `len` bytes long, is closed before an entry of `entry_len` bytes and this time is written.
    /// `now_ns` reads the present time; it is called seldom.
    ///
    /// An empty file is never closed, so an entry larger than the size limit gets a file of its own. Its interval
    /// begins with its first entry, so it has none that could be over.
    pub fn before(
        &mut self,
        len: u64,
        entry_len: u64,
        unix_ns: u64,
        now_ns: impl Fn() -> u64,
    ) -> Option<Cause> {
        if unix_ns < self.since_ns {
            self.correct(now_ns());
        }
        if unix_ns >= self.due_ns && now_ns() >= self.due_ns && Trigger::may_close(len) {
            return Some(Cause::Time);
        }
        if len == 0 {
            self.begin(unix_ns.min(now_ns()));
        }
        let is_full = len.saturating_add(entry_len) >= self.size && self.size < u64::MAX;
        (is_full && Trigger::may_close(len)).then_some(Cause::Size)
    }

    /// Whether a file of this length may be closed. Holds for closing on start and on request too.
    pub fn may_close(len: u64) -> bool {
        len > 0
    }

    /// Corrects a start in the future: the clock was ahead when the file was begun. The interval counts from now on.
    pub fn correct(&mut self, now_ns: u64) {
        if self.since_ns > now_ns.saturating_add(SLACK_NS) {
            self.begin(now_ns);
        }
    }

    /// Notes that the file's first entry was written at `since_ns`.
    pub fn begin(&mut self, since_ns: u64) {
        self.since_ns = since_ns;
        let since = Timestamp::from_nanosecond(since_ns.into()).ok();
        let due = since.and_then(|since| self.schedule.as_ref()?.next(since));
        self.due_ns = due.and_then(|due| u64::try_from(due.as_nanosecond()).ok()).unwrap_or(u64::MAX);
    }

    /// The start of the file's interval: the time of its first entry.
    pub fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// The end of the file's interval, if it has one.
    pub fn due(&self) -> Option<Timestamp> {
        (self.due_ns < u64::MAX).then(|| Timestamp::from_nanosecond(self.due_ns.into()).ok()).flatten()
    }
}

#[cfg(test)]
mod tests;
