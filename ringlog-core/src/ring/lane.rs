//! Lanes: opening one by proof that it has no living owner, and closing it.
//!
//! A lane's kernel lock is its owner's life. Whoever gets the lock owns the lane; what the last owner
//! left behind, he seals. Nothing here ever takes a lane by time-out.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use crate::os::fork_guard;
use crate::os::ofd_lock::{self, LockPage, Mode};
use crate::os::thread;
use crate::producer::default_logger;
use crate::ring::exit_history;
use crate::ring::file;
use crate::ring::private::{ProducerState, status};
use crate::ring::reclaim;
use crate::ring::session::{Refusal, Session};
use crate::shm::block::{BlockId, Kind, Phase, SharedRing};
use crate::shm::clock::{Clock, unix_ns};
use crate::shm::layout::{self, block, header, lane as lane_entry, pair};
use crate::shm::sync::AtomicU64;

/// What a lane's entry says of its owner. Whether he lives, only the lock knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneState {
    pub(crate) incarnation: u32,
    /// Stands for a process and owns its definitions.
    pub(crate) process: bool,
    pub(crate) open: bool,
}

impl LaneState {
    pub(crate) const fn word(self) -> u64 {
        pair(self.incarnation, (self.process as u32) << 8 | self.open as u32)
    }

    pub(crate) const fn decode(word: u64) -> LaneState {
        let (incarnation, low) = layout::halves(word);
        LaneState { incarnation, process: low >> 8 & 0xff == 1, open: low & 0xff == 1 }
    }
}

impl SharedRing {
    /// A word of lane `lane`'s entry.
    pub(crate) fn lane_word(&self, lane: u32, offset: usize) -> &AtomicU64 {
        self.memory().word((self.geometry().lanes_offset() + lane as usize * lane_entry::BYTES + offset) / 8)
    }

    /// A word of the file header.
    pub(crate) fn header_word(&self, offset: usize) -> &AtomicU64 {
        self.memory().word(offset / 8)
    }

    /// Whether the ring's file was removed, or truncated under us.
    pub(crate) fn is_gone(&self) -> bool {
        self.header_word(header::FLAGS).load(Ordering::Relaxed) & header::FLAG_RETIRED != 0
            || !self.memory().is_whole()
    }

    pub(crate) fn lane_state(&self, lane: u32) -> LaneState {
        LaneState::decode(self.lane_word(lane, lane_entry::STATE).load(Ordering::Acquire))
    }
}

/// This thread's lane, opened if need be; also the process's.
pub(crate) fn open_for_thread<'a>(
    session: &'a Session,
    ring: &SharedRing,
) -> Result<&'a ProducerState, Refusal> {
    let session_id = session.session_id();
    // SAFETY: the lane is used no longer than the attachment is borrowed.
    if let Some(local) = unsafe { thread::lane_of(session_id) } {
        return Ok(local);
    }
    let state = session.state();
    state.still_refused()?;
    // A child that is forked in the middle finds its parent's mark, which is not its own.
    let me = std::process::id();
    if thread::OPENING.replace(me) == me {
        return Err(Refusal::INTERRUPTED);
    }
    let opened = (|| {
        // SAFETY: as above.
        if let Some(local) = unsafe { thread::lane_of(session_id) } {
            // A signal handler has opened it since we looked.
            return Ok(local);
        }
        open_for_process(session, ring)?;
        let local = open(session, ring, false)?;
        if !thread::remember(session_id, local) {
            close(ring, local, session_id);
            return Err(Refusal::LanesTaken);
        }
        Ok(local)
    })();
    thread::OPENING.set(0);
    match opened {
        Ok(_) => state.count_the_uncounted(ring),
        Err(Refusal::INTERRUPTED) => {}
        Err(why) => state.refuse(why),
    }
    opened
}

/// The process lane's private half, once the process has one.
pub(crate) fn of_process(session: &Session) -> Option<&ProducerState> {
    let lane = session.state().process_lane.load(Ordering::Acquire).checked_sub(1)?;
    Some(session.local(lane))
}

