//! Following a name: to the ring that has taken the place of the one before, and in a forked child.
//!
//! A record that takes the slow path looks at the path at most once a second; once it is known that the ring was
//! removed, more often. While a consumer drains the ring no look is needed: the consumer looks, and leaves word in the
//! ring's header. Nothing here allocates, because the record may be logged in a signal handler.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Error;
use crate::ring::by_name::Named;
use crate::ring::file::Opened;
use crate::ring::left;
use crate::ring::lock_file::LockFile;
use crate::ring::loss_lines::LossLines;
use crate::ring::name;
use crate::ring::replacement::{self, Found, Unfit};
use crate::ring::session::{Refusal, Session};
use crate::ring::slot::Use;
use crate::shm::block::SharedRing;
use crate::shm::clock::{monotonic_ns, unix_ns};
use crate::shm::drops::{LanelessDrops, LanelessReason};
use crate::shm::layout::{header, lock as lock_byte};
use crate::shm::rules_area;

/// The time between two looks: without a consumer; while an old ring is left; and while records are refused.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LEAVING_EVERY: Duration = Duration::from_millis(100);
const REFUSED_EVERY: Duration = Duration::from_millis(10);

/// A consumer whose last scan is older than this may have ended.
const BEAT_LIFE: Duration = Duration::from_secs(1);

/// Whether a consumer drains the ring: it has not ended in order, and the kernel says that it holds its lock. A stopped
/// consumer goes on later. Where the lock file was removed too, and the kernel cannot be asked, its last scan has to be
/// a moment ago.
pub(crate) fn is_drained_now(session: &Session, ring: &SharedRing) -> bool {
    has_consumer_named(ring)
        && session.lock_file.is_held(lock_byte::CONSUMER).unwrap_or_else(|| has_beat(ring))
}

/// Whether the header names a consumer: it has not ended in order.
fn has_consumer_named(ring: &SharedRing) -> bool {
    ring.header_word(header::CONSUMER_PID).load(Ordering::Relaxed) != 0
}

/// Whether a consumer has looked at the ring, and so at its path, a moment ago. Where the clock was set back meanwhile,
/// the scan seems to lie in the future, and the consumer's next one corrects that.
fn has_beat(ring: &SharedRing) -> bool {
    let beat = ring.header_word(header::CONSUMER_BEAT_UNIX_NS).load(Ordering::Relaxed);
    unix_ns().abs_diff(beat) <= BEAT_LIFE.as_nanos() as u64
}

