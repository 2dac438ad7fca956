//! Merges the lanes' entries by time, and holds each back until no older one is expected.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::time::Duration;

use super::moment::Moment;
use crate::ring::header::Info;
use crate::shm::clock;
use crate::shm::layout::Geometry;

/// How long a record waits by default for older ones of threads that were interrupted in a log call.
const GRACE: Duration = Duration::from_millis(10);
/// Up to this many bytes in use the grace is whole; they fit into a core's second-level cache.
const WHOLE_GRACE_BYTES: u64 = 512 << 10;
/// From this many bytes in use on there is no grace.
const NO_GRACE_BYTES: u64 = 4 << 20;
/// Anchors are exact to some ten nanoseconds: a time that goes back by less than this is the clock's noise.
const NOISE_NS: u64 = 1_000;

/// The load that one scan found; the grace depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) free_blocks: u32,
    lane: Option<u32>,
    has_several_lanes: bool,
}

impl Load {
    /// Counts a block of records of the lane.
    pub(super) fn add_block_of(&mut self, lane: u32) {
        self.has_several_lanes |= *self.lane.get_or_insert(lane) != lane;
    }
}

/// The lanes that have an entry, ordered by its time, and the time up to which entries may be given out.
#[derive(Debug)]
pub(super) struct Merge {
    heads: BinaryHeap<Reverse<(u64, u32)>>,
    /// The entry of the lane at the top has been given out, and the lane's next one has to be found.
    top_is_given: bool,
    /// Entries up to this tick may be given out.
    horizon: u64,
    /// When the last scan began.
    scan: Moment,
    grace: Duration,
    /// The grace was set explicitly, so it does not shrink to spare the producers' caches.
    prefers_order: bool,
    /// The latest tick of a record that was given out.
    last_ticks: u64,
    /// The time shown for the entry that was given out last.
    last_unix_ns: u64,
    ns_per_tick: u64,
    /// How far ahead of the scan a time stamp may lie at all.
    future_ticks: u64,
    is_of_this_boot: bool,
}

impl Merge {
    pub(super) fn new(info: &Info) -> Merge {
        Merge {
            heads: BinaryHeap::new(),
            top_is_given: false,
            horizon: 0,
            scan: Moment::default(),
            grace: GRACE,
            prefers_order: false,
            last_ticks: 0,
            last_unix_ns: 0,
            ns_per_tick: info.ns_per_tick,
            future_ticks: clock::anchor_life_ticks(info.ns_per_tick) * 10,
            is_of_this_boot: info.is_of_this_boot(),
        }
    }

    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
        self.prefers_order = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The lane whose entry is next, or was given out last.
    #[inline]
    pub(super) fn top(&self) -> Option<u32> {
        self.heads.peek().map(|Reverse((_, lane))| *lane)
    }

    /// The lane whose entry is next, if its time has come.
    #[inline]
    pub(super) fn due(&self) -> Option<u32> {
        let Reverse((ticks, lane)) = self.heads.peek()?;
        (*ticks <= self.horizon).then_some(*lane)
    }

    /// How long the next entry still has to wait; `None` if no lane has an entry.
    pub(super) fn wait(&self) -> Option<Duration> {
        let Reverse((ticks, _)) = self.heads.peek()?;
        let ns = u128::from(ticks.saturating_sub(self.horizon)) * u128::from(self.ns_per_tick);
        Some(Duration::from_nanos((ns >> 32) as u64))
    }

    /// Adds a lane that had no entry and has one now.
    pub(super) fn insert(&mut self, lane: u32, ticks: u64) {
        self.heads.push(Reverse((ticks.min(self.far_future()), lane)));
    }

    /// Gives out the entry of the lane at the top.
    #[inline]
    pub(super) fn give_top(&mut self) -> Option<u32> {
        self.top_is_given = true;
        self.top()
    }

    #[inline]
    pub(super) fn has_given_top(&self) -> bool {
        self.top_is_given
    }

    /// The lane whose entry was given out, once. It is then replaced by [`replace_top`](Self::replace_top).
    #[inline]
    pub(super) fn take_given(&mut self) -> Option<u32> {
        if std::mem::take(&mut self.top_is_given) { self.top() } else { None }
    }

    /// Sets the tick of the top lane's next entry; removes the lane if it has none.
    #[inline]
    pub(super) fn replace_top(&mut self, next: Option<u64>) {
        let far_future = self.far_future();
        let Some(mut top) = self.heads.peek_mut() else { return };
        match next {
            Some(ticks) => top.0.0 = ticks.min(far_future),
            None => _ = PeekMut::pop(top),
        }
    }

    /// Holds back entries younger than this tick until the next scan.
    pub(super) fn hold_back_from(&mut self, ticks: u64) {
        self.horizon = self.horizon.min(ticks);
    }

    /// Begins a scan. Records published after this moment are younger, except those of interrupted log calls.
    pub(super) fn begin_scan(&mut self, moment: Moment) {
        self.scan = moment;
    }

    /// Ends a scan: entries older than its beginning minus a grace may be given out. One lane alone is in order by
    /// itself and needs no grace.
    pub(super) fn end_scan(&mut self, geometry: &Geometry, load: &Load) {
        self.horizon = match () {
            () if !self.is_of_this_boot => u64::MAX,
            () if !load.has_several_lanes => self.scan.ticks,
            () => self.scan.ticks.saturating_sub(self.grace_ticks(geometry, load.free_blocks)),
        };
    }