fn open_for_process(session: &Session, ring: &SharedRing) -> Result<(), Refusal> {
    if of_process(session).is_some() {
        return Ok(());
    }
    let _guard = session.try_lock().ok_or(Refusal::INTERRUPTED)?;
    if of_process(session).is_none() {
        let local = open(session, ring, true)?;
        reclaim::look_without_consumer(session, ring);
        let state = session.state();
        state.process_incarnation.store(local.incarnation.load(Ordering::Relaxed), Ordering::Relaxed);
        // Release: who finds the lane finds its incarnation.
        state.process_lane.store(local.lane.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
    Ok(())
}

/// Opens a lane that has no living owner.
fn open<'a>(session: &'a Session, ring: &SharedRing, process: bool) -> Result<&'a ProducerState, Refusal> {
    let (lane, page) = take_lock(session, ring)?;
    Ok(begin(session, ring, lane, page, process))
}

/// Gets the lock of a lane: first of those whose owner closed them, then of those he may have left. Of these
/// the one that has changed hands least often, so that no lane forgets too soon who died in it.
fn take_lock(session: &Session, ring: &SharedRing) -> Result<(u32, LockPage), Refusal> {
    let _no_fork = fork_guard::block_forks();
    let file = file::reopen(&session.path, session.identity, true).map_err(|e| Refusal::of_io(&e))?;
    let file = file.ok_or(Refusal::Gone)?;
    let lanes = 0..ring.geometry().lane_count;
    let try_lane = |lane| match ofd_lock::hold(&file, layout::lock::lane(lane), Mode::Exclusive) {
        Ok(page) => Ok(page.map(|page| (lane, page))),
        Err(error) => Err(Refusal::of_io(&error)),
    };
    for lane in lanes.clone().filter(|lane| !ring.lane_state(*lane).open) {
        if let Some(taken) = try_lane(lane)? {
            return Ok(taken);
        }
    }
    // Nothing is allocated here: this may be a signal handler.
    let age = |lane| (ring.lane_state(lane).incarnation, lane);
    let mut tried = None;
    for _ in lanes.clone() {
        let younger = lanes.clone().map(age).filter(|age| tried.is_none_or(|tried| *age > tried));
        let Some((incarnation, lane)) = younger.min() else { break };
        tried = Some((incarnation, lane));
        if ring.lane_state(lane).open
            && let Some(taken) = try_lane(lane)?
        {
            return Ok(taken);
        }
    }
    Err(Refusal::LanesTaken)
}

