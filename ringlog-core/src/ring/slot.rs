//! The memory in which sessions lie. It is never unmapped and used again, so that a thread that still has the address
//! of a session that is over finds one that is over, or another one. Taking a slot allocates nothing, because a signal
//! handler may find that a ring has been replaced.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::os::zero_on_fork::{self, ZeroOnFork};
use crate::ring::private::ProducerState;
use crate::ring::session::{self, Session, SessionState};

/// How many sessions begin before the memory of one that is over is used again. A signal handler may interrupt a log
/// call between finding the thread's lane and marking it as busy, and move the thread to another ring: the call then
/// finds its old lane closed. This many moves during one handler would have it find another owner's lane.
const QUARANTINE: u64 = 8;

/// Bytes of a slot without its piece.
const SLOT_BYTES: usize = 8192;

/// The memory of one session: its fields, and the piece that a fork wipes.
pub(crate) struct Slot {
    /// The slot made before this one.
    next: *const Slot,
    piece: NonNull<u8>,
    piece_bytes: usize,
    session: UnsafeCell<MaybeUninit<Session>>,
}

// SAFETY: the session is written only while the slot's user count says that nothing uses it, and by one thread.
unsafe impl Sync for Slot {}

const _: () = assert!(size_of::<Slot>() <= SLOT_BYTES);

/// All slots that the process ever made, the last one first.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(std::ptr::null_mut());

/// All slots.
pub(crate) fn all() -> impl Iterator<Item = &'static Slot> {
    let mut next = SLOTS.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: published by `make`, never changed after that, and never unmapped.
        let slot = unsafe { next.as_ref() }?;
        next = slot.next;
        Some(slot)
    })
}

/// The process lanes of all rings that the process logs into, with the ids of their sessions.
pub(crate) fn process_lanes() -> impl Iterator<Item = (&'static ProducerState, u64)> {
    // SAFETY: each state is first in a piece for every lane of its ring.
    all().filter_map(|slot| unsafe { Session::process_lane_of(slot.state()) })
}

impl Slot {
    /// A slot that holds the session that `begin` makes for its piece.
    pub(crate) fn take(lanes: u32, begin: impl FnOnce(NonNull<u8>) -> Session) -> io::Result<&'static Slot> {
        let bytes = Session::piece_bytes(lanes);
        let slot = match all().find(|slot| slot.piece_bytes >= bytes && slot.claim()) {
            Some(slot) => slot,
            None => Slot::make(bytes)?,
        };
        // SAFETY: claimed, or made just now: no other thread reads it.
        unsafe { (*slot.session.get()).write(begin(slot.piece)) };
        // Release: a thread that can enter sees the session.
        slot.state().users.begin();
        Ok(slot)
    }

    fn make(bytes: usize) -> io::Result<&'static Slot> {
        let piece = ZeroOnFork::new(bytes)?;
        let place = zero_on_fork::map_private(SLOT_BYTES)?.cast::<Slot>();
        let session = UnsafeCell::new(MaybeUninit::uninit());
        let mut slot = Slot { next: std::ptr::null(), piece: piece.base(), piece_bytes: bytes, session };
        std::mem::forget(piece);
        slot.state().users.claim_new();
        let mut first = SLOTS.load(Ordering::Acquire);
        slot.next = first;
        // SAFETY: a fresh page, large enough; not shared before the exchange succeeds.
        unsafe { place.write(slot) };
        while let Err(other) =
            SLOTS.compare_exchange(first, place.as_ptr(), Ordering::AcqRel, Ordering::Acquire)
        {
            first = other;
            // SAFETY: as above.
            unsafe { (*place.as_ptr()).next = first };
        }
        // SAFETY: never unmapped, and not changed from here on but for its cell.
        Ok(unsafe { place.as_ref() })
    }

    /// Takes the slot of a session that has been over for long enough.
    fn claim(&self) -> bool {
        let state = self.state();
        let ended = state.ended.load(Ordering::Acquire);
        if ended == 0 || session::begun().saturating_sub(ended) < QUARANTINE {
            return false;
        }
        let is_claimed = state.users.claim();
        if is_claimed {
            self.wipe();
        }
        is_claimed
    }

    /// Zeroes the piece, except for the count of users: it tells other threads that the session is over.
    fn wipe(&self) {
        const PAGE: usize = 4096;
        let users = std::mem::offset_of!(SessionState, users) / 8;
        for at in (0..PAGE / 8).filter(|at| *at != users) {
            // SAFETY: within the first page of the piece, which is used through atomics only.
            let word: &AtomicU64 = unsafe { self.piece.byte_add(at * 8).cast().as_ref() };
            word.store(0, Ordering::Relaxed);
        }
        // SAFETY: the slot's own private pages; without their content they are zero again.
        unsafe {
            let rest = self.piece.byte_add(PAGE).as_ptr().cast();
            libc::madvise(rest, self.piece_bytes - PAGE, libc::MADV_DONTNEED);
        }
    }

    /// Gives the slot back that holds a session that could not begin.
    pub(crate) fn give_back(&self) {
        self.state().ended.store(session::begun(), Ordering::Relaxed);
        self.state().users.give_up();
    }

    pub(crate) fn state(&self) -> &'static SessionState {
        // SAFETY: atomics only, valid when zero; first in a piece that is never unmapped.
        unsafe { self.piece.cast().as_ref() }
    }

    /// Uses the session; `None` if it is over.
    pub(crate) fn enter(&self) -> Option<Use<'_>> {
        let counted_as = Session::enter(self.state())?;
        // SAFETY: written before the count of users allowed entering, and not written again while it is used. In a
        // forked child that is not attached the count is zero, but then there is no thread that takes the slot.
        let session = unsafe { (*self.session.get()).assume_init_ref() };
        Some(Use { session, counted_as })
    }
}

/// A use of a session: its ring stays mapped.
pub(crate) struct Use<'a> {
    session: &'a Session,
    /// The id of the session that counts this use. It counts none in a forked child.
    counted_as: u64,
}

impl Use<'_> {
    /// The same use without a borrow of the slot, which is never unmapped.
    pub(crate) fn into_parts(self) -> (NonNull<Session>, u64) {
        let parts = (NonNull::from(self.session), self.counted_as);
        std::mem::forget(self);
        parts
    }

    /// # Safety
    /// `parts` came from [`into_parts`](Self::into_parts), and are used no more.
    pub(crate) unsafe fn from_parts<'a>((session, counted_as): (NonNull<Session>, u64)) -> Use<'a> {
        // SAFETY: slots are never unmapped, and the session is used.
        Use { session: unsafe { session.as_ref() }, counted_as }
    }
}

impl std::ops::Deref for Use<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        // A child forked meanwhile reads 0, or attached anew: it has not counted this use.
        if self.counted_as != 0 && self.session.session_id() == self.counted_as {
            self.session.leave();
        }
    }
}
