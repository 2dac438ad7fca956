//! Waking the consumer, which sleeps until there are records, and producers, which wait for free blocks.

use crate::os::futex;
use crate::shm::block::SharedRing;
use crate::shm::layout::header;
use crate::shm::sync::{Ordering, fence};

/// Wakes the consumer if it sleeps. Called when a lane changes its block, at a flush, and for ERROR and above; the
/// record path never reads the sleep word, because the consumer writes it.
pub(crate) fn wake_consumer(ring: &SharedRing) {
    // Pairs with the fence in the consumer's nap: either it sees the records published before this fence, or this
    // thread sees that it sleeps.
    fence(Ordering::SeqCst);
    let sleep = ring.header_word(header::SLEEP);
    if sleep.load(Ordering::Relaxed) != 0 {
        sleep.store(0, Ordering::Relaxed);
        // All of them: a process that may only read the ring may wait on the word too, and must not take the wake-up.
        futex::wake(sleep, i32::MAX);
    }
}

/// Announces `count` freed blocks to producers that found none, or wait for one.
pub(crate) fn announce_freed(ring: &SharedRing, count: u64) {
    if count == 0 {
        return;
    }
    let word = ring.header_word(header::FREED);
    word.fetch_add(count, Ordering::SeqCst);
    if ring.header_word(header::FREED_WAITERS).load(Ordering::SeqCst) != 0 {
        futex::wake(word, i32::MAX);
    }
}

/// Wakes the processes that wait for room in a bounded queue, if the queue is one.
pub(crate) fn wake_for_room(ring: &SharedRing) {
    if ring.header_word(header::QUEUE_BOUND).load(Ordering::Relaxed) == 0 {
        return;
    }
    // Pairs with the fence in `await_room`: either the waiter counts the items after this one was taken out, or this
    // thread sees that it waits.
    fence(Ordering::SeqCst);
    let waiters = ring.header_word(header::ROOM_WAITERS);
    if waiters.load(Ordering::Relaxed) != 0 {
        waiters.store(0, Ordering::Relaxed);
        let turns = ring.header_word(header::ROOM_TURNS);
        turns.fetch_add(1, Ordering::Release);
        futex::wake(turns, i32::MAX);
    }
}

/// Announces that the caller waits for room; it then counts once more before it sleeps. Returns the number of wake-ups
/// to sleep on.
pub(crate) fn await_room(ring: &SharedRing) -> u64 {
    let turns = ring.header_word(header::ROOM_TURNS).load(Ordering::Acquire);
    ring.header_word(header::ROOM_WAITERS).store(1, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    turns
}
