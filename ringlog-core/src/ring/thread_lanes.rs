//! The lanes of the calling thread: one for each ring that it logs into.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::ring::private::ProducerState;

/// How many rings one thread can have lanes in at the same time: queues, too.
const RINGS_PER_THREAD: usize = 64;

/// The session id of a free entry. Not 0, which a child reads in place of its parent's session.
const NONE: u64 = u64::MAX;

/// A lane of this thread: the session it belongs to, or [`NONE`], and its private state, which is never
/// unmapped. A signal handler may read it at any instruction, so the session id is set last and decides.
struct ThreadLane {
    session_id: Cell<u64>,
    local: Cell<*const ProducerState>,
}

// Constant and without a destructor, so that reading it is a plain access, also in a signal handler.
thread_local! {
    static LANES: [ThreadLane; RINGS_PER_THREAD] = const {
        [const { ThreadLane { session_id: Cell::new(NONE), local: Cell::new(std::ptr::null()) } }; RINGS_PER_THREAD]
    };
    /// The process in which this thread is opening a lane, 0 for none: a signal handler must not open one
    /// meanwhile. A child forked meanwhile reads its parent's id.
    pub(crate) static OPENING: Cell<u32> = const { Cell::new(0) };
    /// Whether the thread has left a lane since that was last asked for.
    static HAS_LEFT: Cell<bool> = const { Cell::new(false) };
}

/// This thread's lane in the ring whose session it is.
///
/// # Safety
/// `'a` must not outlive the session.
pub(crate) unsafe fn lane_of<'a>(session_id: u64) -> Option<&'a ProducerState> {
    LANES.with(|lanes| lanes.iter().find_map(|entry| entry.local(session_id)))
}

/// As `lane_of`, for the first lane of the thread only: most threads log into one ring.
///
/// # Safety
/// As for `lane_of`.
#[inline(always)]
pub(crate) unsafe fn first_lane_of<'a>(session_id: u64) -> Option<&'a ProducerState> {
    LANES.with(|lanes| lanes[0].local(session_id))
}

/// The lane of this thread in which the record path has left a record that was longer than its block. Of several, in
/// which a record is being written inside another one, the last that was opened.
pub(crate) fn spilled_lane<'a>() -> Option<&'a ProducerState> {
    LANES.with(|lanes| {
        let open = lanes.iter().rev().filter(|entry| !entry.is_free());
        // SAFETY: an entry with a session has its private state, which is never unmapped.
        open.map(|entry| unsafe { &*entry.local.get() })
            .find(|local| local.spilled_bytes.load(Ordering::Relaxed) != 0)
    })
}

impl ThreadLane {
    #[inline(always)]
    fn local<'a>(&self, session_id: u64) -> Option<&'a ProducerState> {
        (self.session_id.get() == session_id).then(|| {
            let local = self.local.get();
            // SAFETY: an entry with a session has its private state, which is never unmapped.
            unsafe {
                std::hint::assert_unchecked(!local.is_null());
                &*local
            }
        })
    }

    /// Whether the entry is free: its lane was closed, or its ring.
    fn is_free(&self) -> bool {
        let session_id = self.session_id.get();
        // SAFETY: as above; a private state that was zeroed reads session 0.
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

/// Notes that this thread owns a lane. Returns false if it has lanes in too many rings already.
pub(crate) fn remember(session_id: u64, local: &ProducerState) -> bool {
    let noted = LANES
        .with(|lanes| lanes.iter().find(|entry| entry.is_free()).map(|entry| entry.set(session_id, local)));
    noted.is_some()
}

/// Forgets the lanes of the calling thread that `is_left` names, each before `close` is called with it and its session.
pub(crate) fn forget_left(
    is_left: impl Fn(&ProducerState, u64) -> bool,
    close: impl Fn(&ProducerState, u64),
) {
    LANES.with(|lanes| {
        for entry in lanes.iter().filter(|entry| !entry.is_free()) {
            let session_id = entry.session_id.get();
            // SAFETY: an entry with a session has its private state, which is never unmapped.
            let local = unsafe { &*entry.local.get() };
            if is_left(local, session_id) {
                entry.session_id.set(NONE);
                close(local, session_id);
                HAS_LEFT.set(true);
            }
        }
    });
}

/// Whether the calling thread has left a lane since the last call.
pub(crate) fn take_has_left() -> bool {
    HAS_LEFT.take()
}

/// Forgets all lanes of the calling thread, each after `close` has been called with it and its session.
pub(crate) fn forget_all(close: impl Fn(&ProducerState, u64)) {
    LANES.with(|lanes| {
        for entry in lanes {
            let session_id = entry.session_id.replace(NONE);
            if session_id != NONE {
                // SAFETY: an entry with a session has its private state, which is never unmapped.
                close(unsafe { &*entry.local.get() }, session_id);
            }
        }
    });
}
