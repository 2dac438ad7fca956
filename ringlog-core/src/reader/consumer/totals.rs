//! The consumer's counters, as the ring's header keeps them from one consumer to the next.

use std::sync::Arc;

use crate::reader::end_stat::EndStat;
use crate::reader::entry::{ExitCause, Gap, GapReason};
use crate::reader::origin::Origin;
use crate::shm::block::SharedRing;
use crate::shm::drops::{LanelessDrops, LanelessReason};
use crate::shm::layout::header;
use crate::shm::sync::Ordering;

/// What all consumers of the ring have given out. The counters begin with what is in shared memory, so they may be
/// anything, and wrap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    records: u64,
    described: u64,
    late: u64,
    damaged: u64,
    ends: EndStat,
    laneless_drops: LanelessDrops,
}

impl Totals {
    pub(super) fn read(ring: &SharedRing) -> Totals {
        let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
        Totals {
            records: word(header::CONSUMER_PERSISTED),
            described: word(header::CONSUMER_DESCRIBED),
            late: word(header::CONSUMER_LATE),
            damaged: word(header::CONSUMER_DAMAGED),
            ends: EndStat::read(ring),
            laneless_drops: LanelessDrops::read_reported(ring),
        }
    }

    pub(super) fn write(&self, ring: &SharedRing) {
        let set = |offset, value| ring.header_word(offset).store(value, Ordering::Relaxed);
        set(header::CONSUMER_PERSISTED, self.records);
        set(header::CONSUMER_DESCRIBED, self.described);
        set(header::CONSUMER_LATE, self.late);
        set(header::CONSUMER_DAMAGED, self.damaged);
        self.ends.write(ring);
        self.laneless_drops.write_reported(ring);
    }

    #[inline]
    pub(super) fn count_record(&mut self, is_late: bool, is_described: bool) {
        self.records = self.records.wrapping_add(1);
        self.described = self.described.wrapping_add(is_described.into());
        self.late = self.late.wrapping_add(is_late.into());
    }

    pub(super) fn count_damage(&mut self) {
        self.damaged = self.damaged.wrapping_add(1);
    }

    pub(super) fn count_exit(&mut self, cause: ExitCause) {
        self.ends.count(cause);
    }

    /// Counts processes whose reports an earlier consumer has given out and not counted.
    pub(super) fn count_uncounted_exits(&mut self, count: u64) {
        self.ends.unknown = self.ends.unknown.wrapping_add(count);
    }

    pub(super) fn count_laneless_drops(&mut self, gap: Gap) {
        let reason = match gap.reason {
            GapReason::System(errno) => LanelessReason::System(errno),
            GapReason::Nested => LanelessReason::Opening,
            GapReason::NoRing => LanelessReason::NoRing,
            GapReason::Left => LanelessReason::Left,
            _ => LanelessReason::LanesTaken,
        };
        self.laneless_drops = self.laneless_drops.after(reason, gap.count);
    }

    /// Passes over drops of threads without a lane that were reported before.
    pub(super) fn resume_laneless_drops(&mut self, reported: u64) {
        self.laneless_drops.all = self.laneless_drops.all.max(reported);
    }

    pub(super) fn laneless_drops(&self) -> u64 {
        self.laneless_drops.all
    }
}

/// Drops of threads that have no lane: how many there are, and for how many a notice has been queued.
#[derive(Debug)]
pub(super) struct LanelessNotices {
    counted: LanelessDrops,
    queued: LanelessDrops,
    errno: i32,
    origin: Arc<Origin>,
}

impl LanelessNotices {
    pub(super) fn new(ring: &SharedRing) -> LanelessNotices {
        let reported = LanelessDrops::read_reported(ring);
        let origin = Arc::new(Origin::without_lane());
        LanelessNotices { counted: reported, queued: reported, errno: 0, origin }
    }

    /// Passes over drops that were reported before.
    pub(super) fn resume(&mut self, reported: u64) {
        self.counted.all = self.counted.all.max(reported);
        self.queued.all = self.queued.all.max(reported);
    }

    pub(super) fn observe(&mut self, ring: &SharedRing) {
        self.counted = LanelessDrops::read(ring);
        self.errno = LanelessDrops::errno(ring);
    }

    /// The drops that are to be queued now.
    pub(super) fn take_new(&mut self) -> Vec<(LanelessReason, u64)> {
        if self.counted.all <= self.queued.all {
            return Vec::new();
        }
        let new = self.counted.since(self.queued, self.errno).into_iter().filter(|(_, count)| *count > 0);
        new.inspect(|(reason, count)| self.queued = self.queued.after(*reason, *count)).collect()
    }

    /// What stands for their threads.
    pub(super) fn origin(&self) -> Arc<Origin> {
        self.origin.clone()
    }
}
