//! A ring by its name: the session with the file that is at its path now, and those with files that were there before.
//!
//! A session stays with one file. Where a ring is removed and made anew, or replaced, the name begins another session,
//! and each thread moves with its next record that takes the slow path. It moves on the word of its own look at the
//! path alone: what other processes write into a ring only makes it look.

#![allow(unsafe_code)]

use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::Error;
use crate::os::owner_lock::{OwnerGuard, OwnerLock};
use crate::os::zero_on_fork::ZeroOnFork;
use crate::ring::file::Opened;
use crate::ring::header::Info;
use crate::ring::header_page::HeaderPage;
use crate::ring::last_look;
use crate::ring::lock_file::LockFile;
use crate::ring::loss_lines::LossLines;
use crate::ring::private::DefinitionIds;
use crate::ring::replacement::Place;
use crate::ring::session::{Session, SessionState, ShownFilter};
use crate::ring::slot::{self, Slot, Use};
use crate::shm::clock::unix_ns;
use crate::shm::rules_area;

/// What of a name a fork must zero.
#[repr(C)]
pub(super) struct NameState {
    /// Held while the name is looked up.
    gate: OwnerLock,
    /// Whether the last look found no ring that a record could go to.
    pub(super) is_gone: AtomicU32,
    /// When the path was last looked at, in monotonic nanoseconds.
    pub(super) looked_ns: AtomicU64,
    /// The flags of the ring as of that look.
    pub(super) looked_flags: AtomicU64,
    /// Records refused since then because there was no ring, to be counted in the next one.
    pub(super) refused: AtomicU64,
    /// For which ring's loss a refusal was reported on standard error: the number of its session plus one.
    pub(super) reported: AtomicU64,
    /// Sessions with files that were at the path before.
    pub(super) old: AtomicU32,
}

/// A ring by its name. Handles share it; dropping the last one detaches.
#[derive(Debug)]
pub(crate) struct Named {
    /// The state of the present session: what the record path begins with.
    state: AtomicPtr<SessionState>,
    current: AtomicPtr<Slot>,
    /// Unique among all names that the process has opened.
    pub(super) number: u64,
    path: PathBuf,
    pub(super) place: Place,
    /// As the first session found it.
    info: Info,
    header: HeaderPage,
    wiped: ZeroOnFork,
    shown_filter: OnceLock<ShownFilter>,
    /// Set where losses are reported on standard error.
    pub(super) loss_lines: OnceLock<LossLines>,
}

static NAMES: AtomicU64 = AtomicU64::new(1);

impl Named {
    /// The name of an open file. `None` if the path leads to another file by now.
    pub(crate) fn new(opened: &Opened<'_>) -> Result<Option<Arc<Named>>, Error> {
        let io = |what| move |error| Error::io(what, &opened.path, error);
        let wiped = ZeroOnFork::new(4096).map_err(io("keep private state for"))?;
        let header = HeaderPage::map(&opened.file).map_err(io("map"))?;
        let path = opened.path.to_path_buf();
        let named = Arc::new(Named {
            state: AtomicPtr::new(std::ptr::null_mut()),
            current: AtomicPtr::new(std::ptr::null_mut()),
            number: NAMES.fetch_add(1, Ordering::Relaxed),
            place: Place::new(&path),
            path,
            info: opened.info,
            header,
            wiped,
            shown_filter: OnceLock::new(),
            loss_lines: OnceLock::new(),
        });
        let lock_file = match LockFile::of(opened) {
            // The ring goes first, and its lock file after it.
            Err(Error::LockFileMissing { .. }) if !opened.identity.is_at(&opened.path) => return Ok(None),
            other => other?,
        };
        let begun = named.begin(&named.path, opened, lock_file, None)?;
        if begun {
            last_look::remember(&named);
        }
        Ok(begun.then_some(named))
    }

    /// Begins a session with an open file, in place of the present one. False if the path leads to another file by
    /// now. The caller holds the gate, or the name is not shared yet.
    pub(super) fn begin(
        &self,
        path: &Path,
        opened: &Opened<'_>,
        lock_file: LockFile,
        before: Option<&Session>,
    ) -> Result<bool, Error> {
        let io = |error| Error::io("keep private state for", path, error);
        // SAFETY: the path lies in this name, which uses the session until it is dropped.
        let session = |piece| unsafe { Session::new(opened, lock_file, path, self.number, piece) };
        let slot = Slot::take(opened.info.geometry.lane_count, session).map_err(io)?;
        let Some(session) = slot.enter() else { return Ok(false) };
        if let Some(before) = before {
            session.take_process_name(before);
        }
        if let Some(filter) = self.shown_filter.get() {
            session.set_shown_filter(*filter);
        }
        match session.begin(opened) {
            Ok(true) => {}
            other => {
                slot.give_back();
                return other;
            }
        }
        if let Some(before) = before {
            session.take_uncounted(before);
            // If it fails for want of memory, the rules of the ring before stay in force.
            let _ = self.header.show(&opened.file);
        }
        // The record path comes last: its slow path then finds the session.
        self.current.store(std::ptr::from_ref(slot).cast_mut(), Ordering::Release);
        self.state.store(std::ptr::from_ref(slot.state()).cast_mut(), Ordering::Release);
        Ok(true)
    }

