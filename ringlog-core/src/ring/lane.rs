//! Opening lanes, each after proof that it has no living owner.
//!
//! The owner of a lane holds its kernel lock as long as it is alive. The process that gets the lock owns the lane and
//! seals the blocks that the last owner left open. No lane is ever taken by time-out.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use crate::os::fork_guard;
use crate::os::ofd_lock::{self, LockPage, Mode};
use crate::os::thread;
use crate::ring::definition_reclaim;
use crate::ring::exit;
use crate::ring::exit_history;
use crate::ring::lane_close;
use crate::ring::private::{ProducerState, status};
use crate::ring::reclaim;
use crate::ring::session::{NO_FILTER, Refusal, Session, ShownFilter};
use crate::ring::thread_lanes;
use crate::shm::block::{BlockId, Phase, SharedRing};
use crate::shm::clock::{Clock, unix_ns};
use crate::shm::lane_entry::LaneState;
use crate::shm::layout::{self, NAME_BYTES, lane as lane_entry, pair};
use crate::shm::words;

/// The calling thread's lane. Opens it, and the process's, if they are not open.
pub(crate) fn open_for_thread<'a>(
    session: &'a Session,
    ring: &SharedRing,
) -> Result<&'a ProducerState, Refusal> {
    let session_id = session.session_id();
    // SAFETY: the lane is used no longer than the session is borrowed.
    if let Some(local) = unsafe { thread_lanes::lane_of(session_id) } {
        return Ok(local);
    }
    let state = session.state();
    state.still_refused()?;
    // A child forked in between finds its parent's process id here, which differs from its own.
    let me = std::process::id();
    if thread_lanes::OPENING.replace(me) == me {
        return Err(Refusal::INTERRUPTED);
    }
    let opened = (|| {
        // SAFETY: as above.
        if let Some(local) = unsafe { thread_lanes::lane_of(session_id) } {
            // A signal handler has opened it since the check above.
            return Ok(local);
        }
        leave_old_lanes(session);
        open_for_process(session, ring)?;
        let local = open(session, ring, false)?;
        if !thread_lanes::remember(session_id, local) {
            lane_close::close(ring, local, session_id);
            return Err(Refusal::LanesTaken);
        }
        exit::close_at_thread_end();
        Ok(local)
    })();
    thread_lanes::OPENING.set(0);
    match opened {
        Ok(_) => state.count_the_uncounted(ring),
        Err(Refusal::INTERRUPTED) => {}
        Err(why) => state.refuse(why),
    }
    opened
}

/// Closes the lanes of the calling thread in other rings that had the session's name before, except those in which a
/// record is being written.
pub(crate) fn leave_old_lanes(session: &Session) {
    let is_left = |local: &ProducerState, session_id: u64| {
        // SAFETY: the session of a lane that is open; slots are never unmapped.
        let of_lane = unsafe { local.session.load(Ordering::Relaxed).as_ref() };
        session_id != session.session_id()
            && local.busy.load(Ordering::Relaxed) == 0
            && of_lane.is_some_and(|of_lane| of_lane.name == session.name)
    };
    thread_lanes::forget_left(is_left, lane_close::close_at_thread_end);
}

/// The process's own lane and its incarnation. Opens it if it is not open.
pub(crate) fn of_process(session: &Session, ring: &SharedRing) -> Result<(u32, u32), Refusal> {
    session.state().still_refused()?;
    open_for_process(session, ring).inspect_err(|why| session.state().refuse(*why))?;
    let local = session.process_lane().ok_or(Refusal::Gone)?;
    Ok((local.lane.load(Ordering::Relaxed), local.incarnation.load(Ordering::Relaxed)))
}

fn open_for_process(session: &Session, ring: &SharedRing) -> Result<(), Refusal> {
    if session.process_lane().is_some() {
        return Ok(());
    }
    let _guard = session.try_lock().ok_or(Refusal::INTERRUPTED)?;
    if session.process_lane().is_none() {
        let local = open(session, ring, true)?;
        let state = session.state();
        state.process_incarnation.store(local.incarnation.load(Ordering::Relaxed), Ordering::Relaxed);
        // Release: a thread that sees the lane sees its incarnation.
        state.process_lane.store(local.lane.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
    Ok(())
}

/// Opens a lane that has no living owner.
fn open<'a>(session: &'a Session, ring: &SharedRing, process: bool) -> Result<&'a ProducerState, Refusal> {
    let (lane, page) = take_lock(session, ring)?;
    Ok(begin(session, ring, lane, page, process))
}

