//! The one consumer: drains every lane, merges by time, gives blocks back when told to.
//!
//! It owns nothing in the ring. What it knows (how far each block is read, what each lane's next block
//! must be) it keeps privately, and everything it reads is untrusted: each shared word is read once,
//! bounded, and payload is parsed only from a private copy.

mod acks;
mod ahead;
mod cursor;
mod exit_watch;
mod lane_reader;
mod reclaim;
mod requests;
mod scan;

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::os::fork_guard;
use crate::os::futex;
use crate::os::ofd_lock::{self, LockPage};
use crate::os::probe::Probe;
use crate::os::thread;
use crate::reader::dictionary::Dictionary;
use crate::reader::entry::Entry;
use crate::reader::origin::Origin;
use crate::ring::file;
use crate::ring::header::boot_id;
use crate::ring::session::Session;
use crate::shm::block::SharedRing;
use crate::shm::clock::unix_ns;
use crate::shm::layout::{NAME_BYTES, header, lock as lock_byte};

use acks::AckBatch;
use lane_reader::{Given, LaneQueue};
use reclaim::Reclaim;
use scan::BlockCursor;

pub use acks::Mark;
pub use cursor::{Cursor, Step};

/// How long a record waits by default for older ones of threads that were interrupted in a log call.
const GRACE: Duration = Duration::from_millis(10);
/// Least time between two scans.
const SCAN_INTERVAL_MIN: Duration = Duration::from_micros(50);
const NAP_MIN: Duration = Duration::from_micros(50);
const NAP_MAX: Duration = Duration::from_millis(10);
/// From this length on a nap can be ended by a producer; shorter ones are not worth its system call.
const NAP_WAKEABLE: Duration = Duration::from_millis(1);

/// Drains a ring: takes out records, gaps and deaths in the order of their time, and gives the space back when
/// they have been [acknowledged](Self::ack). A ring has one consumer at a time.
///
/// What was taken out but not acknowledged when the consumer ends, the next one gets again.
#[derive(Debug)]
pub struct Consumer {
    session: Arc<Session>,
    session_id: u64,
    lock: LockPage,
    probe: Probe,
    seen: Vec<BlockCursor>,
    lanes: Vec<LaneQueue>,
    /// The lanes that have an entry ready to be merged, by its time.
    heads: BinaryHeap<Reverse<(u64, u32)>>,
    /// The lane at the top of `heads` has handed out its entry.
    handed_out: bool,
    /// Blocks whose progress is to be written at the next acknowledgement, and lanes likewise.
    dirty: Vec<u32>,
    dirty_lanes: Vec<u32>,
    /// Entries given out since the last mark, and since the last acknowledgement.
    unstaged: u64,
    unacknowledged: u64,
    /// What is to be written when a mark is acknowledged, oldest first; and emptied ones.
    stages: VecDeque<AckBatch>,
    spare: Vec<AckBatch>,
    marks: u64,
    persisted: u64,
    late: u64,
    damaged: u64,
    last_ticks: u64,
    last_unix_ns: u64,
    /// Entries up to this tick may be emitted.
    horizon: u64,
    scan_number: u64,
    scans_done: u64,
    scan_ticks: u64,
    scan_unix_ns: u64,
    /// That the last scan has found.
    free_blocks: u32,
    last_scan: Instant,
    grace: Duration,
    prefers_order: bool,
    nap: Duration,
    reclaim: Reclaim,
    dictionary: Dictionary,
    nobody: Arc<Origin>,
    stop_requests_at_start: u64,
    is_of_this_boot: bool,
    boot: [u8; 16],
    previous_consumer_crashed: bool,
}

