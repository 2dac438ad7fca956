//! Closing lanes: when their thread ends, when their process ends, or with the ring's last handle.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use crate::os::ofd_lock::LockPage;
use crate::ring::private::{ProducerState, status};
use crate::shm::block::{Kind, SharedRing};
use crate::shm::lane_entry::LaneState;
use crate::shm::layout::{block, lane as lane_entry};
use crate::shm::wakeup::wake_consumer;

/// Closes a lane of this session, or waits until the thread that is closing it has done so. The caller guarantees
/// that no record is being pushed to it.
pub(crate) fn close(ring: &SharedRing, local: &ProducerState, session_id: u64) {
    if local.session_id.load(Ordering::Acquire) != session_id {
        return;
    }
    let claim =
        local.status.compare_exchange(status::OPEN, status::CLOSING, Ordering::AcqRel, Ordering::Acquire);
    match claim {
        Ok(_) => finish(ring, local),
        Err(status::CLOSING) => {
            while local.status.load(Ordering::Acquire) == status::CLOSING {
                std::thread::yield_now();
            }
        }
        Err(_) => {}
    }
}

/// Closes a lane whose thread is ending.
pub(crate) fn close_at_thread_end(local: &ProducerState, session_id: u64) {
    match claim(local, session_id) {
        Some(Some(ring)) => finish(&ring, local),
        // A child: neither lane nor ring are its own.
        Some(None) => local.status.store(status::CLOSED, Ordering::Release),
        None => {}
    }
}

/// Marks a process lane as closed when the process runs its exit handlers: lanes that stay open from here on are no
/// unclean exits. Threads may still be logging, so the lane keeps its lock, and the process its definitions, until
/// the process is gone.
pub(crate) fn end_process(local: &ProducerState, session_id: u64) {
    if let Some(ring) = claim(local, session_id) {
        if let Some(ring) = ring {
            mark_closed(&ring, local.lane.load(Ordering::Relaxed));
        }
        local.status.store(status::OPEN, Ordering::Release);
    }
}

/// Moves an open lane of this session to CLOSING and returns its ring, if it is still mapped. A session that is being
/// dropped at the same time waits until the lane has left CLOSING, so the ring stays mapped until then.
fn claim(local: &ProducerState, session_id: u64) -> Option<Option<SharedRing>> {
    if local.session_id.load(Ordering::Acquire) != session_id {
        return None;
    }
    local.status.compare_exchange(status::OPEN, status::CLOSING, Ordering::AcqRel, Ordering::Acquire).ok()?;
    // SAFETY: set with the lane; slots of sessions are never unmapped.
    let session = unsafe { &*local.session.load(Ordering::Relaxed) };
    Some(session.ring())
}

fn mark_closed(ring: &SharedRing, lane: u32) {
    let state = ring.lane_state(lane);
    ring.lane_word(lane, lane_entry::STATE)
        .store(LaneState { open: false, ..state }.word(), Ordering::Release);
}

/// Closes a lane that the caller has moved to CLOSING.
fn finish(ring: &SharedRing, local: &ProducerState) {
    let lane = local.lane.load(Ordering::Relaxed);
    for limit in &local.limit {
        limit.store(0, Ordering::Relaxed);
    }
    if let Some(block) = local.block() {
        local.count_block(ring);
        // SYNC SEAL carries it.
        ring.block_word(block.index, block::CLOSED).store(1, Ordering::Relaxed);
        ring.seal(block, lane, Kind::Records);
    }
    mark_closed(ring, lane);
    wake_consumer(ring);
    drop(local.spill.take());
    let session = local.session.load(Ordering::Relaxed).cast_const();
    let is_user = local.is_user.load(Ordering::Relaxed) != 0;
    let page = local.lock_page.swap(std::ptr::null_mut(), Ordering::Relaxed);
    local.session_id.store(0, Ordering::Release);
    local.status.store(status::CLOSED, Ordering::Release);
    // The lock last: from here on the private state may belong to another thread of this process.
    if !page.is_null() {
        // SAFETY: this session's own lock page, swapped out so that it is released once.
        unsafe { LockPage::release(page) };
    }
    if is_user && !session.is_null() {
        // SAFETY: the session of an open lane, which was its user until here; slots are never unmapped. The ring may
        // be unmapped by it.
        unsafe { (*session).leave() };
    }
}
