//! A process's session with a ring: its mapping, and the state that a fork must zero.

#![allow(unsafe_code)]

mod refusal;
mod users;

use std::path::Path;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use self::refusal::Refusal;
use crate::error::Error;
use crate::os::boot::boot_id;
use crate::os::file::{Identity, size_at_if_shorter};
use crate::os::mapping::{Access, Mapping};
use crate::os::ofd_lock::LockPage;
use crate::os::owner_lock::{OwnerGuard, OwnerLock};
use crate::os::sigbus;
use crate::ring::definition_state::DefinitionState;
use crate::ring::file::{self, Opened};
use crate::ring::header::Info;
use crate::ring::lock_file::LockFile;
use crate::ring::private::{DefinitionIds, ProducerState};
use crate::shm::block::SharedRing;
use crate::shm::clock::monotonic_ns;
use crate::shm::drops::{LANELESS_REASONS, LanelessDrops, LanelessReason};
use crate::shm::layout::{NAME_BYTES, header, lane as lane_entry};
use crate::shm::memory::Memory;
use crate::shm::overflow::Overflow;
use crate::shm::users::Users;
use crate::shm::words;

/// The state of a process in one ring. Lies in memory that a fork zeroes.
#[repr(C, align(128))]
pub(crate) struct SessionState {
    /// Unique among all sessions of the process and its forks; 0: not attached (any more).
    pub(crate) session_id: AtomicU64,
    /// What needs the mapping: the name that leads here or whose records may not be persisted yet, open lanes, calls
    /// on the slow path, consumers.
    pub(crate) users: Users,
    /// Whether the name is one of them.
    is_pinned: AtomicU32,
    pub(crate) base: AtomicPtr<u8>,
    attach_page: AtomicPtr<libc::c_void>,
    pub(crate) pid: AtomicU32,
    /// Held while the process attaches or opens its lane.
    lock: OwnerLock,
    /// The process lane's number plus one, and its incarnation.
    pub(crate) process_lane: AtomicU32,
    pub(crate) process_incarnation: AtomicU32,
    /// The end of the pause after a refusal, in monotonic nanoseconds, and the reason.
    refused_until: AtomicU64,
    refused_why: AtomicU32,
    /// Records refused that could not be counted in the ring, because the process had no mapping, by reason: the ring
    /// was gone, the system refused, the thread was attaching.
    uncounted: [AtomicU64; LANELESS_REASONS],
    uncounted_errno: AtomicU32,
    pub(crate) name: [AtomicU64; NAME_BYTES / 8],
    /// How many sessions had begun when this one was over; 0 until then.
    pub(crate) ended: AtomicU64,
}

/// How long a refusal is repeated without another attempt. An attempt for every record would cost system calls.
const PAUSE: Duration = Duration::from_millis(10);

impl SessionState {
    /// As [`Session::session_id`].
    #[inline(always)]
    pub(crate) fn session_id(&self) -> u64 {
        self.session_id.load(Ordering::Acquire)
    }

    /// The last refusal, during the pause after it.
    pub(crate) fn still_refused(&self) -> Result<(), Refusal> {
        if monotonic_ns() >= self.refused_until.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(match self.refused_why.load(Ordering::Relaxed) {
            0 => Refusal::LanesTaken,
            u32::MAX => Refusal::Gone,
            code => Refusal::System(code as i32),
        })
    }

    pub(crate) fn refuse(&self, why: Refusal) {
        let code = match why {
            Refusal::LanesTaken => 0,
            Refusal::Gone => u32::MAX,
            Refusal::System(code) => code as u32,
        };
        self.refused_why.store(code, Ordering::Relaxed);
        self.refused_until.store(monotonic_ns() + PAUSE.as_nanos() as u64, Ordering::Release);
    }

    /// Counts a record that was dropped without a lane: in the ring if it is mapped, else in this session.
    pub(crate) fn count_without_lane(&self, ring: Option<&SharedRing>, why: Refusal) {
        let reason = why.of_drop();
        if let Some(ring) = ring {
            return LanelessDrops::count(ring, 1, reason);
        }
        if let LanelessReason::System(errno) = reason {
            self.uncounted_errno.store(errno as u32, Ordering::Relaxed);
        }
        self.uncounted[reason.number()].fetch_add(1, Ordering::Relaxed);
    }

    /// The number of drops that are counted in this session.
    pub(crate) fn uncounted(&self) -> u64 {
        self.uncounted.iter().map(|count| count.load(Ordering::Relaxed)).fold(0, u64::saturating_add)
    }

    /// Whether drops are counted in this session.
    pub(crate) fn has_uncounted(&self) -> bool {
        self.uncounted() != 0
    }

