//! Reports that Linux has withdrawn the clock of a ring.

use std::time::{Duration, Instant};

use ringlog::Ring;
use ringlog::admin::{Shown, Unreliable};

use crate::events::Events;

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks whether the clock of a ring can still be relied upon. A running ring keeps its clock.
pub(super) struct TickClock {
    name: String,
    looked_at: Option<Instant>,
    is_reported: bool,
}

impl TickClock {
    pub(super) fn new(ring: &Ring) -> TickClock {
        TickClock { name: ring.path().shown().to_string(), looked_at: None, is_reported: false }
    }

    /// Looks at the clock if that is due. Reports once that it is unreliable.
    pub(super) fn check(&mut self, unreliable: impl FnOnce() -> Option<Unreliable>, events: &mut dyn Events) {
        if self.is_reported || self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked_at = Some(Instant::now());
        if let Some(why) = unreliable() {
            self.is_reported = true;
            let name = &self.name;
            events.report(&format!(
                "{name}: {why}. The times of its records may be wrong. Make the ring anew with another clock: \
                 `ringlog stop`, `ringlog rm`, and `ringlog create {name} --clock monotonic`"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Messages(Vec<String>);

    impl Events for Messages {
        fn report(&mut self, message: &str) {
            self.0.push(message.to_owned());
        }
    }

    #[test]
    fn a_withdrawn_clock_is_reported_once() {
        let mut clock = TickClock { name: "/x/app".to_owned(), looked_at: None, is_reported: false };
        let mut said = Messages::default();
        clock.check(|| None, &mut said);
        // It is not due yet.
        clock.check(|| panic!("too early"), &mut said);
        assert_eq!(said.0, [""; 0]);
        for _ in 0..3 {
            clock.looked_at = None;
            clock.check(|| Some(Unreliable::Withdrawn), &mut said);
        }
        assert!(said.0.len() == 1 && said.0[0].starts_with("/x/app: Linux does not list"), "{:?}", said.0);
        assert!(said.0[0].ends_with("`ringlog create /x/app --clock monotonic`"), "{:?}", said.0);
    }
}
