//! A process's attachment to a ring: mapping, session, and everything that a fork must wipe.

#![allow(unsafe_code)]

use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::error::{Error, PushError};
use crate::header::Info;
use crate::layout::{NAME_BYTES, header};
use crate::local::{DefinitionIds, LaneLocal};
use crate::lock::LockPage;
use crate::region::{self, Identity, Mapping, Opened};
use crate::ring::Ring;
use crate::tid_lock::{TidGuard, TidLock};
use crate::wiped::Wiped;
use crate::{options::Overflow, threads};

/// What the process keeps about one ring. Lies in memory that a fork wipes.
#[repr(C, align(128))]
pub(crate) struct ProcessState {
    /// Unique among all sessions of the process and its forks; 0: not attached (any more).
    pub(crate) session: AtomicU64,
    pub(crate) base: AtomicPtr<u8>,
    attach_page: AtomicPtr<libc::c_void>,
    pub(crate) pid: AtomicU32,
    /// Held by who is attaching or opening the process lane.
    lock: TidLock,
    /// The process lane's number plus one, and its incarnation.
    pub(crate) process_lane: AtomicU32,
    pub(crate) process_incarnation: AtomicU32,
    /// Ticks until which threads need not look for a lane again.
    pub(crate) no_lane_until: AtomicU64,
    pub(crate) name: [AtomicU64; NAME_BYTES / 8],
    /// Guards the open definition block: its index plus one, generation and next slot.
    pub(crate) definitions_busy: AtomicU32,
    pub(crate) definition_block: AtomicU32,
    pub(crate) definition_generation: AtomicU32,
    pub(crate) definition_next: AtomicU32,
}

/// A ring that this process is attached to. Handles share it; the last one to go detaches.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) info: Info,
    wiped: Wiped,
}

/// Sessions of all rings, so that a thread never takes a stale lane for its own.
static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

impl Attachment {
    /// Attaches to an open file. `None` if the path leads to another file by now.
    pub(crate) fn new(opened: Opened) -> Result<Option<Attachment>, Error> {
        let lanes = opened.info.geometry.lane_count as usize;
        let bytes = Self::locals_offset() + lanes * size_of::<LaneLocal>();
        let wiped = Wiped::new(bytes.next_multiple_of(4096))
            .map_err(|e| Error::io("keep private state for", &opened.path, e))?;
        let attachment =
            Attachment { path: opened.path.clone(), identity: opened.identity, info: opened.info, wiped };
        Ok(attachment.begin_session(&opened)?.then_some(attachment))
    }

    fn begin_session(&self, opened: &Opened) -> Result<bool, Error> {
        let Some(page) = region::attach(opened)? else { return Ok(false) };
        let mapping = match Mapping::new(opened, true) {
            Ok(mapping) => mapping,
            Err(error) => {
                // SAFETY: held just now, not given to anyone.
                unsafe { LockPage::release(page.as_ptr()) };
                return Err(error);
            }
        };
        let state = self.state();
        state.attach_page.store(page.as_ptr(), Ordering::Relaxed);
        state.base.store(mapping.base(), Ordering::Relaxed);
        state.pid.store(std::process::id(), Ordering::Relaxed);
        for (word, value) in state.name.iter().zip(threads::name_words(&threads::process_name())) {
            word.store(value, Ordering::Relaxed);
        }
        threads::prepare();
        // Release: who sees the session sees the rest.
        state.session.store(NEXT_SESSION.fetch_add(1, Ordering::Relaxed), Ordering::Release);
        Ok(true)
    }

    const fn ids_offset() -> usize {
        size_of::<ProcessState>()
    }

    const fn locals_offset() -> usize {
        (Self::ids_offset() + size_of::<DefinitionIds>()).next_multiple_of(128)
    }

    #[inline(always)]
    pub(crate) fn state(&self) -> &ProcessState {
        // SAFETY: atomics only, valid when zero; first in the piece, which is page-aligned and long enough.
        unsafe { self.wiped.at(0) }
    }

    #[inline(always)]
    pub(crate) fn definition_ids(&self) -> &DefinitionIds {
        // SAFETY: as for `state`, at its own place.
        unsafe { self.wiped.at(Self::ids_offset()) }
    }

    /// The private half of lane `lane`, which is below the ring's lane count.
    pub(crate) fn local(&self, lane: u32) -> &LaneLocal {
        assert!(lane < self.info.geometry.lane_count);
        // SAFETY: as for `state`; the piece was made with room for every lane.
        unsafe { self.wiped.at(Self::locals_offset() + lane as usize * size_of::<LaneLocal>()) }
    }

    /// The session, 0 if this process is a forked child that has not attached by itself yet.
    #[inline(always)]
    pub(crate) fn session(&self) -> u64 {
        self.state().session.load(Ordering::Acquire)
    }

    /// The ring over this process's own mapping; `None` in a child that is not attached.
    pub(crate) fn ring(&self) -> Option<Ring> {
        if self.session() == 0 {
            return None;
        }
        let base = NonNull::new(self.state().base.load(Ordering::Relaxed))?;
        // SAFETY: this session's own mapping, unmapped only when the attachment goes; it is borrowed by
        // handles that keep the attachment.
        let memory = unsafe { Mapping::from_raw(base, self.info.geometry.file_bytes as usize).memory() };
        Some(Ring::new(memory, self.info.geometry))
    }

    /// The ring, after attaching anew where a fork has cut us off.
    pub(crate) fn ring_or_reattach(&self) -> Result<Ring, PushError> {
        if let Some(ring) = self.ring() {
            return Ok(ring);
        }
        let _guard = self.try_lock().ok_or(PushError::Gone)?;
        if self.session() == 0 {
            let opened = region::open("", &self.path, true).map_err(|_| PushError::Gone)?;
            let same = opened.identity == self.identity && opened.info.uuid == self.info.uuid;
            if !same || !self.begin_session(&opened).map_err(|_| PushError::Gone)? {
                return Err(PushError::Gone);
            }
        }
        self.ring().ok_or(PushError::Gone)
    }

    /// Locks what the threads of the process share in rare cases; `None` in a signal handler that
    /// interrupts this.
    pub(crate) fn try_lock(&self) -> Option<TidGuard<'_>> {
        self.state().lock.lock()
    }

    /// The overflow policy in force, which may be changed from outside.
    pub(crate) fn overflow(&self, ring: &Ring) -> Overflow {
        let word = |offset: usize| ring.memory().word(offset / 8).load(Ordering::Relaxed);
        Overflow::from_words(word(header::OVERFLOW), word(header::BLOCK_DEADLINE_NS))
    }
}

impl Drop for Attachment {
    /// Closes every lane and detaches. In a forked child there is nothing to do: the mapping and the
    /// locks are the parent's.
    fn drop(&mut self) {
        let Some(ring) = self.ring() else { return };
        for lane in 0..self.info.geometry.lane_count {
            crate::lane::close(&ring, self.local(lane), self.session());
        }
        let state = self.state();
        state.session.store(0, Ordering::Release);
        let page = state.attach_page.swap(std::ptr::null_mut(), Ordering::Relaxed);
        if let Some(base) = NonNull::new(state.base.swap(std::ptr::null_mut(), Ordering::Relaxed)) {
            // SAFETY: this session's own mapping; no handle is left, and every lane is closed.
            unsafe { Mapping::from_raw(base, self.info.geometry.file_bytes as usize).unmap() };
        }
        if !page.is_null() {
            // SAFETY: this session's own lock page, swapped out so that it is released once.
            unsafe { LockPage::release(page) };
        }
    }
}
