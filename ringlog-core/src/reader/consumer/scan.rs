//! Looking at the ring: all blocks, then all lanes, and naps between two looks.

use std::time::{Duration, Instant};

use super::Consumer;
use super::lanes::Placement;
use super::merge::Load;
use super::moment::Moment;
use crate::error::Error;
use crate::os::futex;
use crate::shm::block::{Kind, Phase, SharedRing, State};
use crate::shm::clock::{self, unix_ns};
use crate::shm::layout::header;
use crate::shm::sync::{self, Ordering};

/// Least time between two scans.
const SCAN_INTERVAL_MIN: Duration = Duration::from_micros(50);
const NAP_MIN: Duration = Duration::from_micros(50);
const NAP_MAX: Duration = Duration::from_millis(10);
/// From this length on a nap can be ended by a producer; shorter ones are not worth its system call.
const NAP_WAKEABLE: Duration = Duration::from_millis(1);

/// The scans so far, and the next nap.
#[derive(Debug)]
pub(super) struct Scans {
    started: u64,
    finished: u64,
    /// When the last one began.
    last: Instant,
    /// Blocks that the last one found free.
    free_blocks: u32,
    /// Doubles as long as nothing happens.
    nap: Duration,
}

impl Scans {
    pub(super) fn new(block_count: u32) -> Scans {
        let (last, free_blocks) = (Instant::now(), block_count);
        Scans { started: 0, finished: 0, last, free_blocks, nap: NAP_MIN }
    }

    pub(super) fn have_begun(&self) -> bool {
        self.started > 0
    }

    /// The number of the present scan, or of the last one.
    #[inline]
    pub(super) fn number(&self) -> u64 {
        self.started
    }

    pub(super) fn finished(&self) -> u64 {
        self.finished
    }

    pub(super) fn free_blocks(&self) -> u32 {
        self.free_blocks
    }

    /// How long to wait before the next scan: looking at a block in use takes its line away from the producer.
    fn pause(&self) -> Duration {
        SCAN_INTERVAL_MIN.saturating_sub(self.last.elapsed())
    }
}

impl Consumer {
    /// Looks for an entry whose time has come, up to `timeout`.
    pub(super) fn find(&mut self, ring: &SharedRing, timeout: Duration) -> Result<bool, Error> {
        self.advance_top(ring);
        // The clock is read only where something has to be waited for.
        let mut deadline = None;
        loop {
            if self.has_entry(ring)? {
                return Ok(true);
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now().checked_add(timeout));
            let pause = self.scans.pause();
            if !pause.is_zero() && !timeout.is_zero() {
                std::thread::sleep(pause);
            }
            if self.scan(ring) {
                self.scans.nap = NAP_MIN;
            }
            if self.merge.due().is_some() {
                continue;
            }
            let left = deadline.map_or(Duration::MAX, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(false);
            }
            self.nap(ring, left);
        }
    }

    /// Whether there is an entry whose time has come. Proves that what it was made from came from the file.
    pub(super) fn has_entry(&mut self, ring: &SharedRing) -> Result<bool, Error> {
        let due = self.merge.due();
        if let Some(lane) = due
            && self.lanes.reader_mut(lane).take_unchecked()
        {
            self.session.look_at_size(ring);
        }
        self.check_whole().map(|()| due.is_some())
    }

    /// Lets the lane whose entry was given out find its next one.
    pub(super) fn advance_top(&mut self, ring: &SharedRing) {
        let Some(lane) = self.merge.take_given() else { return };
        let reader = self.lanes.reader_mut(lane);
        reader.drop_head(&mut self.blocks);
        reader.advance(ring, &mut self.blocks, self.scans.number());
        let next = reader.head_ticks();
        self.merge.replace_top(next);
        if next.is_none()
            && let Some(ticks) = reader.held_back_from(self.scans.number())
        {
            self.merge.hold_back_from(ticks);
        }
    }

