//! Waking those who wait: the consumer for records, producers for free blocks.

use crate::os::futex;
use crate::shm::block::SharedRing;
use crate::shm::layout::header;
use crate::shm::sync::{Ordering, fence};

/// Wakes the consumer if it naps. Called when a block changes, at a flush, and for ERROR and above;
/// the record path never looks at the sleep word, because the consumer writes it.
pub(crate) fn wake_consumer(ring: &SharedRing) {
    // Pairs with the fence in the consumer's nap: it either sees what was published before this, or we
    // see that it sleeps.
    fence(Ordering::SeqCst);
    let sleep = ring.header_word(header::SLEEP);
    if sleep.load(Ordering::Relaxed) != 0 {
        sleep.store(0, Ordering::Relaxed);
        futex::wake(sleep, 1);
    }
}

/// Tells those who found no free block, or wait for one, that there are some now.
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