    /// Moves the drops counted in this session to the ring.
    pub(crate) fn count_the_uncounted(&self, ring: &SharedRing) {
        let errno = self.uncounted_errno.load(Ordering::Relaxed) as i32;
        for reason in LanelessReason::each(errno) {
            let count = self.uncounted[reason.number()].swap(0, Ordering::Relaxed);
            if count > 0 {
                LanelessDrops::count(ring, count, reason);
            }
        }
    }
}

/// The path of a ring. It lies in the name, which uses the session: so the session holds nothing to be freed.
#[derive(Debug)]
pub(crate) struct NamePath(NonNull<Path>);

impl std::ops::Deref for NamePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        // SAFETY: whoever made the session has promised that the path outlives it.
        unsafe { self.0.as_ref() }
    }
}

/// One attachment of this process to one file.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) path: NamePath,
    pub(crate) identity: Identity,
    pub(crate) info: Info,
    pub(crate) lock_file: LockFile,
    /// See [`boot_tag`](Self::boot_tag).
    boot_tag: u32,
    /// The owner, the group and the permissions of the file.
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) mode: u32,
    /// The number of the name that it belongs to.
    pub(crate) name: u64,
    /// A piece of memory that a fork wipes: the state, the ids of definitions, the private states of lanes.
    piece: NonNull<u8>,
    /// The process's own filter, as its lane shows it. A forked child keeps it for its own lane.
    shown_filter: OnceLock<ShownFilter>,
}

// SAFETY: an address of memory that is never unmapped and used through atomics only.
unsafe impl Send for Session {}
// SAFETY: as for Send.
unsafe impl Sync for Session {}

/// The text of a filter as a process lane shows it; zeros for none.
pub(crate) type ShownFilter = [u64; lane_entry::FILTER_BYTES / 8];
pub(crate) const NO_FILTER: ShownFilter = [0; lane_entry::FILTER_BYTES / 8];

/// Unique for all rings, so that a thread never takes a stale lane for its own.
static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

/// How many sessions the process has begun, and one more.
pub(crate) fn begun() -> u64 {
    NEXT_SESSION.load(Ordering::Relaxed)
}

impl Session {
    /// The bytes that a piece needs for a ring of so many lanes.
    pub(crate) fn piece_bytes(lanes: u32) -> usize {
        (Self::locals_offset() + lanes as usize * size_of::<ProducerState>()).next_multiple_of(4096)
    }

    /// A session that has not begun. `piece` is of [`piece_bytes`](Self::piece_bytes).
    ///
    /// # Safety
    /// `path` outlives the name's use of the session.
    pub(crate) unsafe fn new(
        opened: &Opened<'_>,
        lock_file: LockFile,
        path: &Path,
        name: u64,
        piece: NonNull<u8>,
    ) -> Session {
        Session {
            path: NamePath(NonNull::from(path)),
            identity: opened.identity,
            info: opened.info,
            lock_file,
            boot_tag: crc32fast::hash(&boot_id()),
            owner: opened.owner,
            group: opened.group,
            mode: opened.mode,
            name,
            piece,
            shown_filter: OnceLock::new(),
        }
    }

    /// Attaches to the file, which the session was made for. False if the path leads to another file by now.
    pub(crate) fn begin(&self, opened: &Opened<'_>) -> Result<bool, Error> {
        let Some(page) = self.lock_file.attach(opened)? else { return Ok(false) };
        let mapping = match opened.map(Access::WriteAll) {
            Ok(mapping) => mapping,
            Err(error) => {
                // SAFETY: held just now; no other reference to it exists.
                unsafe { LockPage::release(page.as_ptr()) };
                return Err(error);
            }
        };
        // SAFETY: mapped just now; the ring is gone before the mapping is.
        let ring = SharedRing::new(unsafe { Memory::of_mapping(&mapping) }, self.info.geometry);
        if self.lock_file.mark() != 0 {
            ring.header_word(header::LOCK_MARK).store(self.lock_file.mark(), Ordering::Relaxed);
        }
        let state = self.state();
        state.attach_page.store(page.as_ptr(), Ordering::Relaxed);
        state.base.store(mapping.base(), Ordering::Relaxed);
        state.pid.store(std::process::id(), Ordering::Relaxed);
        if state.name[0].load(Ordering::Relaxed) == 0 {
            for (word, value) in state.name.iter().zip(words::process_name_words()) {
                word.store(value, Ordering::Relaxed);
            }
        }
        // The name's own use.
        state.users.add();
        state.is_pinned.store(1, Ordering::Relaxed);
        // Release: a thread that sees the session id sees the rest.
        state.session_id.store(NEXT_SESSION.fetch_add(1, Ordering::Relaxed), Ordering::Release);
        Ok(true)
    }

    pub(crate) const fn ids_offset() -> usize {
        size_of::<SessionState>()
    }

