//! The consumer's counters, as the ring's header keeps them from one consumer to the next.

use std::sync::Arc;

use crate::reader::origin::Origin;
use crate::shm::block::SharedRing;
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
    laneless_drops: u64,
}

impl Totals {
    pub(super) fn read(ring: &SharedRing) -> Totals {
        let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
        Totals {
            records: word(header::CONSUMER_PERSISTED),
            described: word(header::CONSUMER_DESCRIBED),
            late: word(header::CONSUMER_LATE),
            damaged: word(header::CONSUMER_DAMAGED),
            laneless_drops: word(header::DROPPED_WITHOUT_LANE_REPORTED),
        }
    }

    pub(super) fn write(&self, ring: &SharedRing) {
        let set = |offset, value| ring.header_word(offset).store(value, Ordering::Relaxed);
        set(header::CONSUMER_PERSISTED, self.records);
        set(header::CONSUMER_DESCRIBED, self.described);
        set(header::CONSUMER_LATE, self.late);
        set(header::CONSUMER_DAMAGED, self.damaged);
        set(header::DROPPED_WITHOUT_LANE_REPORTED, self.laneless_drops);
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

    pub(super) fn count_laneless_drops(&mut self, count: u64) {
        self.laneless_drops = self.laneless_drops.wrapping_add(count);
    }

    /// Passes over drops of threads without a lane that were reported before.
    pub(super) fn resume_laneless_drops(&mut self, reported: u64) {
        self.laneless_drops = self.laneless_drops.max(reported);
    }

    pub(super) fn laneless_drops(&self) -> u64 {
        self.laneless_drops
    }
}

/// Drops of threads that have no lane: how many there are, and for how many a notice has been queued.
#[derive(Debug)]
pub(super) struct LanelessDrops {
    counted: u64,
    queued: u64,
    origin: Arc<Origin>,
}

impl LanelessDrops {
    pub(super) fn new(reported: u64) -> LanelessDrops {
        LanelessDrops { counted: reported, queued: reported, origin: Arc::new(Origin::without_lane()) }
    }

    /// Passes over drops that were reported before.
    pub(super) fn resume(&mut self, reported: u64) {
        self.counted = self.counted.max(reported);
        self.queued = self.queued.max(reported);
    }

    pub(super) fn observe(&mut self, ring: &SharedRing) {
        self.counted = ring.header_word(header::DROPPED_WITHOUT_LANE).load(Ordering::Relaxed);
    }

    /// The drops that are to be queued now, and what stands for their threads.
    pub(super) fn take_new(&mut self) -> Option<(u64, Arc<Origin>)> {
        let new = self.counted.checked_sub(self.queued).filter(|new| *new > 0)?;
        self.queued = self.counted;
        Some((new, self.origin.clone()))
    }
}
