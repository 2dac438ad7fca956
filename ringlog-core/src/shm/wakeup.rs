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