    const fn definition_state_offset() -> usize {
        (Self::ids_offset() + size_of::<DefinitionIds>()).next_multiple_of(128)
    }

    const fn locals_offset() -> usize {
        (Self::definition_state_offset() + size_of::<DefinitionState>()).next_multiple_of(128)
    }

    #[inline(always)]
    pub(crate) fn state(&self) -> &SessionState {
        // SAFETY: atomics only, valid when zero; first in the piece, which is page-aligned and long enough.
        unsafe { self.piece.cast().as_ref() }
    }

    #[inline(always)]
    pub(crate) fn definition_ids(&self) -> &DefinitionIds {
        // SAFETY: as for `state`, at its own place.
        unsafe { self.piece.byte_add(Self::ids_offset()).cast().as_ref() }
    }

    pub(crate) fn definition_state(&self) -> &DefinitionState {
        // SAFETY: as for `state`, at its own place.
        unsafe { self.piece.byte_add(Self::definition_state_offset()).cast().as_ref() }
    }

    /// Stands for the machine's present boot in blocks and definitions. On a disk a power failure may leave an older
    /// state of the definition area than of the records, so records of one boot use only definitions of the same.
    pub(crate) fn boot_tag(&self) -> u32 {
        self.boot_tag
    }

    /// The private state of lane `lane`, which is below the ring's lane count.
    pub(crate) fn local(&self, lane: u32) -> &ProducerState {
        assert!(lane < self.info.geometry.lane_count);
        let offset = Self::locals_offset() + lane as usize * size_of::<ProducerState>();
        // SAFETY: as for `state`; the piece was made with room for every lane.
        unsafe { self.piece.byte_add(offset).cast().as_ref() }
    }

    /// The session id; 0 if this process is a forked child that has not attached yet.
    pub(crate) fn session_id(&self) -> u64 {
        self.state().session_id()
    }

    /// The ring over this process's own mapping; `None` in a child that is not attached.
    pub(crate) fn ring(&self) -> Option<SharedRing> {
        if self.session_id() == 0 {
            return None;
        }
        let base = NonNull::new(self.state().base.load(Ordering::Relaxed))?;
        // SAFETY: this session's own mapping, unmapped only when nothing uses the session; whoever calls this uses it.
        let memory =
            unsafe { Memory::of_mapping(&Mapping::from_raw(base, self.info.geometry.file_bytes as usize)) };
        Some(SharedRing::new(memory, self.info.geometry))
    }

    /// Whether the mapping still shows the file. True without a mapping.
    pub(crate) fn is_whole(&self) -> bool {
        sigbus::is_whole(self.state().base.load(Ordering::Relaxed))
    }

    /// Compares the size of the file with the mapping, so that a truncation is found before a lost page is touched.
    /// If the first page is left, it marks the ring as retired for all other processes.
    pub(crate) fn look_at_size(&self, ring: &SharedRing) {
        let bytes = self.info.geometry.file_bytes;
        let Some(found) = size_at_if_shorter(&self.path, self.identity, bytes) else { return };
        sigbus::mark_lost(self.state().base.load(Ordering::Relaxed));
        if found > 0 {
            ring.header_word(header::FLAGS).fetch_or(header::FLAG_RETIRED, Ordering::Relaxed);
        }
    }

    /// Whether the file, if it is still at its path, is shorter than it should be.
    pub(crate) fn file_is_cut(&self) -> bool {
        size_at_if_shorter(&self.path, self.identity, self.info.geometry.file_bytes).is_some()
    }

    /// The error for a mapping that is not whole.
    pub(crate) fn truncated(&self) -> Error {
        file::truncated(&self.path, self.identity, self.info.geometry.file_bytes)
    }

    /// Locks the parts of the state that are not atomic; `None` in a signal handler that interrupts the holder.
    pub(crate) fn try_lock(&self) -> Option<OwnerGuard<'_>> {
        self.state().lock.lock()
    }

    /// The process's own filter, if log statements go to this ring by default.
    pub(crate) fn shown_filter(&self) -> ShownFilter {
        self.shown_filter.get().copied().unwrap_or(NO_FILTER)
    }

    /// Sets the filter that the process lane shows. The first one stays: a process has one default logger.
    pub(crate) fn set_shown_filter(&self, filter: ShownFilter) {
        let _ = self.shown_filter.set(filter);
    }

    /// The overflow policy in force, which another process may change.
    pub(crate) fn overflow(&self, ring: &SharedRing) -> Overflow {
        let word = |offset: usize| ring.memory().word(offset / 8).load(Ordering::Relaxed);
        Overflow::from_words(word(header::OVERFLOW), word(header::BLOCK_DEADLINE_NS))
    }
}