impl Named {
    /// The session for the next record; looks at the path if it is time to.
    pub(crate) fn session_for_record(&self) -> Result<Use<'_>, Refusal> {
        let session = self.session();
        if session.session_id() == 0 {
            drop(session);
            self.attach_in_child()?;
        } else if self.is_look_due(&session) {
            drop(session);
            self.look();
        } else {
            return Ok(session);
        }
        let session = self.session();
        match self.name_state().is_gone.load(Ordering::Relaxed) != 0 || !session.is_whole() {
            true => Err(Refusal::Gone),
            false => Ok(session),
        }
    }

    /// Looks at the path if it is time to; not in a forked child that has not attached.
    pub(crate) fn look_if_due(&self) {
        let session = self.session();
        if session.session_id() != 0 && self.is_look_due(&session) {
            drop(session);
            self.look();
        }
    }

    /// Whether the path is to be looked at. True as long as records are refused: the look itself keeps the pause.
    fn is_look_due(&self, session: &Session) -> bool {
        let Some(ring) = session.ring() else { return true };
        let state = self.name_state();
        if state.is_gone.load(Ordering::Relaxed) != 0 || ring.flags() != 0 || !session.is_whole() {
            return true;
        }
        let since = monotonic_ns().saturating_sub(state.looked_ns.load(Ordering::Relaxed));
        let has_old = state.old.load(Ordering::Relaxed) != 0;
        if since < if has_old { LEAVING_EVERY } else { LOOK_EVERY }.as_nanos() as u64 {
            return false;
        }
        if !has_old && has_consumer_named(&ring) && has_beat(&ring) {
            state.looked_ns.store(monotonic_ns(), Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Looks at the path, unless that was done a moment ago, and moves if another ring is there. Goes on as before
    /// where another thread is looking, or this is a signal handler that interrupts a look.
    pub(crate) fn look(&self) {
        let Some(_gate) = self.try_gate() else { return };
        let state = self.name_state();
        let session = self.session();
        let Some(ring) = session.ring() else { return };
        let is_gone = state.is_gone.load(Ordering::Relaxed) != 0;
        let pause = if is_gone || !session.is_whole() { REFUSED_EVERY } else { LEAVING_EVERY };
        let (now, looked) = (monotonic_ns(), state.looked_ns.load(Ordering::Relaxed));
        // Flags that are new are looked into at once, before the pages of a file that was cut are touched.
        let flags = ring.flags() | u64::from(!session.is_whole()) << 63;
        if looked != 0
            && state.looked_flags.swap(flags, Ordering::Relaxed) == flags
            && now.saturating_sub(looked) < pause.as_nanos() as u64
        {
            return;
        }
        state.looked_ns.store(now, Ordering::Relaxed);
        let is_refused = match replacement::look(&self.place, &session) {
            Found::Same => !session.is_whole(),
            Found::Cut => true,
            Found::Other if self.move_on(&session) => false,
            // While the ring is drained nothing is lost.
            Found::Other | Found::Nothing => !session.is_whole() || !is_drained_now(&session, &ring),
        };
        state.is_gone.store(is_refused.into(), Ordering::Relaxed);
        drop(session);
        if !is_refused && let Some(ring) = self.session().ring() {
            self.count_refused(&ring);
        }
        self.settle_old_sessions();
    }

    /// Begins a session with the ring that is at the path now. The caller holds the gate.
    fn move_on(&self, before: &Session) -> bool {
        match replacement::open(&self.place, before) {
            // The ring itself may be at its path again.
            Ok(opened) if opened.identity != before.identity => self.begin_after(before, &opened),
            _ => false,
        }
    }

    fn begin_after(&self, before: &Session, opened: &Opened<'_>) -> bool {
        let begun = LockFile::of_replacement(opened)
            .and_then(|lock_file| self.begin(self.place.path(), opened, lock_file, Some(before)));
        let has_begun = matches!(begun, Ok(true));
        if has_begun {
            self.name_state().old.fetch_add(1, Ordering::Relaxed);
            self.begin_levels();
        }
        has_begun
    }

    /// Attaches in a forked child, to the ring that is at the path now.
    fn attach_in_child(&self) -> Result<(), Refusal> {
        let _gate = self.gate().ok_or(Refusal::INTERRUPTED)?;
        let session = self.session();
        if session.session_id() != 0 {
            return Ok(());
        }
        let state = session.state();
        state.still_refused()?;
        let begun = match replacement::open(&self.place, &session) {
            Ok(opened) if opened.identity == session.identity && opened.info.uuid == session.info.uuid => {
                session.begin(&opened).map_err(Refusal::of)
            }
            Ok(opened) => Ok(self.begin_after(&session, &opened)),
            Err(Unfit::System(code)) => Err(Refusal::System(code)),
            // The ring itself may be there; another file counts as no ring.
            Err(Unfit::Forbidden(code)) if replacement::look(&self.place, &session) != Found::Other => {
                Err(Refusal::System(code))
            }
            Err(_) => Err(Refusal::Gone),
        };
        match begun {
            Ok(true) => {
                if let Some(ring) = self.session().ring() {
                    self.count_refused(&ring);
                }
                Ok(())
            }
            Ok(false) => Err(Refusal::without_lock_file(&session)),
            Err(why) => Err(why),
        }
        .inspect_err(|why| state.refuse(*why))
    }

    /// Counts a record that was refused because there was no ring of this name.
    pub(crate) fn refuse_without_ring(&self) {
        self.name_state().refused.fetch_add(1, Ordering::Relaxed);
        self.report_refusal();
    }

    /// Has losses reported on standard error from now on.
    pub(crate) fn report_losses(&self) {
        let _ = self.loss_lines.set(LossLines::new(self.path()));
    }

    /// Reports the first record that is refused because the ring is gone, once for each ring.
    fn report_refusal(&self) {
        let Some(lines) = self.loss_lines.get() else { return };
        let session = self.session();
        // A forked child that has found no ring has no session: 0.
        let ring = session.session_id().wrapping_add(1);
        let reported = &self.name_state().reported;
        if reported.load(Ordering::Relaxed) == ring {
            return;
        }
        let found = if session.is_whole() { replacement::look(&self.place, &session) } else { Found::Cut };
        // Where it is there again, it takes the next record.
        if found != Found::Same && reported.swap(ring, Ordering::Relaxed) != ring {
            lines.report_refusal(found);
        }
    }

    /// The number of records that were refused and are counted in no ring.
    pub(super) fn refused(&self) -> u64 {
        self.name_state().refused.load(Ordering::Relaxed)
    }

    /// Counts in the ring the records that were refused while there was none.
    pub(super) fn count_refused(&self, ring: &SharedRing) {
        if self.refused() != 0 {
            let count = self.name_state().refused.swap(0, Ordering::Relaxed);
            LanelessDrops::count(ring, count, LanelessReason::NoRing);
        }
    }

    /// Looks after the rings that were at the path before: what is left in one that is not drained any more is counted
    /// in the present ring. One in which this process has no lane any more, and no records, is unmapped.
    pub(crate) fn settle(&self) {
        if self.has_old_sessions()
            && let Some(_gate) = self.try_gate()
        {
            self.settle_old_sessions();
        }
    }

    /// The caller holds the gate.
    fn settle_old_sessions(&self) {
        if !self.has_old_sessions() {
            return;
        }
        let mut old = 0;
        for session in self.old_sessions() {
            // A copy in a forked child has no ring, and nothing to count.
            let Some(ring) = session.ring().filter(|_| session.is_pinned()) else { continue };
            let is_over = if session.is_whole() && is_drained_now(&session, &ring) {
                left::is_persisted(&session, &ring) && session.end_if_left(|_| ())
            } else {
                let present = self.session();
                let count = |ring: &SharedRing| {
                    if let Some(present) = present.ring().filter(|_| session.is_whole()) {
                        left::count(ring, &present);
                    }
                };
                count(&ring);
                // What the process lane held is counted last.
                session.end_if_left(count)
            };
            old += u32::from(!is_over);
        }
        self.name_state().old.store(old, Ordering::Relaxed);
    }

    /// The ring that has taken the place of the present one, as a name of its own; `None` where the path leads to the
    /// present one, or to nothing.
    pub(crate) fn successor(&self) -> Result<Option<Arc<Named>>, Error> {
        let session = self.session();
        if replacement::look(&self.place, &session) != Found::Other {
            return Ok(None);
        }
        match replacement::open(&self.place, &session) {
            Ok(opened) => Named::new(&opened),
            Err(Unfit::Nothing) => Ok(None),
            Err(unfit) => Err(Error::Replacement { path: self.path().to_owned(), why: unfit.to_string() }),
        }
    }

    /// The error for a thread or process that gets no lane.
    pub(crate) fn error_of(&self, why: Refusal) -> Error {
        let (path, session) = (self.path(), self.session());
        match why {
            Refusal::LanesTaken => {
                Error::LanesExhausted { path: path.to_owned(), lanes: session.info.geometry.lane_count }
            }
            Refusal::System(libc::ENOENT) => {
                let lock_file = session.lock_file.path().to_owned();
                Error::LockFileMissing { path: path.to_owned(), lock_file }
            }
            Refusal::System(code) if !matches!(code, libc::EACCES | libc::EPERM | libc::EROFS) => {
                Error::io("open a lane of", path, io::Error::from_raw_os_error(code))
            }
            Refusal::Gone if session.info.is_of_earlier_boot() => {
                Error::EarlierBoot { path: path.to_owned(), why: "it waits to be drained".to_owned() }
            }
            Refusal::System(_) | Refusal::Gone => self.why_gone(),
        }
    }

    /// Why there is no ring to log into: what is at the path now.
    pub(crate) fn why_gone(&self) -> Error {
        let session = self.session();
        let path = self.path();
        let found = replacement::look(&self.place, &session);
        if !session.is_whole() || found == Found::Cut {
            return session.truncated();
        }
        match (replacement::open(&self.place, &session), found) {
            (Ok(opened), _) => {
                let lock_file = LockFile::of_replacement(&opened);
                let lock_file = lock_file
                    .and_then(|file| file.open().map_err(|error| Error::io("open", file.path(), error)));
                lock_file.err().unwrap_or_else(|| name::no_such_ring("", path))
            }
            (Err(Unfit::Nothing), _) => name::no_such_ring("", path),
            (Err(unfit), Found::Other) => {
                Error::Replacement { path: path.to_owned(), why: unfit.to_string() }
            }
            (Err(Unfit::Unusable(error)), _) => error,
            (Err(Unfit::Forbidden(code) | Unfit::System(code)), _) => {
                Error::io("open", path, io::Error::from_raw_os_error(code))
            }
            (Err(unfit), _) => Error::Directory {
                dir: path.parent().unwrap_or(path).to_owned(),
                why: format!("{unfit}; let its owner alone write to it"),
            },
        }
    }
}

/// Marks the ring of a consumer as nameless, or takes the mark back. Producers then look at their path, also those
/// whose statements are behind closed gates.
pub(crate) fn mark_nameless(ring: &SharedRing, is_nameless: bool) {
    let flags = ring.header_word(header::FLAGS);
    let before = match is_nameless {
        true => flags.fetch_or(header::FLAG_NAMELESS, Ordering::Relaxed),
        false => flags.fetch_and(!header::FLAG_NAMELESS, Ordering::Relaxed),
    };
    if is_nameless && before & header::FLAG_NAMELESS == 0 {
        rules_area::raise(ring.memory(), unix_ns());
    }
}
