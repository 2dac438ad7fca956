//! The slow path of a record: no lane is open, its block is full, a gap has to be reported, an anchor renewed, a record
//! is logged inside a record, or needs several blocks. Nothing here allocates: a signal handler may log.

#![allow(unsafe_code)]

mod attempts;
mod blocks;
mod free_blocks;
mod long;
mod prepare;

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use self::attempts::Attempts;
pub(crate) use self::prepare::{count_refused, keep_pages, prepare};
use crate::error::PushError;
use crate::os::thread;
use crate::producer::definitions;
use crate::record::described::Described;
use crate::record::prepared::Prepared;
use crate::record::record_trait::Record;
use crate::record::text::TEXT;
use crate::ring::by_name::Named;
use crate::ring::lane;
use crate::ring::private::{Busy, ProducerState};
use crate::ring::session::{Refusal, Session};
use crate::ring::slot::Use;
use crate::ring::thread_lanes;
use crate::shm::block::{BlockId, Kind, SharedRing};
use crate::shm::clock::{Anchor, anchor_life_ticks};
use crate::shm::drops::{DropReason, Drops, LanelessDrops, LanelessReason};
use crate::shm::layout::{BLOCK_HEADER_SLOTS, block, header, lane as lane_entry, pair};
use crate::shm::overflow::Overflow;
use crate::shm::record_header::{Header, control, kind, slots_for};
use crate::shm::wakeup;

/// Pushes `record` in any state of the lane. Its length is known: see [`prepare()`].
pub(crate) fn push(
    named: &Named,
    record: &dyn Record,
    flags: u8,
    overflow: Option<Overflow>,
) -> Result<(), PushError> {
    push_with(named, record, flags, overflow, None)
}

/// Pushes `record`, and waits for room up to `patience` as long as `goes_on` is true.
pub(crate) fn push_while(
    named: &Named,
    record: &dyn Record,
    patience: Duration,
    goes_on: &dyn Fn() -> bool,
) -> Result<(), PushError> {
    push_with(named, record, 0, Some(Overflow::Block(patience)), Some(goes_on))
}

fn push_with(
    named: &Named,
    record: &dyn Record,
    flags: u8,
    overflow: Option<Overflow>,
    goes_on: Option<&dyn Fn() -> bool>,
) -> Result<(), PushError> {
    let attempts = Attempts::new(goes_on);
    loop {
        let result = push_once(named, record, flags, overflow, &attempts);
        if !attempts.has_moved.take() {
            return result;
        }
    }
}

/// The present session and its ring. A record for which there is none is counted.
fn enter(named: &Named) -> Result<(Use<'_>, SharedRing), PushError> {
    let session = named.session_for_record().map_err(|why| refuse_without_ring(named, why))?;
    match session.ring() {
        Some(ring) => Ok((session, ring)),
        None => Err(refuse_without_ring(named, Refusal::Gone)),
    }
}

/// The thread's lane. A thread that gets none has its record counted. Leaves lanes in rings of the same name that were
/// replaced.
fn open_lane<'a>(
    named: &Named,
    session: &'a Session,
    ring: &SharedRing,
) -> Result<&'a ProducerState, PushError> {
    let without_lane = |why: Refusal| {
        session.state().count_without_lane(Some(ring), why);
        why.of_push()
    };
    let local = lane::open_for_thread(session, ring).map_err(without_lane)?;
    if named.has_old_sessions() {
        lane::leave_old_lanes(session);
        // Otherwise the next look at the path does it: this is a system call or more.
        if thread_lanes::take_has_left() {
            named.settle();
        }
    }
    Ok(local)
}

fn push_once(
    named: &Named,
    record: &dyn Record,
    flags: u8,
    overflow: Option<Overflow>,
    attempts: &Attempts<'_>,
) -> Result<(), PushError> {
    let (session, ring) = enter(named)?;
    let local = open_lane(named, &session, &ring)?;
    if local.busy.load(Ordering::Relaxed) == 0 {
        local.busy.store(1, Ordering::Relaxed);
        let _busy = Busy(local);
        return Push::new(named, &session, &ring, local, overflow, attempts).record(record, flags);
    }
    // A record inside a record: from a signal handler, or a `Display` that logs. It is encoded while no lane is held,
    // and then copied into a block of the process lane. What its own arguments log goes the same way.
    if !record.inferred().is_encoded {
        let prepared = Prepared::new(record).inspect_err(|why| local.count_dropped(&ring, *why))?;
        return push(named, &prepared, flags, overflow);
    }
    match session.process_lane() {
        Some(spare) if take_spare(spare) => {
            let _busy = Busy(spare);
            let push = Push::new(named, &session, &ring, spare, Some(Overflow::Drop), attempts);
            Push { nested: true, ..push }.record(record, flags)
        }
        other => {
            other.unwrap_or(local).count_dropped(&ring, PushError::Nested);
            Err(PushError::Nested)
        }
    }
}

