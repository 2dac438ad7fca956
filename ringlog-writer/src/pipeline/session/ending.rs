//! The result of the last session, and the errors of one that is followed by another.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;

use super::super::flags::Flags;
use super::super::held;
use super::super::sources::Sources;
use crate::error::Error;
use crate::events::Events;

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
    let has_left_out = errors.iter().any(|error| matches!(error, Error::LeftOut { .. }));
    if end.is_ok() && flags.now.load(Ordering::Relaxed) && !has_left_out {
        let records = sources.unwritten()?.saturating_sub(unsynced);
        // Of what is not written, only the number in the rings is of interest.
        errors.retain(|error| matches!(error, Error::Sync { .. }));
        if records > 0 {
            errors.insert(0, Error::EndedAtOnce { records });
        }
    }
    let mut errors = errors.into_iter().map(|error| error.of_removed(is_nameless));
    let first = errors.next().map_or(Ok(()), Err);
    errors.for_each(|further| events.report(&further.to_string()));
    end.map_err(|error| error.of_removed(is_nameless)).and(first)
}

/// Reports the errors of a session that another one follows.
pub(super) fn report(errors: Vec<Error>, events: &mut dyn Events) {
    for error in errors {
        match error {
            // Given out again by the rings. Records that were left out are not.
            Error::Write { out, source, .. } => {
                events.report(&format!("cannot write to {out}: {source}; its records wait in the ring"));
            }
            error => events.report(&error.to_string()),
        }
    }
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
