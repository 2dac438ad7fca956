//! The ring that takes the place of a removed one.

use std::path::Path;
use std::time::{Duration, Instant};

use ringlog::Ring;
use ringlog::admin::Shown;

use super::source::Source;
use crate::error::Error;
use crate::events::Events;

/// How often the path of a removed ring is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The same after a failure.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// How long nothing is at the path before a ring is made there: another process may be about to make it.
const MAKE_AFTER: Duration = Duration::from_millis(300);

/// What the writer does where nothing is at the path of a removed ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfMissing {
    /// Makes a ring there.
    Make,
    /// Reports once that there is none.
    Report,
    /// Nothing: it was asked to end.
    Nothing,
}

/// Looks for the ring that takes the place of a removed one.
#[derive(Default)]
pub(super) struct SuccessorWatch {
    next_look: Option<Instant>,
    /// Since when nothing is at the path.
    nothing_since: Option<Instant>,
    /// Whether it was reported that the ring was removed.
    is_removal_reported: bool,
    /// Whether it was reported that what is at the path is not drained, or that nothing can be made there.
    is_reported: bool,
}

impl SuccessorWatch {
    /// Becomes the consumer of the ring that is at the path of a removed `ring` now. Reports once why what is there is
    /// not drained.
    pub(super) fn look(
        &mut self,
        ring: &Ring,
        if_missing: IfMissing,
        events: &mut dyn Events,
    ) -> Option<Source> {
        if self.next_look.is_some_and(|at| Instant::now() < at) {
            return None;
        }
        self.next_look = Some(Instant::now() + LOOK_EVERY);
        let found = ring.successor().map_err(Error::from).and_then(|found| match found {
            Some(successor) => Source::open(&successor, None).map(Some),
            None => self.act_if_missing(ring, if_missing, events).map(|()| None),
        });
        match found {
            Ok(Some(source)) => return Some(source),
            Ok(None) => {}
            Err(error) => {
                self.next_look = Some(Instant::now() + RETRY_EVERY);
                if !std::mem::replace(&mut self.is_reported, true) {
                    let what = match &error {
                        // These name the ring, and say that it was removed.
                        Error::Ring(
                            ringlog::Error::Replacement { .. } | ringlog::Error::OtherOwner { .. },
                        ) => error.to_string(),
                        _ => format!("{} was removed: {error}", ring.path().shown()),
                    };
                    events.report(&format!("{what}; until then the writer drains the removed ring"));
                }
            }
        }
        None
    }

    fn act_if_missing(
        &mut self,
        ring: &Ring,
        if_missing: IfMissing,
        events: &mut dyn Events,
    ) -> Result<(), Error> {
        let path = ring.path();
        if path.symlink_metadata().is_ok() {
            self.nothing_since = None;
            return Ok(());
        }
        let since = *self.nothing_since.get_or_insert_with(Instant::now);
        if since.elapsed() < MAKE_AFTER {
            return Ok(());
        }
        match if_missing {
            IfMissing::Make => {}
            IfMissing::Report => {
                self.report_removal(path, events);
                return Ok(());
            }
            IfMissing::Nothing => return Ok(()),
        }
        match ring.make_anew() {
            Ok(()) => {
                events.report(&format!("{} was removed; made it anew", path.shown()));
                Ok(())
            }
            // Another process was faster.
            Err(ringlog::Error::Exists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn report_removal(&mut self, path: &Path, events: &mut dyn Events) {
        if !std::mem::replace(&mut self.is_removal_reported, true) {
            let path = path.shown();
            events.report(&format!(
                "{path} was removed; what programs log into the removed ring is drained as before, but no program that \
                 starts now finds it; make it again with `ringlog create {path}`, or start the writer with --create"
            ));
        }
    }
}
