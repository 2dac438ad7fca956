//! Records whose length is unknown before they are written: encoded into private memory first.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use super::{Attempts, Push, enter, open_lane};
use crate::error::PushError;
use crate::record::prepared::Prepared;
use crate::record::record_trait::Record;
use crate::ring::by_name::Named;
use crate::ring::private::{Busy, FastPath};
use crate::ring::thread_lanes;
use crate::shm::overflow::Overflow;

/// Encodes a record whose length is unknown before it is written: once, while no lane is held, so that what its
/// arguments log is logged once, and before it. `fast` is how the record path left it.
pub(crate) fn prepare<'a>(
    named: &Named,
    record: &'a dyn Record,
    fast: FastPath,
    overflow: Option<Overflow>,
) -> Result<Prepared<'a>, PushError> {
    if fast == FastPath::Spilled
        && let Some(local) = thread_lanes::spilled_lane()
    {
        // Left set by the record path.
        let _busy = Busy(local);
        let bytes = local.spilled_bytes.swap(0, Ordering::Relaxed) as usize;
        let prepared = Prepared::of_pages(record, local.spill.take(), bytes);
        return prepared.inspect_err(|why| count_refused(named, *why));
    }
    let (session, ring) = enter(named)?;
    let local = open_lane(named, &session, &ring)?;
    if local.busy.load(Ordering::Relaxed) == 0 {
        local.busy.store(1, Ordering::Relaxed);
        let _busy = Busy(local);
        let attempts = Attempts::default();
        let push = Push::new(named, &session, &ring, local, overflow, &attempts);
        if push.finds_no_room(record.level().is_urgent()) {
            local.count_dropped(&ring, PushError::Full);
            return Err(PushError::Full);
        }
    }
    Prepared::new(record).inspect_err(|why| local.count_dropped(&ring, *why))
}

/// Counts a record that was refused before it was pushed.
pub(crate) fn count_refused(named: &Named, why: PushError) {
    let session = named.session();
    // SAFETY: the session is used.
    let local = unsafe { thread_lanes::lane_of(session.session_id()) };
    if let (Some(local), Some(ring)) = (local, session.ring()) {
        local.count_dropped(&ring, why);
    }
}

/// Keeps the memory of a prepared record for the lane's next one.
pub(crate) fn keep_pages(named: &Named, prepared: Prepared<'_>) {
    let session = named.session();
    // SAFETY: the session is used.
    let local = unsafe { thread_lanes::lane_of(session.session_id()) };
    if let (Some(local), Some(pages)) = (local, prepared.into_pages())
        && local.busy.load(Ordering::Relaxed) == 0
        && pages.words().len() <= KEPT_WORDS_MAX
    {
        local.busy.store(1, Ordering::Relaxed);
        let _busy = Busy(local);
        local.spill.put(pages);
    }
}

/// A lane keeps no more memory than this.
const KEPT_WORDS_MAX: usize = 64 * 1024 / 8;
