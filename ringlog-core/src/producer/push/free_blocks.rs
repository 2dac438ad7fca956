//! Where a record's next block comes from: the search for a free block, the reserve for WARN and above, and waiting
//! as the overflow policy says.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Push;
use crate::error::PushError;
use crate::os::futex;
use crate::shm::block::{BlockId, Kind, Phase};
use crate::shm::layout::header;
use crate::shm::overflow::Overflow;
use crate::shm::wakeup;

/// The number of blocks that a lane reuses while one of them is free, because they stay in its caches.
const WARM_BLOCKS: u32 = 32;

impl Push<'_> {
    /// Repeats `attempt` until it succeeds, as long as the overflow policy waits.
    pub(super) fn waiting<T>(&self, attempt: impl Fn() -> Option<T>) -> Result<T, PushError> {
        if !self.session.is_whole() {
            return Err(PushError::Gone);
        }
        if let Some(taken) = attempt() {
            return Ok(taken);
        }
        wakeup::wake_consumer(self.ring);
        let policy = self.overflow.unwrap_or_else(|| self.session.overflow(self.ring));
        let Overflow::Block(patience) = policy else { return Err(PushError::Full) };
        let deadline = self.attempts.deadline.get().or_else(|| Instant::now().checked_add(patience));
        self.attempts.deadline.set(deadline);
        let waiters = self.ring.header_word(header::FREED_WAITERS);
        waiters.fetch_add(1, Ordering::SeqCst);
        let result = loop {
            let freed = self.ring.header_word(header::FREED).load(Ordering::SeqCst);
            if let Some(taken) = attempt() {
                break Ok(taken);
            }
            if self.is_left() {
                break Err(PushError::Gone);
            }
            let left = deadline.map_or(Duration::MAX, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() || !self.attempts.go_on() {
                break Err(PushError::Full);
            }
            // Short sleeps, so that a wake-up lost with a killed consumer costs little.
            let freed = freed.wrapping_add(self.given_back.take());
            futex::wait(
                self.ring.header_word(header::FREED),
                freed as u32,
                left.min(Duration::from_millis(20)),
            );
        };
        waiters.fetch_sub(1, Ordering::SeqCst);
        result
    }

    /// Whether records go to another ring by now, or to none. Looks at the path if it is time to.
    fn is_left(&self) -> bool {
        match self.named.session_for_record() {
            Ok(session) => !self.named.is_current(self.session) || !session.is_whole(),
            Err(_) => true,
        }
    }

    /// Whether records of WARN and above have reached the middle of the reserve, which they fill from its start.
    pub(super) fn reserve_is_half_used(&self) -> bool {
        let geometry = self.ring.geometry();
        let middle = self.ring.state(geometry.common_blocks() + geometry.reserved_blocks / 2);
        middle.is_none_or(|state| state.phase != Phase::Free)
    }

    /// Whether lower levels leave every freed block to WARN and above: when the reserve is half used, or this lane
    /// writes in it. So the reserve lasts as long as the consumer keeps up with the urgent records alone. Otherwise
    /// each return to a common block would seal a reserved one with a few records in it, and a flood of lower
    /// levels would use up the reserve. It ends when as many common blocks are free as the reserve has.
    fn leaves_room(&self) -> bool {
        let geometry = self.ring.geometry();
        let enough = geometry.reserved_blocks as usize;
        let free = || {
            let states = (0..geometry.common_blocks()).filter_map(|index| self.ring.state(index));
            states.filter(|state| state.phase == Phase::Free).take(enough).count()
        };
        (self.local.reserved.load(Ordering::Relaxed) != 0 || self.reserve_is_half_used()) && free() < enough
    }

    /// Takes the next free block: from the lane's warm window, else from the other common blocks, else, for WARN and
    /// above, from the reserved ones. Reads each state word once at most, and none if nothing was freed since the
    /// last failure.
    pub(super) fn take_one(&self, urgent: bool) -> Option<BlockId> {
        let freed = self.ring.header_word(header::FREED).load(Ordering::Acquire);
        let full_at = &self.local.full_at[usize::from(urgent)];
        if full_at.load(Ordering::Relaxed) == freed {
            return None;
        }
        let geometry = self.ring.geometry();
        let lane = self.local.lane.load(Ordering::Relaxed);
        let common = geometry.common_blocks();
        if !urgent && self.leaves_room() {
            full_at.store(freed, Ordering::Relaxed);
            return None;
        }
        let home = common / geometry.lane_count * lane % common;
        let warm = WARM_BLOCKS.min(common);
        let search = self.local.search.load(Ordering::Relaxed);
        for step in 0..warm {
            let offset = (search + step) % warm;
            if let Some(block) = self.ring.take((home + offset) % common, lane, Kind::Records) {
                self.local.search.store(offset + 1, Ordering::Relaxed);
                return Some(block);
            }
        }
        let rest = (warm..common).map(|offset| (home + offset) % common);
        let reserved = if urgent { common..geometry.block_count } else { 0..0 };
        let found = rest.chain(reserved).find_map(|index| self.ring.take(index, lane, Kind::Records));
        if found.is_none() {
            full_at.store(freed, Ordering::Relaxed);
        }
        found
    }
}
