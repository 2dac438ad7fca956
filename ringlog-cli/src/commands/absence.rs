//! The messages of a command that shows a ring continuously: the ring was removed, and another one is there.

use std::time::{Duration, Instant};

use ringlog::admin::Shown;
use ringlog::reader::Observer;

use crate::terminal;

/// How long no ring is there before that is reported: one that is replaced may be missing for a moment.
const REPORT_AFTER: Duration = Duration::from_millis(300);

/// Since when no ring of the name is there.
#[derive(Default)]
pub(super) struct Absence {
    since: Option<Instant>,
    is_reported: bool,
}

impl Absence {
    /// Notes that no ring is there.
    pub(super) fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    pub(super) fn is_begun(&self) -> bool {
        self.since.is_some()
    }

    /// Reports once that the ring was removed, and what that means for what is shown.
    pub(super) fn report(&mut self, shown: &Observer, meaning: &str) {
        if !self.is_reported && self.since.is_some_and(|since| since.elapsed() >= REPORT_AFTER) {
            self.is_reported = true;
            let path = shown.path().shown();
            terminal::print_message(format_args!(
                "{path} was removed; {meaning}; waiting for a ring of this name, until SIGINT"
            ));
        }
    }

    /// Reports that another ring is there.
    pub(super) fn end(&mut self, shown: &Observer) {
        let (path, was_reported) = (shown.path().shown(), self.is_reported);
        *self = Absence::default();
        terminal::print_message(match was_reported {
            true => format!("{path} is there again; continuing with the new ring"),
            false => format!("{path} was replaced; continuing with the new ring"),
        });
    }
}
