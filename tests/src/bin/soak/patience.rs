//! How long something may take.

use std::time::Instant;

use ringlog_testkit::SOON;

/// A machine so busy that we look seldom gives the others no time either.
const LOOKS: u32 = 2_000;

/// Runs out after so long *and* so many looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    since: Instant,
    looks: u32,
}

impl Patience {
    pub(crate) fn new() -> Patience {
        Patience { since: Instant::now(), looks: 0 }
    }

    /// Looks once more; true if it should have come to an end by now.
    pub(crate) fn is_over(&mut self) -> bool {
        self.looks = self.looks.saturating_add(1);
        self.looks > LOOKS && self.since.elapsed() > SOON
    }
}
