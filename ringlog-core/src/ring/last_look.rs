//! The last look at a ring's path: when the last handle of a name is dropped, and when the process runs its exit
//! handlers. What the process leaves in a removed ring, and what it was refused meanwhile, is then counted in the ring
//! that is at the path.

use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};

use crate::os::fork_guard;
use crate::ring::by_name::Named;
use crate::ring::follow::is_drained_now;
use crate::ring::left;
use crate::ring::replacement::{self, Found};
use crate::ring::session::Session;
use crate::shm::block::SharedRing;

/// The names that the process has opened, and has not dropped.
static NAMES: Mutex<Vec<Weak<Named>>> = Mutex::new(Vec::new());

/// How often the end of the process tries to get the list, which is locked for a few instructions at a time.
const TRIES: u32 = 1000;

/// Has the name look at its path when the process ends.
pub(super) fn remember(named: &Arc<Named>) {
    // A child that is forked meanwhile would find the list locked for ever.
    let _no_fork = fork_guard::block_forks();
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.retain(|name| name.strong_count() != 0);
    names.push(Arc::downgrade(named));
}

/// Has every name look at its path once more. Threads may still be logging.
pub(super) fn at_process_end() {
    for named in take_names().iter().filter_map(Weak::upgrade) {
        named.look_last();
    }
}

/// The list, unless the code that holds it does not go on: the exit handlers may run in a signal handler.
fn take_names() -> Vec<Weak<Named>> {
    for _ in 0..TRIES {
        match NAMES.try_lock() {
            Ok(mut names) => return std::mem::take(&mut names),
            Err(TryLockError::Poisoned(names)) => return std::mem::take(&mut names.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    Vec::new()
}

impl Named {
    /// Counts in the ring at the path what is left in a ring that was there before, if nothing drains that one, and
    /// what this process was refused. Where there is no ring, or none that it can open, these are reported on standard
    /// error, if they are to be. Waits for nothing.
    pub(super) fn look_last(&self) {
        if !self.has_begun() {
            return;
        }
        self.settle();
        let session = self.session();
        let is_refused = self.refused() != 0 || session.state().has_uncounted();
        let Some(ring) = session.ring() else {
            // A forked child that has found no ring: it has only been refused.
            if is_refused {
                self.count_at_path(&session, None);
                self.report_lost(self.refused_in(&session), 0);
            }
            return;
        };
        let found = replacement::look(self.place(), &session);
        if found == Found::Same && session.is_whole() {
            return self.count_refused_in(&session, &ring);
        }
        let is_left = session.is_whole() && !is_drained_now(&session, &ring);
        if !is_left && !is_refused {
            return;
        }
        // The number of a descriptor may stand for any other file by now.
        if found == Found::Other && !self.place().is_of_descriptor() {
            self.count_at_path(&session, is_left.then_some(&ring));
        }
        // What was counted there is not left any more.
        let left = if is_left { left::look(&ring) } else { 0 };
        self.report_lost(self.refused_in(&session), left);
    }

    fn report_lost(&self, refused: u64, left: u64) {
        if (refused != 0 || left != 0)
            && let Some(lines) = self.loss_lines.get()
        {
            lines.report_lost(refused, left);
        }
    }

    /// The number of records of this process that were refused and are counted in no ring.
    fn refused_in(&self, session: &Session) -> u64 {
        self.refused().saturating_add(session.state().uncounted())
    }

    /// Counts in the ring at the path, which is mapped only for that.
    fn count_at_path(&self, session: &Session, left_in: Option<&SharedRing>) {
        let Ok(opened) = replacement::open(self.place(), session) else { return };
        // The ring itself may be at its path again.
        let left_in = left_in.filter(|_| opened.identity != session.identity);
        let _ = opened.with_ring(|to| {
            if let Some(from) = left_in {
                left::count(from, to);
            }
            self.count_refused_in(session, to);
        });
    }

    fn count_refused_in(&self, session: &Session, ring: &SharedRing) {
        self.count_refused(ring);
        session.state().count_the_uncounted(ring);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use super::*;
    use crate::ring::handle::Ring;
    use crate::ring::session::Refusal;
    use crate::shm::drops::LanelessDrops;

    fn make(dir: &tempfile::TempDir, name: &str) -> Ring {
        Ring::options().size("64KiB").create(dir.path().join(name).to_str().unwrap()).unwrap()
    }

    /// Counts a record as refused in the ring.
    fn refuse(ring: &Ring) {
        ring.with_ring(|shared| ring.session().state().count_without_lane(Some(shared), Refusal::LanesTaken));
    }

    fn counted(ring: &Ring) -> LanelessDrops {
        LanelessDrops::read(&ring.session().ring().unwrap())
    }

    #[test]
    fn a_descriptor_used_again_is_not_taken_for_the_ring() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let file = Ring::options().size("64KiB").create_unnamed(dir.path()).unwrap();
        let ring = Ring::open_at(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd()))).unwrap();
        refuse(&ring);
        let other = make(&dir, "other");
        let mut file = std::os::fd::OwnedFd::from(file);
        nix::unistd::dup2(std::fs::File::open(other.path()).unwrap(), &mut file).unwrap();
        drop(ring);
        assert_eq!(counted(&other).all, 0);
    }

    #[test]
    fn what_the_process_no_longer_opens_is_forgotten() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = make(&dir, "ring");
        (0..200).for_each(|_| drop(Ring::open_at(ring.path()).unwrap()));
        // Other tests of this process open rings meanwhile.
        assert!(NAMES.lock().unwrap().len() < 100);
    }

    #[test]
    fn exit_handlers_wait_for_no_list() {
        let _held = NAMES.lock().unwrap();
        assert!(take_names().is_empty());
    }
}
