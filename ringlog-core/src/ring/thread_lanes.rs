//! The lanes of the calling thread: one for each ring that it logs into.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::ring::private::ProducerState;

/// How many rings one thread can have lanes in at the same time.
const RINGS_PER_THREAD: usize = 8;

/// In place of a session: none, and not what a child finds where its parent's was.
const NONE: u64 = u64::MAX;

/// A lane of this thread: the session it belongs to, or [`NONE`], and its private half, which is never
/// unmapped. A signal handler may look at any instruction, so the session counts: it is set last.
struct ThreadLane {
    session_id: Cell<u64>,
    local: Cell<*const ProducerState>,
}

// Constant and without a destructor, so that reading it is a plain access, also in a signal handler.
thread_local! {
    static LANES: [ThreadLane; RINGS_PER_THREAD] = const {
        [const { ThreadLane { session_id: Cell::new(NONE), local: Cell::new(std::ptr::null()) } }; RINGS_PER_THREAD]
    };
    /// The process in which this thread is opening a lane, 0 for none: a signal handler must not try the
    /// same. A child that it forks finds its parent's.
    pub(crate) static OPENING: Cell<u32> = const { Cell::new(0) };
}

/// This thread's lane in the ring whose session it is.
///
/// # Safety
/// `'a` may not exceed the life of the attachment whose session this is.
pub(crate) unsafe fn lane_of<'a>(session_id: u64) -> Option<&'a ProducerState> {
    LANES.with(|lanes| lanes.iter().find_map(|place| place.local(session_id)))
}

/// The same if it is the thread's first: most threads log into one ring.
///
/// # Safety
/// As for `lane_of`.
#[inline(always)]
pub(crate) unsafe fn first_lane_of<'a>(session_id: u64) -> Option<&'a ProducerState> {
    LANES.with(|lanes| lanes[0].local(session_id))
}

impl ThreadLane {
    #[inline(always)]
    fn local<'a>(&self, session_id: u64) -> Option<&'a ProducerState> {
        (self.session_id.get() == session_id).then(|| {
            let local = self.local.get();
            // SAFETY: a place with a session has its private half, and those are never unmapped.
            unsafe {
                std::hint::assert_unchecked(!local.is_null());
                &*local
            }
        })
    }

    /// Whether the lane that was noted here has been closed, or closed with its ring.
    fn is_free(&self) -> bool {
        let session_id = self.session_id.get();
        // SAFETY: as above; a private half that was wiped reads session 0.
        session_id == NONE || unsafe { (*self.local.get()).session_id.load(Ordering::Acquire) } != session_id
    }

    fn set(&self, session_id: u64, local: &ProducerState) {
        self.session_id.set(NONE);
        compiler_fence(Ordering::SeqCst);
        self.local.set(local);
        compiler_fence(Ordering::SeqCst);
        self.session_id.set(session_id);
    }
}

/// Notes that this thread owns a lane. Fails when it has lanes in too many rings already.
pub(crate) fn remember(session_id: u64, local: &ProducerState) -> bool {
    let noted = LANES
        .with(|lanes| lanes.iter().find(|place| place.is_free()).map(|place| place.set(session_id, local)));
    noted.is_some()
}

/// Forgets all lanes of the calling thread, each after `close` has been called with it and its session.
pub(crate) fn forget_all(close: impl Fn(&ProducerState, u64)) {
    LANES.with(|lanes| {
        for place in lanes {
            let session_id = place.session_id.replace(NONE);
            if session_id != NONE {
                // SAFETY: a place with a session has its private half, and those are never unmapped.
                close(unsafe { &*place.local.get() }, session_id);
            }
        }
    });
}