    /// Looks at every block, lets the lanes find their next entries, and sets up to which time entries may be given
    /// out. Returns whether anything new was found.
    pub(super) fn scan(&mut self, ring: &SharedRing) -> bool {
        self.scans.started += 1;
        // The clock first: what is published after this is younger, but for interrupted log calls.
        let ticks = self.session.info.clock.ticks();
        // The loads of the scan come after the clock read.
        clock::settle();
        self.scans.last = Instant::now();
        let unix_ns = unix_ns();
        self.merge.begin_scan(Moment { ticks, unix_ns });
        ring.header_word(header::CONSUMER_BEAT_UNIX_NS).store(unix_ns, Ordering::Relaxed);
        self.watch_exits(ring);
        let (load, has_grown) = self.look_at_blocks(ring);
        self.scans.finished = self.scans.started;
        self.scans.free_blocks = load.free_blocks;
        self.merge.end_scan(ring.geometry(), &load);
        let heads = self.merge.len();
        self.refresh_heads(ring);
        let has_progress = self.blocks.has_progress() || self.lanes.has_progress();
        if self.acks.are_complete() && !self.merge.has_given_top() && has_progress {
            // Blocks and exits without anything to give out: those need no acknowledgement.
            let mark = self.mark();
            self.acks.acknowledge(ring, mark, &mut self.blocks);
        }
        has_grown || self.merge.len() > heads
    }

    fn look_at_blocks(&mut self, ring: &SharedRing) -> (Load, bool) {
        let (mut load, mut has_grown) = (Load::default(), false);
        for index in 0..ring.geometry().block_count {
            match ring.state(index) {
                Some(State { phase: Phase::Free, .. }) => load.free_blocks += 1,
                Some(state) if state.kind == Kind::Records => {
                    load.add_block_of(state.lane);
                    has_grown |= self.look_at_block(ring, index, state);
                }
                _ => {}
            }
        }
        (load, has_grown)
    }

    fn look_at_block(&mut self, ring: &SharedRing, index: u32, state: State) -> bool {
        let news = self.blocks.observe(ring, index, state);
        if let Some(lane) = news.lost_by {
            self.lanes.lose_block(lane, index);
        }
        if let Some(block) = news.found {
            self.exits.meet(ring, &self.probe, block.process());
            match self.lanes.place(ring, block, state.lane) {
                Placement::Queued => {}
                Placement::PassedOver => self.blocks.skip(index),
                Placement::Damaged => {
                    self.totals.count_damage();
                    self.blocks.skip(index);
                }
            }
        }
        news.has_grown
    }

    /// Lets every lane without an entry look for its next one.
    pub(super) fn refresh_heads(&mut self, ring: &SharedRing) {
        let scan = self.scans.number();
        let latest = self.merge.latest();
        let mut has_passed_over = false;
        let mut next = self.lanes.next_busy(0);
        while let Some(lane) = next {
            next = self.lanes.next_busy(lane + 1);
            let reader = self.lanes.reader_mut(lane);
            reader.set_scan(latest);
            if reader.head_ticks().is_some() {
                continue;
            }
            reader.advance(ring, &mut self.blocks, scan);
            has_passed_over |= reader.has_passed_over();
            if let Some(ticks) = reader.head_ticks() {
                self.merge.insert(lane, ticks);
            } else if let Some(ticks) = reader.held_back_from(scan) {
                self.merge.hold_back_from(ticks);
            } else if reader.is_resting() {
                self.lanes.rest(lane);
            }
        }
        if has_passed_over {
            self.lanes.mark_passed_over();
        }
    }

    /// Looks for dead owners, if it is time to. A probe is a system call, so this is not done with every scan.
    fn watch_exits(&mut self, ring: &SharedRing) {
        if self.exits.take_due() {
            self.session.look_at_size(ring);
            self.watch_name(ring);
            self.exits.look_at_processes(ring, &self.probe);
            self.exits.report(ring, &mut self.lanes, self.scans.finished());
            self.exits.take_snapshots(ring, &self.lanes, &self.probe, self.scans.finished());
            self.exits.reclaim(ring, &self.probe);
        }
    }

    /// Naps until something may have happened, `left` at most.
    fn nap(&mut self, ring: &SharedRing, left: Duration) {
        let mut nap = self.scans.nap.min(left);
        if let Some(wait) = self.merge.wait() {
            // An entry only waits for its grace to pass.
            nap = nap.min(wait).max(NAP_MIN.min(left));
        }
        if nap < NAP_WAKEABLE {
            std::thread::sleep(nap);
        } else {
            self.sleep(ring, nap);
        }
        self.scans.nap = (self.scans.nap * 2).min(NAP_MAX);
    }

    /// Sleeps until a producer wakes the consumer, `most` at most. Not if another scan finds something.
    pub(super) fn sleep(&mut self, ring: &SharedRing, most: Duration) {
        let word = ring.header_word(header::SLEEP);
        word.store(1, Ordering::Relaxed);
        // Pairs with the fence in `wake_consumer`: either we see what was published before it, or the
        // producer sees that we sleep.
        sync::fence(Ordering::SeqCst);
        if !self.scan(ring) {
            futex::wait(word, 1, most);
        }
        word.store(0, Ordering::Relaxed);
    }
}