/// Counts a record for which there is no ring. No shorter record may find room in the open block of the last one.
fn refuse_without_ring(named: &Named, why: Refusal) -> PushError {
    match why {
        Refusal::Gone => named.refuse_without_ring(),
        _ => named.session().state().count_without_lane(None, why),
    }
    // SAFETY: used within this call only, on a lane of this thread that is open.
    if let Some(local) = unsafe { thread_lanes::lane_of(named.session().session_id()) } {
        local.leave_record_path();
    }
    why.of_push()
}

/// How often a nested record tries to get the process lane, and the pause between later tries. Other threads hold it
/// for the copy of a record.
const SPARE_TRIES: u32 = 500;
const SPARE_PAUSE: Duration = Duration::from_micros(50);

/// Takes the process lane for a nested record. Fails where this thread has it: a signal handler has interrupted it.
fn take_spare(spare: &ProducerState) -> bool {
    let me = thread::id();
    for attempt in 0..SPARE_TRIES {
        match spare.busy.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(holder) if holder == me => return false,
            Err(_) if attempt < 100 => std::hint::spin_loop(),
            Err(_) => std::thread::sleep(SPARE_PAUSE),
        }
    }
    false
}

impl ProducerState {
    /// Counts one refused record.
    fn count_dropped(&self, ring: &SharedRing, why: PushError) {
        let reason = match why {
            PushError::Nested => DropReason::Nested,
            PushError::TooLarge { .. } | PushError::Mismatch => DropReason::Unfit,
            // Counted for all lanes together: it is rare, and a lane has no word for it.
            PushError::System(errno) => {
                return LanelessDrops::count(ring, 1, LanelessReason::System(errno));
            }
            // A ring that is gone is read by no consumer.
            PushError::Full | PushError::NoLane | PushError::Gone => DropReason::Full,
        };
        Drops::count(ring, self.lane.load(Ordering::Relaxed), reason);
        // The next record has to report a gap, which only the slow path does.
        self.leave_record_path();
    }

    /// Sends the next record to the slow path.
    fn leave_record_path(&self) {
        self.limit[0].store(0, Ordering::Relaxed);
        self.limit[1].store(0, Ordering::Relaxed);
    }
}

/// Whether a record that is too large is to be logged as text: a statement, and a record that only its definition
/// makes too large.
pub(crate) fn fits_as_text(record: &dyn Record, limit: usize) -> bool {
    record.inferred().has_message || record.payload_bytes() <= limit
}

/// One push on a lane whose `busy` flag the caller holds.
struct Push<'a> {
    named: &'a Named,
    session: &'a Session,
    ring: &'a SharedRing,
    local: &'a ProducerState,
    overflow: Option<Overflow>,
    nested: bool,
    attempts: &'a Attempts<'a>,
    /// Blocks given back by the last failed attempt, which must not wake this attempt.
    given_back: Cell<u64>,
}