impl Consumer {
    pub(crate) fn new(session: Arc<Session>) -> Result<Consumer, Error> {
        let path = &session.path;
        let ring = session.ring().ok_or(Error::Forked)?;
        let probe = Probe::open(path, session.identity).map_err(|e| Error::io("probe", path, e))?;
        let Some(lock) = take_lock(&session)? else {
            return Err(Error::ConsumerExists { path: path.clone(), holder: holder(&ring) });
        };
        let geometry = *ring.geometry();
        let stop_requests_at_start = ring.header_word(header::STOP_REQUESTS).load(Ordering::Relaxed);
        let mut consumer = Consumer {
            session_id: session.session_id(),
            lock,
            probe,
            seen: vec![BlockCursor::default(); geometry.block_count as usize],
            lanes: (0..geometry.lane_count).map(|lane| LaneQueue::new(&ring, lane, None)).collect(),
            heads: BinaryHeap::new(),
            handed_out: false,
            dirty: Vec::new(),
            dirty_lanes: Vec::new(),
            unstaged: 0,
            unacknowledged: 0,
            stages: VecDeque::new(),
            spare: Vec::new(),
            marks: 0,
            persisted: ring.header_word(header::CONSUMER_PERSISTED).load(Ordering::Relaxed),
            late: ring.header_word(header::CONSUMER_LATE).load(Ordering::Relaxed),
            damaged: ring.header_word(header::CONSUMER_DAMAGED).load(Ordering::Relaxed),
            last_ticks: 0,
            last_unix_ns: 0,
            horizon: 0,
            scan_number: 0,
            scans_done: 0,
            scan_ticks: 0,
            scan_unix_ns: 0,
            free_blocks: geometry.block_count,
            last_scan: Instant::now(),
            grace: GRACE,
            prefers_order: false,
            nap: NAP_MIN,
            reclaim: Reclaim::new(&ring),
            dictionary: Dictionary::default(),
            nobody: Arc::new(Origin::none()),
            stop_requests_at_start,
            is_of_this_boot: session.info.is_of_this_boot(),
            boot: boot_id(),
            previous_consumer_crashed: false,
            session,
        };
        consumer.previous_consumer_crashed =
            ring.header_word(header::CONSUMER_PID).load(Ordering::Relaxed) != 0;
        consumer.introduce(&ring);
        consumer.take_up(&ring);
        // An earlier consumer may have died after it freed blocks and before it said so; producers that
        // found the ring full would never look again.
        crate::ring::lane::announce_freed(&ring, geometry.block_count.into());
        Ok(consumer)
    }

