//! Why a thread gets no lane, or a forked child no ring: what the caller is told, and as what the record is counted.

use std::io;

use super::Session;
use crate::error::{Error, PushError};
use crate::shm::drops::LanelessReason;

/// Why a thread gets no lane, or a forked child no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Every lane has a living owner.
    LanesTaken,
    /// The ring was removed, replaced or truncated.
    Gone,
    /// The system is out of descriptors, address space or kernel locks, this process may not open the ring or its lock
    /// file (`EACCES`), or the lock file is missing (`ENOENT`): the system's error number.
    System(i32),
}

impl Refusal {
    /// The calling thread is opening one: this is a signal handler in between.
    pub(crate) const INTERRUPTED: Refusal = Refusal::System(libc::EDEADLK);

    pub(crate) fn of_io(error: &io::Error) -> Refusal {
        match error.raw_os_error() {
            Some(libc::ENOENT) => Refusal::Gone,
            Some(code) => Refusal::System(code),
            None if error.kind() == io::ErrorKind::OutOfMemory => Refusal::System(libc::ENOMEM),
            None => Refusal::System(libc::EIO),
        }
    }

    /// For a ring whose lock file is not at its path. Where the ring is, it is not gone.
    pub(crate) fn without_lock_file(session: &Session) -> Refusal {
        match session.identity.is_at(&session.path) && !session.lock_file.is_there() {
            true => Refusal::System(libc::ENOENT),
            false => Refusal::Gone,
        }
    }

    pub(crate) fn of(error: Error) -> Refusal {
        match error {
            Error::Io { source, .. } => Refusal::of_io(&source),
            Error::Permission { .. } => Refusal::System(libc::EACCES),
            Error::LocksNotKept { .. } => Refusal::System(libc::ENOLCK),
            // The file at the path is not this ring any more.
            _ => Refusal::Gone,
        }
    }

    pub(crate) fn of_push(self) -> PushError {
        match self {
            Refusal::LanesTaken => PushError::NoLane,
            Refusal::Gone => PushError::Gone,
            Refusal::INTERRUPTED => PushError::Nested,
            Refusal::System(errno) => PushError::System(errno),
        }
    }

    pub(super) fn of_drop(self) -> LanelessReason {
        match self {
            Refusal::LanesTaken => LanelessReason::LanesTaken,
            Refusal::Gone => LanelessReason::NoRing,
            Refusal::INTERRUPTED => LanelessReason::Opening,
            Refusal::System(errno) => LanelessReason::System(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ring::handle::Ring;
    use crate::ring::lane;
    use crate::shm::drops::LanelessDrops;

    /// Both files are removed, as logind does, and the name has not looked at its path yet.
    #[test]
    fn a_record_for_which_the_ring_is_gone_counts_as_without_a_ring() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("ring");
        let ring = Ring::options().size("256KiB").create(path.to_str().unwrap()).unwrap();
        let session = ring.session();
        let shared = session.ring().unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(session.lock_file.path()).unwrap();
        let why = lane::open_for_thread(&session, &shared).map(|_| ()).unwrap_err();
        assert_eq!(why, Refusal::Gone);
        session.state().count_without_lane(Some(&shared), why);
        let counted = LanelessDrops::read(&shared);
        assert_eq!((counted.all, counted.without_ring, counted.by_system), (1, 1, 0));
    }

    /// What is counted while there is no mapping is counted for the same reason.
    #[test]
    fn each_reason_is_counted_as_itself() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = Ring::options().size("256KiB").create(dir.path().join("ring").to_str().unwrap()).unwrap();
        let session = ring.session();
        let shared = session.ring().unwrap();
        for (why, counted_as) in [
            (Refusal::LanesTaken, LanelessReason::LanesTaken),
            (Refusal::Gone, LanelessReason::NoRing),
            (Refusal::INTERRUPTED, LanelessReason::Opening),
            (Refusal::System(libc::EMFILE), LanelessReason::System(libc::EMFILE)),
        ] {
            let before = LanelessDrops::read(&shared);
            session.state().count_without_lane(None, why);
            assert!(session.state().has_uncounted());
            session.state().count_the_uncounted(&shared);
            assert!(!session.state().has_uncounted());
            let counted = LanelessDrops::read(&shared).since(before, LanelessDrops::errno(&shared));
            assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 1);
            assert!(counted.contains(&(counted_as, 1)), "{why:?}: {counted:?}");
        }
    }

    #[test]
    fn a_file_that_may_not_be_opened_is_not_gone() {
        let of_code = |code| Refusal::of_io(&io::Error::from_raw_os_error(code));
        assert_eq!(of_code(libc::ENOENT), Refusal::Gone);
        assert_eq!(of_code(libc::EACCES), Refusal::System(libc::EACCES));
        assert_eq!(Refusal::of_io(&io::ErrorKind::OutOfMemory.into()), Refusal::System(libc::ENOMEM));
        let path = Path::new("/x").to_owned();
        assert_eq!(Refusal::of(Error::LocksNotKept { path }), Refusal::System(libc::ENOLCK));
    }
}
