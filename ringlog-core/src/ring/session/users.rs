//! What uses a session, and its end: when nothing does, the ring is unmapped.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use super::{Session, SessionState, begun};
use crate::os::mapping::Mapping;
use crate::os::ofd_lock::LockPage;
use crate::ring::lane_close;
use crate::ring::private::ProducerState;
use crate::shm::block::SharedRing;
use crate::shm::users::Entered;

impl Session {
    /// Takes the process's name from the session before this one.
    pub(crate) fn take_process_name(&self, before: &Session) {
        for (word, name) in self.state().name.iter().zip(&before.state().name) {
            word.store(name.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Takes over the refused records that the session before this one has counted in no ring.
    pub(crate) fn take_uncounted(&self, before: &Session) {
        let (from, to) = (before.state(), self.state());
        to.uncounted_errno.store(from.uncounted_errno.load(Ordering::Relaxed), Ordering::Relaxed);
        for (count, uncounted) in to.uncounted.iter().zip(&from.uncounted) {
            count.fetch_add(uncounted.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Adds a user. `Some(0)` in a forked child that has not attached yet: there is nothing to keep. `None` once the
    /// session is over.
    pub(crate) fn enter(state: &SessionState) -> Option<u64> {
        match state.users.enter(|| state.session_id() != 0) {
            Entered::Counted => Some(state.session_id()),
            Entered::Unmapped => Some(0),
            Entered::Over => None,
        }
    }

    /// Removes a user; the last one detaches.
    pub(crate) fn leave(&self) {
        if self.state().users.leave() {
            self.detach();
        }
    }

    /// Ends the name's own use.
    pub(crate) fn unpin(&self) {
        if self.state().is_pinned.swap(0, Ordering::AcqRel) != 0 {
            self.leave();
        }
    }

    /// Ends the session if only its name and the caller use it. Calls `last` when every lane is closed.
    pub(crate) fn end_if_left(&self, last: impl FnOnce(&SharedRing)) -> bool {
        let state = self.state();
        let Some(ring) = self.ring().filter(|_| self.is_pinned()) else { return false };
        if !state.users.end_with(2) {
            return false;
        }
        state.is_pinned.store(0, Ordering::Relaxed);
        self.close_lanes(&ring);
        last(&ring);
        // The caller's use ends with the session.
        self.detach();
        true
    }

    /// Whether the name uses the session.
    pub(crate) fn is_pinned(&self) -> bool {
        self.state().is_pinned.load(Ordering::Relaxed) != 0
    }

    /// Closes what is left open, the process lane at most, and unmaps the ring.
    fn detach(&self) {
        let Some(ring) = self.ring() else { return };
        self.close_lanes(&ring);
        let state = self.state();
        state.session_id.store(0, Ordering::Release);
        let page = state.attach_page.swap(std::ptr::null_mut(), Ordering::Relaxed);
        if let Some(base) = NonNull::new(state.base.swap(std::ptr::null_mut(), Ordering::Relaxed)) {
            // SAFETY: this session's own mapping. It has no user, and can get none.
            unsafe { Mapping::from_raw(base, self.info.geometry.file_bytes as usize).unmap() };
        }
        if !page.is_null() {
            // SAFETY: this session's own lock page, swapped out so that it is released once.
            unsafe { LockPage::release(page) };
        }
        // Release: who finds the session over finds it detached.
        state.ended.store(begun(), Ordering::Release);
    }

    /// Closes every lane of this process. The caller guarantees that no record is being pushed.
    pub(crate) fn close_lanes(&self, ring: &SharedRing) {
        for lane in 0..self.info.geometry.lane_count {
            lane_close::close(ring, self.local(lane), self.session_id());
        }
    }

    /// The process lane's private state, if the process has opened one.
    pub(crate) fn process_lane(&self) -> Option<&ProducerState> {
        let lane = self.state().process_lane.load(Ordering::Acquire).checked_sub(1)?;
        Some(self.local(lane))
    }

    /// The process lane and the id of the session whose state this is.
    ///
    /// # Safety
    /// `state` is the first thing in a piece that is long enough for every lane of its ring.
    pub(crate) unsafe fn process_lane_of(
        state: &'static SessionState,
    ) -> Option<(&'static ProducerState, u64)> {
        let lane = state.process_lane.load(Ordering::Acquire).checked_sub(1)?;
        let session_id = state.session_id();
        // SAFETY: the caller's promise; pieces are never unmapped.
        let local = unsafe {
            let locals = std::ptr::from_ref(state).byte_add(Session::locals_offset()).cast::<ProducerState>();
            &*locals.add(lane as usize)
        };
        (session_id != 0).then_some((local, session_id))
    }
}
