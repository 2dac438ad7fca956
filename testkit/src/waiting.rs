//! Waiting for what another thread or process does.

use std::time::{Duration, Instant};

/// Longer than anything here takes, also on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(2);

/// What `attempt` gives as soon as it gives something; `None` after [`SOON`].
///
/// A lock that was released may be held for a moment longer by a process that another test is just starting:
/// until its exec it has what its parent had.
pub fn soon<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + SOON;
    loop {
        let outcome = attempt();
        if outcome.is_some() || Instant::now() > deadline {
            return outcome;
        }
        std::thread::yield_now();
    }
}

/// Waits until `is_so`; panics with `what` after [`SOON`].
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}
