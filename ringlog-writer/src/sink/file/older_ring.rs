//! Positions in the checkpoint that do not fit their rings: a ring was replaced by an older copy.

use std::path::Path;

use ringlog::admin::Shown;
use ringlog::reader::Observer;

use super::checkpoint::CheckpointState;

/// Compares the positions with the rings, which this writer holds. Forgets the position in a ring that is older, so
/// that all that is left in the ring is written. Returns messages.
///
/// A position that is behind its ring proves nothing: of several outputs, one that gets no record keeps its position.
pub(super) fn compare(path: &Path, rings: &[&Path], state: &mut CheckpointState) -> Vec<String> {
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
        }
    }
    messages
}