/// Takes the lock of a lane: of a closed one if possible, else of one whose owner is dead. Among these the one with
/// the fewest incarnations comes first, so that no lane's exit history loses old exits too soon.
fn take_lock(session: &Session, ring: &SharedRing) -> Result<(u32, LockPage), Refusal> {
    // After a power cut the lane may have forgotten its last owners, and would give their numbers to new records.
    if session.info.is_of_earlier_boot() {
        return Err(Refusal::Gone);
    }
    let _no_fork = fork_guard::block_forks();
    // Whether the ring is still at its path does not matter here. The name's next look finds out, and until then new
    // threads go on in the same ring as the others.
    let file = session.lock_file.open().map_err(|e| Refusal::of_io(&e))?;
    let file = file.ok_or_else(|| Refusal::without_lock_file(session))?;
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
    // Allocates nothing: this may run in a signal handler.
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

/// Takes over a lane whose lock the caller holds.
fn begin<'a>(
    session: &'a Session,
    ring: &SharedRing,
    lane: u32,
    page: LockPage,
    process: bool,
) -> &'a ProducerState {
    // This process holds the lane lock, so the previous owner is dead; seal the blocks it left open.
    for index in 0..ring.geometry().block_count {
        if let Some(state) = ring.state(index).filter(|s| s.phase == Phase::Open && s.lane == lane) {
            reclaim::seal(ring, index, state);
        }
    }
    definition_reclaim::clear_pins(ring, lane);
    let incarnation = ring.lane_state(lane).incarnation.wrapping_add(1).max(1);
    let word = |offset| ring.lane_word(lane, offset);
    let state = LaneState { incarnation, process, open: true };
    exit_history::record_exit(ring, lane);
    // SYNC PUBLISH of the first block carries these stores; the state word comes last. The owner's name is stored with
    // release: a reader of the previous owner's name that sees the new one sees the copy of the previous one.
    let process_state = session.state();
    let (pid, tid) = (process_state.pid.load(Ordering::Relaxed), thread::id());
    word(lane_entry::PID_TID).store(pair(pid, tid), Ordering::Release);
    word(lane_entry::OPENED_UNIX_NS).store(unix_ns(), Ordering::Relaxed);
    let published = word(lane_entry::PUBLISHED).load(Ordering::Relaxed);
    // Release: a reader that sees this number sees that the last owner's blocks are sealed.
    word(lane_entry::PUBLISHED_AT_OPEN).store(published, Ordering::Release);
    let dropped = word(lane_entry::DROPPED).load(Ordering::Relaxed);
    word(lane_entry::DROPPED_AT_OPEN).store(dropped, Ordering::Relaxed);
    let named = process_state.process_lane.load(Ordering::Acquire).checked_sub(1).unwrap_or(lane);
    let named_incarnation =
        if process { incarnation } else { process_state.process_incarnation.load(Ordering::Relaxed) };
    word(lane_entry::PROCESS).store(pair(named, named_incarnation), Ordering::Release);
    let thread_name = if process { [0; NAME_BYTES / 8] } else { words::padded_words(&thread::name()) };
    for (i, (thread, process)) in thread_name.iter().zip(&process_state.name).enumerate() {
        word(lane_entry::THREAD_NAME + i * 8).store(*thread, Ordering::Release);
        word(lane_entry::PROCESS_NAME + i * 8).store(process.load(Ordering::Relaxed), Ordering::Release);
    }
    write_filter(ring, lane, &if process { session.shown_filter() } else { NO_FILTER });
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
    local.reported.store(dropped, Ordering::Relaxed);
    local.lock_page.store(page.as_ptr(), Ordering::Relaxed);
    local.session.store(std::ptr::from_ref(session).cast_mut(), Ordering::Relaxed);
    local.session_id.store(session.session_id(), Ordering::Relaxed);
    set(&local.is_user, u32::from(!process));
    if !process {
        // The caller uses the session, so it is not over.
        session.state().users.add();
    }
    local.status.store(status::OPEN, Ordering::Release);
    local
}

/// Writes the filter that the process's lane shows, also if that lane is open already.
pub(crate) fn show_filter(session: &Session) {
    // The lock is held while the process lane is opened: the lane is open by now, or its opener will find the filter.
    let _guard = session.try_lock();
    if let (Some(ring), Some(local)) = (session.ring(), session.process_lane()) {
        write_filter(&ring, local.lane.load(Ordering::Relaxed), &session.shown_filter());
    }
}

fn write_filter(ring: &SharedRing, lane: u32, filter: &ShownFilter) {
    for (i, word) in filter.iter().enumerate() {
        ring.lane_word(lane, lane_entry::FILTER + i * 8).store(*word, Ordering::Relaxed);
    }
}

impl ProducerState {
    /// Notes whether the new block is kept for WARN and above: it is a reserved one, or was taken for an urgent record
    /// when no common block was free (`in_need`).
    pub(crate) fn enter(&self, ring: &SharedRing, fresh: BlockId, in_need: bool) {
        let reserved = in_need || fresh.index >= ring.geometry().common_blocks();
        self.reserved.store(reserved.into(), Ordering::Relaxed);
    }

    /// Forgets the open block; a flush may still wait for it.
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