/// Takes over a lane whose lock we hold.
fn begin<'a>(
    session: &'a Session,
    ring: &SharedRing,
    lane: u32,
    page: LockPage,
    process: bool,
) -> &'a ProducerState {
    // What the last owner left open is his no more: we hold the lock, so he is dead.
    for index in 0..ring.geometry().block_count {
        if let Some(state) = ring.state(index).filter(|s| s.phase == Phase::Open && s.lane == lane) {
            reclaim::seal(ring, index, state);
        }
    }
    let incarnation = ring.lane_state(lane).incarnation.wrapping_add(1).max(1);
    let word = |offset| ring.lane_word(lane, offset);
    let state = LaneState { incarnation, process, open: true };
    exit_history::leave_word(ring, lane);
    // SYNC PUBLISH of the first block carries these stores; the state word comes last. What says who owns the
    // lane is released for those who still want to know who did: they see that word has been left of him.
    let process_state = session.state();
    let (pid, tid) = (process_state.pid.load(Ordering::Relaxed), thread::id());
    word(lane_entry::PID_TID).store(pair(pid, tid), Ordering::Release);
    word(lane_entry::OPENED_UNIX_NS).store(unix_ns(), Ordering::Relaxed);
    let published = word(lane_entry::PUBLISHED).load(Ordering::Relaxed);
    // Release: who sees this number sees also that the last owner's blocks are sealed.
    word(lane_entry::PUBLISHED_AT_OPEN).store(published, Ordering::Release);
    let dropped = word(lane_entry::DROPPED).load(Ordering::Relaxed);
    word(lane_entry::DROPPED_AT_OPEN).store(dropped, Ordering::Relaxed);
    let named = process_state.process_lane.load(Ordering::Acquire).checked_sub(1).unwrap_or(lane);
    let named_incarnation =
        if process { incarnation } else { process_state.process_incarnation.load(Ordering::Relaxed) };
    word(lane_entry::PROCESS).store(pair(named, named_incarnation), Ordering::Release);
    let thread_name = thread::name_words(&if process { String::new() } else { thread::name() });
    for (i, (thread, process)) in thread_name.iter().zip(&process_state.name).enumerate() {
        word(lane_entry::THREAD_NAME + i * 8).store(*thread, Ordering::Release);
        word(lane_entry::PROCESS_NAME + i * 8).store(process.load(Ordering::Relaxed), Ordering::Release);
    }
    write_filter(
        ring,
        lane,
        &if process { default_logger::shown_filter(session) } else { Default::default() },
    );
    word(lane_entry::STATE).store(state.word(), Ordering::Release);
    let local = session.local(lane);
    let set = |field: &std::sync::atomic::AtomicU32, value| field.store(value, Ordering::Relaxed);
    set(&local.busy, 0);
    set(&local.records, 0);
    set(&local.lane, lane);
    set(&local.incarnation, incarnation);
    set(&local.tid, tid);
    set(&local.clock_inlined, u32::from(session.info.clock == Clock::INLINED));
    set(&local.reserved, 0);
    set(&local.search, 0);
    local.leave_block();
    for field in [&local.committed, &local.chain, &local.sequence, &local.anchor_due, &local.anchor_ticks] {
        field.store(0, Ordering::Relaxed);
    }
    for full_at in &local.full_at {
        full_at.store(u64::MAX, Ordering::Relaxed);
    }
    local.told.store(dropped, Ordering::Relaxed);
    local.lock_page.store(page.as_ptr(), Ordering::Relaxed);
    local.session.store(std::ptr::from_ref(session).cast_mut(), Ordering::Relaxed);
    local.session_id.store(session.session_id(), Ordering::Relaxed);
    local.status.store(status::OPEN, Ordering::Release);
    local
}

/// Shows the process's own filter in its lane.
pub(crate) fn write_filter(ring: &SharedRing, lane: u32, filter: &[u64; lane_entry::FILTER_BYTES / 8]) {
    for (i, word) in filter.iter().enumerate() {
        ring.lane_word(lane, lane_entry::FILTER + i * 8).store(*word, Ordering::Relaxed);
    }
}

/// Closes a lane of this session, or waits until the thread that is closing it has done so. Whoever
/// calls knows that nothing is being pushed on it.
pub(crate) fn close(ring: &SharedRing, local: &ProducerState, session_id: u64) {
    if local.session_id.load(Ordering::Acquire) != session_id {
        return;
    }
    let claim =
        local.status.compare_exchange(status::OPEN, status::CLOSING, Ordering::AcqRel, Ordering::Acquire);
    match claim {
        Ok(_) => finish(ring, local),
        Err(status::CLOSING) => {
            while local.status.load(Ordering::Acquire) == status::CLOSING {
                std::thread::yield_now();
            }
        }
        Err(_) => {}
    }
}

/// Closes a lane whose thread is ending.
pub(crate) fn close_at_thread_end(local: &ProducerState, session_id: u64) {
    match claim(local, session_id) {
        Some(Some(ring)) => finish(&ring, local),
        Some(None) => local.status.store(status::CLOSED, Ordering::Release),
        None => {}
    }
}

/// The process runs its exit handlers: what its lanes leave open from here on is no death. Threads may
/// still be logging, so the lane keeps its lock, and the process its definitions, to the very end.
pub(crate) fn end_process(local: &ProducerState, session_id: u64) {
    if let Some(ring) = claim(local, session_id) {
        if let Some(ring) = ring {
            say_closed(&ring, local.lane.load(Ordering::Relaxed));
        }
        local.status.store(status::OPEN, Ordering::Release);
    }
}