    /// How long a record waits for older ones of threads that were interrupted in the middle of a log
    /// call; 10 ms by default. What comes later still is emitted late and counted. As the ring fills the
    /// wait shrinks to nothing, so it never costs a record.
    ///
    /// A grace that is chosen is kept to as long as the ring has room; the default one also shrinks when
    /// so much is held back that producers are driven out of their caches.
    pub fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
        self.prefers_order = true;
    }

    /// The next entry, waiting for one up to `timeout`; `None` if there was none.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that made the consumer; [`Error::Truncated`] once the
    /// ring's file has been truncated. What was given out before is good.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Entry<'_>>, Error> {
        let ring = self.ring()?;
        Ok(if self.find(&ring, timeout)? { Some(self.hand_out(&ring)) } else { None })
    }

    /// Looks for an entry whose time has come, up to `timeout`.
    fn find(&mut self, ring: &SharedRing, timeout: Duration) -> Result<bool, Error> {
        self.advance_top(ring);
        // The clock is read only where something has to be waited for.
        let mut deadline = None;
        loop {
            if self.has_entry(ring)? {
                return Ok(true);
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now().checked_add(timeout));
            // Looking at a block in use takes its line away from the producer, so not too often.
            let since_last_scan = self.last_scan.elapsed();
            if since_last_scan < SCAN_INTERVAL_MIN && !timeout.is_zero() {
                std::thread::sleep(SCAN_INTERVAL_MIN - since_last_scan);
            }
            if self.scan(ring) {
                self.nap = NAP_MIN;
            }
            if self.heads.peek().is_some_and(|Reverse((ticks, _))| *ticks <= self.horizon) {
                continue;
            }
            let left = deadline.map_or(Duration::MAX, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(false);
            }
            self.sleep(ring, left);
        }
    }

    /// Whether everything published so far has been given out and acknowledged. Looks afresh.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn is_drained(&mut self) -> Result<bool, Error> {
        let ring = self.ring()?;
        self.advance_top(&ring);
        // What was published before the lanes' entries are read is found by the scans after.
        // Two of them: a lane's next block may be told only after a fresh scan.
        self.remember(&ring);
        self.scan(&ring);
        self.scan(&ring);
        self.tell_remembered(&ring);
        self.refresh_heads(&ring);
        self.check_whole()?;
        let nothing_waits = self.lanes.iter().all(LaneQueue::is_empty);
        Ok(nothing_waits && self.heads.is_empty() && self.unacknowledged == 0)
    }

    /// How many lanes have a living owner.
    ///
    /// # Errors
    /// As for [`next`](Self::next); [`Error::Io`] if the locks cannot be asked for.
    pub fn open_lanes(&self) -> Result<usize, Error> {
        let ring = self.ring()?;
        let mut open = 0;
        for lane in 0..ring.geometry().lane_count {
            if ring.lane_state(lane).open {
                let held = self.probe.is_held(lock_byte::lane(lane));
                open += usize::from(held.map_err(|e| Error::io("probe", &self.session.path, e))?);
            }
        }
        Ok(open)
    }

    /// The ring's file.
    pub fn path(&self) -> &std::path::Path {
        &self.session.path
    }

    /// What the ring's header says.
    pub fn info(&self) -> &crate::admin::Info {
        &self.session.info
    }

    fn ring(&self) -> Result<SharedRing, Error> {
        match self.session.ring() {
            Some(ring) if self.session.session_id() == self.session_id => self.check_whole().map(|()| ring),
            _ => Err(Error::Forked),
        }
    }

    /// Whether everything that was read so far came from the ring's file.
    fn check_whole(&self) -> Result<(), Error> {
        if self.session.is_whole() {
            return Ok(());
        }
        if let Some(ring) = self.session.ring() {
            // So that producers hear of it that touch nothing of what is gone.
            self.session.look_at_size(&ring, &self.probe);
        }
        Err(self.session.truncated())
    }

    /// Writes down who drains.
    fn introduce(&self, ring: &SharedRing) {
        let set = |offset, value| ring.header_word(offset).store(value, Ordering::Relaxed);
        set(header::CONSUMER_PID, std::process::id().into());
        set(header::CONSUMER_SINCE_UNIX_NS, unix_ns());
        for (i, word) in thread::name_words(&thread::process_name()).into_iter().enumerate() {
            debug_assert!(i < NAME_BYTES / 8);
            set(header::CONSUMER_NAME + i * 8, word);
        }
    }

    /// Whether there is an entry whose time has come. What it was made from has come from the file.
    fn has_entry(&mut self, ring: &SharedRing) -> Result<bool, Error> {
        let lane = match self.heads.peek() {
            Some(Reverse((ticks, lane))) if *ticks <= self.horizon => *lane,
            _ => return self.check_whole().map(|()| false),
        };
        if self.lanes[lane as usize].needs_proof() {
            self.session.look_at_size(ring, &self.probe);
        }
        self.check_whole().map(|()| true)
    }

    /// The lane at the top has handed out its entry: let it find its next one.
    fn advance_top(&mut self, ring: &SharedRing) {
        if !std::mem::take(&mut self.handed_out) {
            return;
        }
        let far_future = self.far_future();
        let Some(mut top) = self.heads.peek_mut() else { return };
        let lane = top.0.1;
        let queue = &mut self.lanes[lane as usize];
        queue.take_head(&mut self.seen, &mut self.dirty);
        queue.advance(ring, &mut self.seen, &mut self.dirty, self.scan_number);
        match queue.head_ticks() {
            Some(ticks) => top.0.0 = ticks.min(far_future),
            None => {
                let held_back = queue.held_back_from(self.scan_number);
                PeekMut::pop(top);
                self.horizon = self.horizon.min(held_back.unwrap_or(u64::MAX));
            }
        }
    }

    /// A time stamp beyond this is no time stamp; it must not hold its lane up for ever.
    fn far_future(&self) -> u64 {
        self.scan_ticks
            .saturating_add(crate::shm::clock::anchor_life_ticks(self.session.info.ns_per_tick) * 10)
    }

    /// Gives out the entry of the lane at the top of the heap.
    fn hand_out(&mut self, ring: &SharedRing) -> Entry<'_> {
        self.handed_out = true;
        self.unstaged += 1;
        self.unacknowledged += 1;
        let lane = self.heads.peek().map_or(0, |Reverse((_, lane))| *lane);
        self.mark_dirty(lane);
        let queue = &mut self.lanes[lane as usize];
        self.reclaim.without_lane_given = self.reclaim.without_lane_given.wrapping_add(queue.carried());
        let given = queue.on_hand_out(self.scan_ticks, &mut self.seen, &mut self.dirty);
        // The counters begin with what is in shared memory, so they may be anything.
        match given {
            Given::Record { ticks } => {
                self.persisted = self.persisted.wrapping_add(1);
                self.late = self.late.wrapping_add((ticks < self.last_ticks).into());
                self.last_ticks = self.last_ticks.max(ticks);
            }
            Given::Gap { damaged } => self.damaged = self.damaged.wrapping_add(damaged.into()),
            Given::Died { process } => self.note_told_process(ring, process),
        }
        let mut entry = self.lanes[lane as usize].entry(ring, &mut self.dictionary);
        // Anchors are exact to some ten nanoseconds: records of two lanes may come out in the right
        // order with time stamps that say otherwise. Below a microsecond that is the clock's noise.
        if entry.unix_ns < self.last_unix_ns && self.last_unix_ns - entry.unix_ns < 1_000 {
            entry.unix_ns = self.last_unix_ns;
        }
        self.last_unix_ns = entry.unix_ns;
        entry
    }

    /// The lane's progress is to be written at the next acknowledgement.
    fn mark_dirty(&mut self, lane: u32) {
        if !std::mem::replace(&mut self.lanes[lane as usize].dirty, true) {
            self.dirty_lanes.push(lane);
        }
    }

    /// Naps until something may have happened, `left` at most.
    fn sleep(&mut self, ring: &SharedRing, left: Duration) {
        let mut nap = self.nap.min(left);
        if let Some(Reverse((ticks, _))) = self.heads.peek() {
            // Something only waits for its grace to pass.
            let ns =
                u128::from(ticks.saturating_sub(self.horizon)) * u128::from(self.session.info.ns_per_tick);
            nap = nap.min(Duration::from_nanos((ns >> 32) as u64)).max(NAP_MIN.min(left));
        }
        if nap < NAP_WAKEABLE {
            std::thread::sleep(nap);
        } else {
            let word = ring.header_word(header::SLEEP);
            word.store(1, Ordering::Relaxed);
            // Pairs with the fence in `wake_consumer`: either we see what was published before it, or the
            // producer sees that we sleep.
            crate::shm::sync::fence(Ordering::SeqCst);
            if !self.scan(ring) {
                futex::wait(word, 1, nap);
            }
            word.store(0, Ordering::Relaxed);
        }
        self.nap = (self.nap * 2).min(NAP_MAX);
    }
}

