//! What is still to come, for whoever drains several rings.

use std::cmp::Reverse;
use std::time::Duration;

use super::Consumer;
use crate::error::Error;

impl Consumer {
    /// The time of the entry that [`next`](Self::next) will give out, in ns since 1970, without giving it out. For
    /// whoever merges several rings.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn peek(&mut self, timeout: Duration) -> Result<Option<u64>, Error> {
        let ring = self.ring()?;
        if !self.find(&ring, timeout)? {
            return Ok(None);
        }
        let lane = self.heads.peek().map_or(0, |Reverse((_, lane))| *lane);
        Ok(self.lanes[lane as usize].head_unix_ns())
    }

    /// Up to this time, in ns since 1970, all entries had been found at the last look, but for those of threads that
    /// were interrupted for longer than the grace.
    pub fn watermark_unix_ns(&self) -> u64 {
        let ticks = self.scan_ticks.saturating_sub(self.horizon);
        let ns = (u128::from(ticks) * u128::from(self.session.info.ns_per_tick)) >> 32;
        self.scan_unix_ns.saturating_sub(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// Whether less than a quarter of the ring's blocks was free at the last look.
    pub fn is_nearly_full(&self) -> bool {
        let blocks = self.session.info.geometry.block_count;
        self.free_blocks < blocks / 4
    }
}
