//! A deadline that allows for a busy machine.

use std::time::Instant;

use ringlog_testkit::SOON;

/// The least number of checks. On a busy machine this process runs seldom, and so do the others.
const LOOKS: u32 = 2_000;

/// A deadline that is over after [`SOON`] *and* [`LOOKS`] checks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    since: Instant,
    looks: u32,
}

impl Patience {
    pub(crate) fn new() -> Patience {
        Patience { since: Instant::now(), looks: 0 }
    }

    /// Counts a check; true if the deadline is over.
    pub(crate) fn is_over(&mut self) -> bool {
        self.looks = self.looks.saturating_add(1);
        self.looks > LOOKS && self.since.elapsed() > SOON
    }
}