/// The lock of the one consumer; `None` if there is one already.
fn take_lock(session: &Session) -> Result<Option<LockPage>, Error> {
    let path = &session.path;
    let io = |e| Error::io("lock", path, e);
    let _no_fork = fork_guard::block_forks();
    let file = file::reopen(path, session.identity, true).map_err(io)?;
    let file = file.ok_or_else(|| crate::ring::name::no_such_ring("", path))?;
    ofd_lock::hold(&file, lock_byte::CONSUMER, ofd_lock::Mode::Exclusive).map_err(io)
}

/// Who drains the ring, as far as the header tells. For messages, in which a name may not move the cursor.
pub(crate) fn holder(ring: &SharedRing) -> String {
    let words: Vec<u64> = (0..NAME_BYTES / 8)
        .map(|i| ring.header_word(header::CONSUMER_NAME + i * 8).load(Ordering::Relaxed))
        .collect();
    let pid = ring.header_word(header::CONSUMER_PID).load(Ordering::Relaxed);
    format!("{} (pid {pid})", thread::name_from_words(&words).escape_debug())
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // A forked child has a copy of this value, but neither the mapping nor the lock.
        if let Some(ring) = self.session.ring().filter(|_| self.session.session_id() == self.session_id) {
            if self.session.is_whole() {
                ring.header_word(header::CONSUMER_PID).store(0, Ordering::Relaxed);
            }
            #[allow(unsafe_code)]
            // SAFETY: held in `new` in this very session, released once.
            unsafe {
                LockPage::release(self.lock.as_ptr());
            };
        }
    }
}
