//! How long a call waits, and whether its caller still wants it to.

use std::time::{Duration, Instant};

/// The longest that a caller is not asked.
const SLICE: Duration = Duration::from_millis(50);

pub(super) struct Patience<'a> {
    /// `None`: without an end.
    until: Option<Instant>,
    goes_on: &'a dyn Fn() -> bool,
}

impl<'a> Patience<'a> {
    pub(super) fn new(patience: Duration, goes_on: &'a dyn Fn() -> bool) -> Patience<'a> {
        Patience { until: Instant::now().checked_add(patience), goes_on }
    }

    /// The patience of the same caller until a later time.
    pub(super) fn longer_by(&self, more: Duration) -> Patience<'a> {
        let until = self.until.map(|until| until.max(Instant::now()) + more);
        Patience { until, goes_on: self.goes_on }
    }

    /// The time left.
    pub(super) fn left(&self) -> Duration {
        self.until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()))
    }

    pub(super) fn goes_on(&self) -> &'a dyn Fn() -> bool {
        self.goes_on
    }

    /// The time until the caller is to be asked again, `most` at most; `None` if the time is up, or the caller does not
    /// want to wait any longer.
    pub(super) fn slice(&self, most: Duration) -> Option<Duration> {
        let left = self.left();
        (!left.is_zero() && (self.goes_on)()).then(|| left.min(most).min(SLICE))
    }
}
