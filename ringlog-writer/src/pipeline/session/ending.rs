//! The result of the last session, and the errors of one that is followed by another.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;

use super::super::flags::Flags;
use super::super::held;
use super::super::outputs::Unwritten;
use super::super::sources::Sources;
use crate::counted::{counted, is_or_are};
use crate::error::Error;
use crate::events::Events;
use crate::sink::Place;

/// The result of the writer, which one error ends. `end` is that of the loop, `errors` are those of the outputs; all
/// but the one that is returned are reported. `unsynced`: so many records that the rings still have are written,
/// although a sync of them has failed.
pub(super) fn result(
    end: Result<(), Error>,
    mut errors: Vec<Error>,
    sources: &Sources,
    unsynced: u64,
    flags: Flags<'_>,
    events: &mut dyn Events,
) -> Result<(), Error> {
    held::report_left(sources, events);
    let is_nameless = sources.are_nameless();
    if end.is_ok() && flags.now.load(Ordering::Relaxed) {
        // What waits in the rings is counted there, with what was never taken from them.
        errors.retain(|error| !matches!(error, Error::Write { .. }));
        let records = sources.unwritten()?.saturating_sub(unsynced);
        if records > 0 {
            errors.insert(0, Error::EndedAtOnce { records });
        }
    }
    let mut errors = errors.into_iter().map(|error| error.of_removed(is_nameless));
    let first = errors.next().map_or(Ok(()), Err);
    errors.for_each(|further| events.report(&further.to_string()));
    end.map_err(|error| error.of_removed(is_nameless)).and(first)
}

/// Reports the errors of a session once the next one has begun, with these places. Returns what outputs lack that it
/// does not have any more: the rings give their records out to the others only.
pub(super) fn report(errors: Vec<Unwritten>, places: &[Place], events: &mut dyn Events) -> Vec<Unwritten> {
    let mut removed = Vec::new();
    for Unwritten { place, name, error } in errors {
        match error {
            Error::Write { out, source, records } if records > 0 && !places.contains(&place) => {
                let missing = counted(records, "record");
                events.report(&format!(
                    "cannot write to {out}: {source}; it is not in the new configuration, and up to {missing} {} \
                     missing there",
                    is_or_are(records)
                ));
                removed.push(Unwritten { place, name, error: Error::LeftOut { out, records } });
            }
            // Given out again by the rings.
            Error::Write { out, source, .. } => {
                events.report(&format!("cannot write to {out}: {source}; its records wait in the ring"));
            }
            error => events.report(&error.to_string()),
        }
    }
    removed
}

/// Adds what outputs lack since earlier sessions to the errors of the last one.
pub(super) fn add_left_out(before: Vec<Error>, errors: &mut Vec<Error>) {
    for error in before {
        let Error::LeftOut { out: lacking, records: more } = &error else { continue };
        let same = errors.iter_mut().find_map(|error| match error {
            Error::LeftOut { out, records } if out == lacking => Some(records),
            _ => None,
        });
        match same {
            Some(records) => *records += more,
            None => errors.push(error),
        }
    }
}

/// The result of a writer that has written everything, but for what outputs lack. All but the first are reported.
pub(super) fn only_left_out(errors: Vec<Error>, events: &mut dyn Events) -> Result<(), Error> {
    let mut errors = errors.into_iter();
    let first = errors.next().map_or(Ok(()), Err);
    errors.for_each(|further| events.report(&further.to_string()));
    first
}

/// Adds the error that no output has a reader any more if records are left, which may never have been taken from the
/// rings. It takes the place of those that know only of what was queued.
pub(super) fn add_readers_gone(out: &str, sources: &Sources, errors: &mut Vec<Error>) {
    let source = || io::Error::new(ErrorKind::BrokenPipe, "its reader has gone");
    let error = match sources.unwritten() {
        Ok(0) => return,
        Ok(records) => Error::Write { out: out.to_owned(), source: source(), records },
        Err(error) => error,
    };
    errors.retain(|error| match error {
        Error::Write { source, .. } => source.kind() != ErrorKind::BrokenPipe,
        _ => true,
    });
    errors.insert(0, error);
}