/// Moves an open lane of this session to CLOSING. The attachment may be going at the same time: it waits
/// until the lane is moved on, so its ring, if it still has one, stays until then.
fn claim(local: &ProducerState, session_id: u64) -> Option<Option<SharedRing>> {
    if local.session_id.load(Ordering::Acquire) != session_id {
        return None;
    }
    local.status.compare_exchange(status::OPEN, status::CLOSING, Ordering::AcqRel, Ordering::Acquire).ok()?;
    // SAFETY: set with the lane, and the attachment does not go before we leave CLOSING.
    let session = unsafe { &*local.session.load(Ordering::Relaxed) };
    Some(session.ring())
}

fn say_closed(ring: &SharedRing, lane: u32) {
    let state = ring.lane_state(lane);
    ring.lane_word(lane, lane_entry::STATE)
        .store(LaneState { open: false, ..state }.word(), Ordering::Release);
}

/// The caller has moved the lane to CLOSING.
fn finish(ring: &SharedRing, local: &ProducerState) {
    let lane = local.lane.load(Ordering::Relaxed);
    for limit in &local.limit {
        limit.store(0, Ordering::Relaxed);
    }
    if let Some(block) = local.block() {
        local.count_block(ring);
        // SYNC SEAL carries it.
        ring.block_word(block.index, block::CLOSED).store(1, Ordering::Relaxed);
        ring.seal(block, lane, Kind::Records);
    }
    say_closed(ring, lane);
    wake_consumer(ring);
    let page = local.lock_page.swap(std::ptr::null_mut(), Ordering::Relaxed);
    local.session_id.store(0, Ordering::Release);
    local.status.store(status::CLOSED, Ordering::Release);
    // The lock last: from here on the private half may be that of another thread of this process.
    if !page.is_null() {
        // SAFETY: this session's own lock page, swapped out so that it is released once.
        unsafe { LockPage::release(page) };
    }
}

impl ProducerState {
    /// Notes whether lower levels are kept out of the block that is being begun: it is a reserved one, or
    /// was taken for an urgent record when those were `in_need`.
    pub(crate) fn enter(&self, ring: &SharedRing, fresh: BlockId, in_need: bool) {
        let reserved = in_need || fresh.index >= ring.geometry().common_blocks();
        self.reserved.store(reserved.into(), Ordering::Relaxed);
    }

    /// There is no open block any more; a flush may still wait for the last one.
    pub(crate) fn leave_block(&self) {
        if self.block().is_some() {
            self.last_block.store(self.block.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.block.store(0, Ordering::Relaxed);
        self.limit[0].store(0, Ordering::Relaxed);
        self.limit[1].store(0, Ordering::Relaxed);
    }

    /// Adds the open block's records to what the lane has published.
    pub(crate) fn count_block(&self, ring: &SharedRing) {
        let records = u64::from(self.records.swap(0, Ordering::Relaxed));
        let lane = self.lane.load(Ordering::Relaxed);
        // The lane's owner is the only writer of the count.
        let count = ring.lane_word(lane, lane_entry::PUBLISHED);
        count.store(count.load(Ordering::Relaxed).wrapping_add(records), Ordering::Relaxed);
        self.sequence.store(self.sequence.load(Ordering::Relaxed).wrapping_add(records), Ordering::Relaxed);
    }
}

/// Wakes the consumer if it naps. Called when a block changes, at a flush, and for ERROR and above;
/// the record path never looks at the sleep word, because the consumer writes it.
pub(crate) fn wake_consumer(ring: &SharedRing) {
    // Pairs with the fence in the consumer's nap: it either sees what was published before this, or we
    // see that it sleeps.
    crate::shm::sync::fence(Ordering::SeqCst);
    let sleep = ring.header_word(header::SLEEP);
    if sleep.load(Ordering::Relaxed) != 0 {
        sleep.store(0, Ordering::Relaxed);
        crate::os::futex::wake(sleep, 1);
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
        crate::os::futex::wake(word, i32::MAX);
    }
}
