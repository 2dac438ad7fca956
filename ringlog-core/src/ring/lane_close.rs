//! Closing lanes: by their thread's end, by their process's, or with the ring's last handle.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use crate::os::ofd_lock::LockPage;
use crate::ring::private::{ProducerState, status};
use crate::shm::block::{Kind, SharedRing};
use crate::shm::lane_entry::LaneState;
use crate::shm::layout::{block, lane as lane_entry};
use crate::shm::wakeup::wake_consumer;

/// Closes a lane of this session, or waits until the thread that is closing it has done so. Whoever
/// calls knows that nothing is being pushed on it.
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
        Some(None) => local.status.store(status::CLOSED, Ordering::Release),
        None => {}
    }
}

/// The process runs its exit handlers: what its lanes leave open from here on is no death. Threads may
/// still be logging, so the lane keeps its lock, and the process its definitions, to the very end.
pub(crate) fn end_process(local: &ProducerState, session_id: u64) {
    if let Some(ring) = claim(local, session_id) {
        if let Some(ring) = ring {
            say_closed(&ring, local.lane.load(Ordering::Relaxed));
        }
        local.status.store(status::OPEN, Ordering::Release);
    }
}

/// Moves an open lane of this session to CLOSING. The attachment may be going at the same time: it waits
/// until the lane is moved on, so its ring, if it still has one, stays until then.
fn claim(local: &ProducerState, session_id: u64) -> Option<Option<SharedRing>> {
    if local.session_id.load(Ordering::Acquire) != session_id {
        return None;
    }
    local.status.compare_exchange(status::OPEN, status::CLOSING, Ordering::AcqRel, Ordering::Acquire).ok()?;
    // SAFETY: set with the lane, and the attachment does not go before we leave CLOSING.
    let session = unsafe { &*local.session.load(Ordering::Relaxed) };
    Some(session.ring())
}

fn say_closed(ring: &SharedRing, lane: u32) {
    let state = ring.lane_state(lane);
    ring.lane_word(lane, lane_entry::STATE)
        .store(LaneState { open: false, ..state }.word(), Ordering::Release);
}

/// The caller has moved the lane to CLOSING.
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
    say_closed(ring, lane);
    wake_consumer(ring);
    let page = local.lock_page.swap(std::ptr::null_mut(), Ordering::Relaxed);
    local.session_id.store(0, Ordering::Release);
    local.status.store(status::CLOSED, Ordering::Release);
    // The lock last: from here on the private half may be that of another thread of this process.
    if !page.is_null() {
        // SAFETY: this session's own lock page, swapped out so that it is released once.
        unsafe { LockPage::release(page) };
    }
}
