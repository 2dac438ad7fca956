//! Waiting until the records of this process are persisted.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::ring::session::Session;
use crate::shm::block::{BlockId, SharedRing};
use crate::shm::layout::{halves, lock as lock_byte};
use crate::shm::wakeup;

/// The end of the records that one lane has published.
struct Goal {
    block: BlockId,
    slots: u32,
}

pub(crate) fn flush(session: &Session, start: Instant, timeout: Duration) -> Result<(), Error> {
    let Some(ring) = session.ring() else { return Ok(()) };
    let mut goals: Vec<Goal> =
        (0..ring.geometry().lane_count).filter_map(|lane| goal(session, &ring, lane)).collect();
    let mut nap = Duration::from_micros(20);
    loop {
        goals.retain(|goal| !reached(&ring, goal));
        if !session.is_whole() || (goals.is_empty() && session.file_is_cut()) {
            return Err(session.truncated());
        }
        if goals.is_empty() {
            return Ok(());
        }
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            let why =
                if has_consumer(session) { "the consumer is behind" } else { "no consumer drains the ring" };
            return Err(Error::FlushTimeout { waited_ms: start.elapsed().as_millis() as u64, why });
        }
        wakeup::wake_consumer(&ring);
        std::thread::sleep(nap.min(left));
        nap = (nap * 2).min(Duration::from_millis(1));
    }
}

/// The present end of lane `lane` of this process. Blocks of a lane are persisted in order, so the last one is
/// enough.
fn goal(session: &Session, ring: &SharedRing, lane: u32) -> Option<Goal> {
    let block = session.local(lane).last_block()?;
    // A block of another generation was freed, and persisted before that.
    let slots = ring.committed(block.index, block.generation)?;
    Some(Goal { block, slots })
}

fn reached(ring: &SharedRing, goal: &Goal) -> bool {
    let (generation, slots) = halves(ring.progress(goal.block.index).load(Ordering::Acquire));
    let current = ring.state(goal.block.index).is_some_and(|state| state.generation == goal.block.generation);
    !current || (generation == goal.block.generation && slots >= goal.slots)
}

pub(crate) fn has_consumer(session: &Session) -> bool {
    session.lock_file.probe().and_then(|probe| probe.is_held(lock_byte::CONSUMER)).unwrap_or(false)
}
