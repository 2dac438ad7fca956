//! What is known of the next entry of a ring.

use crate::clock::now_unix_ns;

/// The next entry of a ring, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextEntry {
    /// The ring has not been looked at.
    Unknown,
    /// There was none at the last look.
    None,
    /// An entry of this time.
    At(u64),
}

impl NextEntry {
    /// An entry of this time was found. A timestamp from the future is clamped, so that it is not waited for.
    pub(super) fn found(unix_ns: u64) -> NextEntry {
        NextEntry::At(unix_ns.min(now_unix_ns()))
    }
}
