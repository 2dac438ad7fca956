//! Waiting until what this process published is persisted.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::os::ofd_lock;
use crate::ring::file;
use crate::ring::lane;
use crate::ring::session::Attachment;
use crate::shm::block::{BlockId, Ring};
use crate::shm::layout::{halves, lock as lock_byte};

/// The end of what one lane has published.
struct Goal {
    block: BlockId,
    slots: u32,
}

pub(crate) fn flush(attachment: &Attachment, start: Instant, timeout: Duration) -> Result<(), Error> {
    let Some(ring) = attachment.ring() else { return Ok(()) };
    let mut goals: Vec<Goal> =
        (0..ring.geometry().lane_count).filter_map(|lane| goal(attachment, &ring, lane)).collect();
    let mut nap = Duration::from_micros(20);
    loop {
        goals.retain(|goal| !reached(&ring, goal));
        if !attachment.is_whole() || (goals.is_empty() && attachment.file_is_cut()) {
            return Err(attachment.truncated());
        }
        if goals.is_empty() {
            return Ok(());
        }
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            let why =
                if has_consumer(attachment) { "the consumer is behind" } else { "nobody drains the ring" };
            return Err(Error::FlushTimeout { waited_ms: start.elapsed().as_millis() as u64, why });
        }
        lane::wake_consumer(&ring);
        std::thread::sleep(nap.min(left));
        nap = (nap * 2).min(Duration::from_millis(1));
    }
}

/// Where lane `lane` of this process ends now. Earlier blocks of a lane are persisted earlier, so the
/// last one is enough.
fn goal(attachment: &Attachment, ring: &Ring, lane: u32) -> Option<Goal> {
    let block = attachment.local(lane).last_block()?;
    // If another generation is there the block has been freed, and before that persisted.
    let slots = ring.committed(block.index, block.generation)?;
    Some(Goal { block, slots })
}

fn reached(ring: &Ring, goal: &Goal) -> bool {
    let (generation, slots) = halves(ring.progress(goal.block.index).load(Ordering::Acquire));
    let current = ring.state(goal.block.index).is_some_and(|state| state.generation == goal.block.generation);
    !current || (generation == goal.block.generation && slots >= goal.slots)
}

pub(crate) fn has_consumer(attachment: &Attachment) -> bool {
    let probe = file::reopen(&attachment.path, attachment.identity, false);
    probe.ok().flatten().is_some_and(|file| ofd_lock::is_held(&file, lock_byte::CONSUMER).unwrap_or(false))
}
