//! Positions in the checkpoint that do not fit their rings: a ring, or the file and its checkpoint, were replaced by
//! older copies.

use std::path::Path;

use ringlog::admin::Shown;
use ringlog::reader::Observer;

use super::checkpoint::CheckpointState;
use crate::counted::{counted, is_or_are};

/// Compares the positions with the rings, which this writer holds. Forgets the position in a ring that is older, so
/// that all that is left in the ring is written. Returns messages.
///
/// A position that is behind its ring proves something only if the file `takes_all` records: of several outputs, one
/// that gets no record keeps its position. It is moved up to its ring, so that it is reported once.
pub(super) fn compare(
    path: &Path,
    rings: &[&Path],
    takes_all: bool,
    state: &mut CheckpointState,
) -> Vec<String> {
    let (mut messages, path) = (Vec::new(), path.shown());
    for ring in rings {
        // What cannot be looked at is reported where it is drained.
        let Some(observer) = ring.to_str().and_then(|name| Observer::open(name).ok()) else { continue };
        let cursor = state.cursor(&observer.info().uuid);
        if observer.is_older_than(&cursor).unwrap_or(false) {
            state.cursors.retain(|known| known.ring != cursor.ring);
            messages.push(format!(
                "{path}: the ring {} is older than the checkpoint: it was replaced by a copy. All that is left in it \
                 is written; records that were written before may be written a second time",
                ring.shown()
            ));
        } else if takes_all && let Ok(Some((records, past))) = observer.persisted_beyond(&cursor) {
            state.set_cursors(&[past]);
            let (records, are) = (counted(records, "record"), is_or_are(records));
            messages.push(format!(
                "{path}: at least {records} that the ring {} has given back {are} not in it: it and its checkpoint \
                 were replaced by older copies, or other outputs were written without it. What is left in the ring is \
                 written",
                ring.shown()
            ));
        }
    }
    messages
}