impl<'a> Push<'a> {
    fn new(
        named: &'a Named,
        session: &'a Session,
        ring: &'a SharedRing,
        local: &'a ProducerState,
        overflow: Option<Overflow>,
        attempts: &'a Attempts<'a>,
    ) -> Push<'a> {
        Push { named, session, ring, local, overflow, attempts, nested: false, given_back: Cell::new(0) }
    }

    fn record(&self, record: &dyn Record, flags: u8) -> Result<(), PushError> {
        let urgent = record.level().is_urgent();
        let place = |record: &dyn Record, definition| {
            self.place(record, flags | record.inferred().flags, definition, urgent)
        };
        let result = match definitions::id_of(self.session, self.ring, record) {
            Some(definition) => place(record, definition),
            None => place(&Described::new(record), TEXT),
        };
        match result {
            // The caller logs it again, as text.
            Err(PushError::TooLarge { limit, .. }) if fits_as_text(record, limit) => {}
            Err(PushError::Gone) if self.begins_again() => {}
            Err(why) => self.local.count_dropped(self.ring, why),
            Ok(()) => {}
        }
        result
    }

    /// Whether it is known without a search that the ring has no room even for a short record.
    fn finds_no_room(&self, urgent: bool) -> bool {
        let policy = || self.overflow.unwrap_or_else(|| self.session.overflow(self.ring));
        let freed = self.ring.header_word(header::FREED).load(Ordering::Acquire);
        let full_at = self.local.full_at[usize::from(urgent)].load(Ordering::Relaxed);
        self.limit(urgent) <= self.next() && full_at == freed && policy() == Overflow::Drop
    }

    /// Whether the record begins again, in a ring that has taken the place of this one.
    fn begins_again(&self) -> bool {
        let moves_left = self.attempts.moves_left.get();
        let has_moved = moves_left > 0 && !self.named.is_current(self.session);
        self.attempts.moves_left.set(moves_left.saturating_sub(1));
        self.attempts.has_moved.set(has_moved);
        has_moved
    }

    fn place(&self, record: &dyn Record, flags: u8, definition: u32, urgent: bool) -> Result<(), PushError> {
        let bytes = record.payload_bytes();
        let slots = slots_for(bytes);
        let limit = self.ring.geometry().record_limit();
        if bytes > limit {
            return Err(PushError::TooLarge { bytes, limit });
        }
        // Decided once: a control record that falls due later would take the record's room.
        let (gap, anchor) = (self.gap_due(), self.anchor_is_due());
        let controls = u32::from(gap) + u32::from(anchor);
        if self.limit(urgent).saturating_sub(self.next()) >= slots + controls {
            self.write_controls(gap, anchor);
        } else if slots > self.room_in_fresh_block() {
            return self.push_long(record, bytes, flags, definition, urgent);
        } else {
            // The fresh block's header holds gap and anchor.
            self.change_block(self.waiting(|| self.take_one(urgent))?, urgent);
        }
        let ticks = self.session.info.clock.ticks();
        let header = Header { definition, length: bytes as u32, flags: kind::RECORD | flags, ticks };
        // SAFETY: the caller holds `busy`, and there is room: in the old block by the test above, in a
        // fresh one because `slots` fit and it holds nothing yet.
        let written = unsafe { self.local.write(self.next(), slots, header, |out| record.encode(out)) };
        if written != bytes {
            return Err(PushError::Mismatch);
        }
        // SAFETY: as above.
        unsafe { self.local.publish(self.next() + slots) };
        let records = self.local.records.load(Ordering::Relaxed);
        self.local.records.store(records.wrapping_add(1), Ordering::Relaxed);
        self.restore_limits();
        Ok(())
    }

    fn next(&self) -> u32 {
        self.local.next()
    }

    /// The slot at which a record must end in the open block; 0 without an open block.
    fn limit(&self, urgent: bool) -> u32 {
        let geometry = self.ring.geometry();
        match (self.local.block(), urgent) {
            (None, _) => 0,
            (Some(_), true) => geometry.block_slots(),
            (Some(_), false) if self.local.reserved.load(Ordering::Relaxed) != 0 => 0,
            (Some(_), false) => geometry.block_slots() - geometry.headroom_slots,
        }
    }

    /// A long record of any level may use the headroom of a block that holds nothing else.
    fn room_in_fresh_block(&self) -> u32 {
        self.ring.geometry().block_slots() - BLOCK_HEADER_SLOTS
    }

    /// Opens the record path again, if every gap is reported.
    fn restore_limits(&self) {
        if self.drops().all == self.local.reported.load(Ordering::Relaxed) && !self.nested {
            self.local.limit[0].store(self.limit(false), Ordering::Relaxed);
            self.local.limit[1].store(self.limit(true), Ordering::Relaxed);
        }
    }

    fn drops(&self) -> Drops {
        Drops::read(self.ring, self.local.lane.load(Ordering::Relaxed))
    }

    fn gap_due(&self) -> bool {
        self.drops().all != self.local.reported.load(Ordering::Relaxed)
    }

    fn anchor_is_due(&self) -> bool {
        self.session.info.clock.ticks() >= self.local.anchor_due.load(Ordering::Relaxed)
    }

    /// Reports a gap and renews the anchor. The caller has made sure of a slot for each.
    fn write_controls(&self, gap: bool, anchor: bool) {
        if gap {
            let drops = self.drops();
            self.write_control(control::GAP, &[drops.all, drops.reasons]);
            self.local.reported.store(drops.all, Ordering::Relaxed);
        }
        if anchor {
            let Anchor { ticks, unix_ns, ns_per_tick } = self.renew_anchor();
            self.write_control(control::ANCHOR, &[ticks, unix_ns, ns_per_tick]);
        }
    }

    fn write_control(&self, code: u32, words: &[u64]) {
        let ticks = self.session.info.clock.ticks();
        let header = Header { definition: code, length: words.len() as u32 * 8, flags: kind::CONTROL, ticks };
        // SAFETY: the caller holds `busy`, and a control record takes one slot, which `place` has
        // made sure of.
        unsafe {
            self.local.write(self.next(), 1, header, |out| words.iter().for_each(|w| out.put_u64(*w)));
            self.local.publish(self.next() + 1);
        }
    }

    fn renew_anchor(&self) -> Anchor {
        let info = &self.session.info;
        let anchor = Anchor::now(info.clock, info.rate().ns_per_tick());
        self.local.anchor_ticks.store(anchor.ticks, Ordering::Relaxed);
        self.local.anchor_unix_ns.store(anchor.unix_ns, Ordering::Relaxed);
        self.local.ns_per_tick.store(anchor.ns_per_tick, Ordering::Relaxed);
        let due = anchor.ticks.saturating_add(anchor_life_ticks(anchor.ns_per_tick));
        self.local.anchor_due.store(due, Ordering::Relaxed);
        anchor
    }

    /// Seals the open block and continues in `fresh`, which the caller has taken.
    fn change_block(&self, fresh: BlockId, urgent: bool) {
        self.seal_open_block();
        self.begin_block(fresh, urgent);
        self.restore_limits();
        wakeup::wake_consumer(self.ring);
    }

    fn seal_open_block(&self) {
        let local = self.local;
        if let Some(block) = local.block() {
            local.count_block(self.ring);
            self.ring.seal(block, local.lane.load(Ordering::Relaxed), Kind::Records);
        }
    }

    /// Writes and publishes the block's header, so that readers see the lane's chain.
    fn begin_block(&self, fresh: BlockId, urgent: bool) {
        let local = self.local;
        if self.anchor_is_due() {
            self.renew_anchor();
        }
        let lane = local.lane.load(Ordering::Relaxed);
        let chain = local.chain.load(Ordering::Relaxed);
        let drops = self.drops();
        let word =
            |at: usize, value: u64| self.ring.block_word(fresh.index, at).store(value, Ordering::Relaxed);
        word(block::LANE, pair(lane, local.incarnation.load(Ordering::Relaxed)));
        word(block::CHAIN, chain);
        word(block::FIRST_SEQUENCE, local.sequence.load(Ordering::Relaxed));
        word(block::DROPPED, drops.all);
        let anchor = local.anchor();
        word(block::ANCHOR_TICKS, anchor.ticks);
        word(block::ANCHOR_UNIX_NS, anchor.unix_ns);
        word(block::NS_PER_TICK, anchor.ns_per_tick);
        // These words do not change while the lane is open; its entry holds them.
        for (to, from) in [
            (block::PROCESS, lane_entry::PROCESS),
            (block::PID_TID, lane_entry::PID_TID),
            (block::DROPPED_AT_LANE_OPEN, lane_entry::DROPPED_AT_OPEN),
            (block::UNCLEAN_EXITS, lane_entry::UNCLEAN_EXITS),
        ] {
            word(to, self.ring.lane_word(lane, from).load(Ordering::Relaxed));
        }
        for i in 0..block::WORDS - block::THREAD_NAME {
            word(
                block::THREAD_NAME + i,
                self.ring.lane_word(lane, lane_entry::THREAD_NAME + i * 8).load(Ordering::Relaxed),
            );
        }
        for at in block::UNCLEAN_EXITS + 1..block::THREAD_NAME {
            word(at, 0);
        }
        word(block::DROPPED_FOR, drops.reasons);
        word(block::BOOT, self.session.boot_tag().into());
        let in_need = urgent && self.reserve_is_half_used();
        local.enter(self.ring, fresh, in_need);
        local.words.store(
            self.ring.memory().address(self.ring.block_start(fresh.index)).cast_mut(),
            Ordering::Relaxed,
        );
        local.block.store(pair(fresh.generation, fresh.index + 1), Ordering::Relaxed);
        local.committed.store(pair(fresh.generation, 0), Ordering::Relaxed);
        local.chain.store(chain + 1, Ordering::Relaxed);
        local.reported.store(drops.all, Ordering::Relaxed);
        // SAFETY: just taken by this lane, whose `busy` the caller holds.
        unsafe { local.publish(BLOCK_HEADER_SLOTS) };
    }
}