    /// The state and the definition ids of one and the same session: the present one, as far as is known.
    #[inline(always)]
    pub(crate) fn record_path(&self) -> (&SessionState, &DefinitionIds) {
        let state = self.state.load(Ordering::Acquire);
        // SAFETY: set before the name is shared, to the start of a piece that is never unmapped: atomics only.
        unsafe { (&*state, &*state.byte_add(Session::ids_offset()).cast()) }
    }

    /// Whether the first session has begun. A name for which that fails is dropped without one.
    pub(super) fn has_begun(&self) -> bool {
        !self.current.load(Ordering::Acquire).is_null()
    }

    /// The present session.
    pub(crate) fn session(&self) -> Use<'_> {
        let load = || self.current.load(Ordering::Acquire);
        let mut current = load();
        loop {
            // SAFETY: set before the name is shared; slots are never unmapped.
            let entered = unsafe { &*current }.enter();
            // The name uses its present session, so if this one is over, there is another one. The slot may even hold
            // that of another name by now.
            let now = load();
            if let Some(session) = entered
                && now == current
            {
                return session;
            }
            current = now;
        }
    }

    /// The present session, for an object that keeps the name.
    pub(crate) fn attached(self: &Arc<Named>) -> Attached {
        let (session, counted_as) = self.session().into_parts();
        Attached { session, counted_as, named: self.clone() }
    }

    /// Whether a session is the present one.
    pub(crate) fn is_current(&self, session: &Session) -> bool {
        std::ptr::eq(self.state.load(Ordering::Acquire), session.state())
    }

    /// The sessions of this name that are not over: the present one, and those with files that were at the path before.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = Use<'static>> {
        slot::all().filter_map(Slot::enter).filter(|session| session.name == self.number)
    }

    /// Those with files that were at the path before.
    pub(super) fn old_sessions(&self) -> impl Iterator<Item = Use<'static>> {
        self.sessions().filter(|session| !self.is_current(session))
    }

    pub(crate) fn has_old_sessions(&self) -> bool {
        self.name_state().old.load(Ordering::Relaxed) != 0
    }

    pub(super) fn name_state(&self) -> &NameState {
        // SAFETY: atomics only, valid when zero, alone in its piece.
        unsafe { self.wiped.at(0) }
    }

    /// Takes the gate if it is free. Never waits.
    pub(super) fn try_gate(&self) -> Option<OwnerGuard<'_>> {
        self.name_state().gate.try_lock()
    }

    /// Takes the gate. `None` in a signal handler that interrupts its holder.
    pub(super) fn gate(&self) -> Option<OwnerGuard<'_>> {
        self.name_state().gate.lock()
    }

    /// Begins to follow the level rules of the present ring.
    pub(crate) fn begin_levels(&self) {
        if let Some(ring) = self.session().ring() {
            rules_area::begin(ring.memory(), unix_ns());
        }
    }

    /// The header of the present ring, at an address that stays.
    pub(crate) fn header(&self) -> &HeaderPage {
        &self.header
    }

    /// The file's path, as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the header of the first file said.
    pub(crate) fn info(&self) -> &Info {
        &self.info
    }

    /// Where the rings of this name are looked for.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Sets the filter that process lanes show. The first one stays: a process has one default logger.
    pub(crate) fn set_shown_filter(&self, filter: ShownFilter) -> Use<'_> {
        // Held, so that no session begins meanwhile without the filter.
        let _gate = self.gate();
        let _ = self.shown_filter.set(filter);
        let session = self.session();
        session.set_shown_filter(filter);
        session
    }
}

impl Drop for Named {
    /// Closes every lane, counts what is left, and detaches. In a forked child that has not attached only refused
    /// records are counted: the mappings and the locks are the parent's.
    fn drop(&mut self) {
        for session in self.sessions() {
            if let Some(ring) = session.ring() {
                session.close_lanes(&ring);
            }
        }
        self.look_last();
        self.sessions().for_each(|session| session.unpin());
    }
}

/// A session that is used as long as this value exists.
#[derive(Debug)]
pub(crate) struct Attached {
    session: NonNull<Session>,
    counted_as: u64,
    named: Arc<Named>,
}

// SAFETY: a session is used by any thread.
unsafe impl Send for Attached {}
// SAFETY: as for Send.
unsafe impl Sync for Attached {}

impl std::ops::Deref for Attached {
    type Target = Session;

    fn deref(&self) -> &Session {
        // SAFETY: used by this value; slots are never unmapped.
        unsafe { self.session.as_ref() }
    }
}

impl Clone for Attached {
    fn clone(&self) -> Attached {
        // Used already, so it is not over. A copy in a forked child uses nothing.
        let counted_as = match self.counted_as == self.session_id() {
            true => Session::enter(self.state()).unwrap_or(0),
            false => self.counted_as,
        };
        Attached { session: self.session, counted_as, named: self.named.clone() }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: of a use that this value has taken over.
        drop(unsafe { Use::from_parts((self.session, self.counted_as)) });
    }
}

impl Attached {
    pub(crate) fn named(&self) -> &Arc<Named> {
        &self.named
    }
}