    /// The grace, shorter the more of the ring is in use: waiting must neither cause drops nor evict the producers'
    /// blocks from their caches.
    fn grace_ticks(&self, geometry: &Geometry, free_blocks: u32) -> u64 {
        let used = u64::from(geometry.block_count - free_blocks.min(geometry.block_count));
        let used_bytes = used * u64::from(geometry.block_bytes);
        let ring_bytes = u64::from(geometry.block_count) * u64::from(geometry.block_bytes);
        let (mut whole, mut none) = (ring_bytes / 4, ring_bytes / 4 * 3);
        if !self.prefers_order {
            (whole, none) = (whole.min(WHOLE_GRACE_BYTES), none.min(NO_GRACE_BYTES));
        }
        let share = none.saturating_sub(used_bytes).min(none - whole) * 1024 / (none - whole).max(1);
        let ns = self.grace.as_nanos().min(u128::from(u64::MAX)) as u64 / 1024 * share;
        let ticks = (u128::from(ns) << 32) / u128::from(self.ns_per_tick.max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// The moment of the last scan, with the latest tick that a record can have. That of an earlier boot may have any.
    pub(super) fn latest(&self) -> Moment {
        let ticks = if self.is_of_this_boot { self.scan.ticks } else { u64::MAX };
        Moment { ticks, ..self.scan }
    }

    #[inline]
    pub(super) fn scan_ticks(&self) -> u64 {
        self.scan.ticks
    }

    /// The latest plausible tick. A time stamp beyond it is damaged and must not delay its lane for ever.
    #[inline]
    fn far_future(&self) -> u64 {
        self.scan.ticks.saturating_add(self.future_ticks)
    }

    /// The time up to which the last scan had found all entries, except those of interrupted log calls.
    pub(super) fn watermark_unix_ns(&self) -> u64 {
        let ticks = self.scan.ticks.saturating_sub(self.horizon);
        let ns = (u128::from(ticks) * u128::from(self.ns_per_tick)) >> 32;
        self.scan.unix_ns.saturating_sub(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// Notes the tick of a record that is given out. Returns whether a younger one was given out before.
    #[inline]
    pub(super) fn note_ticks(&mut self, ticks: u64) -> bool {
        let is_late = ticks < self.last_ticks;
        self.last_ticks = self.last_ticks.max(ticks);
        is_late
    }

    /// The time shown for the entry that was given out last; 0 before the first.
    pub(super) fn last_unix_ns(&self) -> u64 {
        self.last_unix_ns
    }

    /// The time to show for an entry: records of two lanes may come out in the right order with time stamps that
    /// contradict it by the clock's noise.
    #[inline]
    pub(super) fn smooth_unix_ns(&mut self, unix_ns: u64) -> u64 {
        let is_noise = unix_ns < self.last_unix_ns && self.last_unix_ns - unix_ns < NOISE_NS;
        self.last_unix_ns = if is_noise { self.last_unix_ns } else { unix_ns };
        self.last_unix_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::clock::Clock;

    const MS: u64 = 1_000_000;

    fn geometry() -> Geometry {
        Geometry::fit(1 << 20, None, None, None).unwrap()
    }

    /// A merge whose ticks are nanoseconds, after a scan at this tick.
    fn merge_at(ticks: u64, lanes: &[u32], free_blocks: u32) -> Merge {
        let mut merge = Merge::new(&Info::new(geometry(), Clock::Monotonic));
        merge.begin_scan(Moment { ticks, unix_ns: ticks });
        let mut load = Load { free_blocks, ..Load::default() };
        lanes.iter().for_each(|lane| load.add_block_of(*lane));
        merge.end_scan(&geometry(), &load);
        merge
    }

    #[test]
    fn entries_are_due_by_time_and_up_to_the_scan() {
        let mut merge = merge_at(100 * MS, &[3], 0);
        for (lane, ticks) in [(1, 70 * MS), (2, 50 * MS), (3, 101 * MS)] {
            merge.insert(lane, ticks);
        }
        assert_eq!(merge.due(), Some(2));
        merge.give_top();
        assert_eq!((merge.take_given(), merge.take_given()), (Some(2), None));
        merge.replace_top(Some(80 * MS));
        assert_eq!(merge.due(), Some(1));
        merge.replace_top(None);
        assert_eq!(merge.due(), Some(2));
        merge.replace_top(None);
        assert_eq!((merge.top(), merge.due()), (Some(3), None));
        assert_eq!(merge.wait(), Some(Duration::from_millis(1)));
    }

    #[test]
    fn several_lanes_wait_for_the_grace() {
        let blocks = geometry().block_count;
        let horizon = |lanes: &[u32], free| merge_at(100 * MS, lanes, free).watermark_unix_ns();
        assert_eq!(horizon(&[1], blocks), 100 * MS, "one lane is in order by itself");
        assert!((90 * MS..91 * MS).contains(&horizon(&[1, 2], blocks)));
        assert_eq!(horizon(&[1, 2], 0), 100 * MS, "a full ring leaves no time");
    }

    #[test]
    fn entries_held_back_wait_for_the_next_scan() {
        let mut merge = merge_at(100 * MS, &[1], 0);
        merge.insert(1, 60 * MS);
        merge.hold_back_from(50 * MS);
        assert_eq!(merge.due(), None);
        merge.end_scan(&geometry(), &Load::default());
        assert_eq!(merge.due(), Some(1));
    }

    #[test]
    fn a_damaged_time_stamp_waits_a_second_at_most() {
        let mut merge = merge_at(100 * MS, &[1], 0);
        merge.insert(1, u64::MAX);
        assert_eq!(merge.wait(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn times_go_back_only_by_more_than_the_clock_s_noise() {
        let mut merge = merge_at(0, &[], 0);
        let shown = [5_000, 4_001, 4_000, 3_000].map(|unix_ns| merge.smooth_unix_ns(unix_ns));
        assert_eq!(shown, [5_000, 5_000, 4_000, 3_000]);
        assert_eq!([7, 9, 8].map(|ticks| merge.note_ticks(ticks)), [false, false, true]);
    }
}
