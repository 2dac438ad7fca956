//! The lock that makes a consumer the only one of its ring, and what the ring's header says of its holder.

use std::sync::atomic::Ordering;

use crate::error::Error;
use crate::os::fork_guard;
use crate::os::ofd_lock::{self, LockPage, Mode};
use crate::ring::by_name::Attached;
use crate::ring::name;
use crate::shm::block::SharedRing;
use crate::shm::clock::unix_ns;
use crate::shm::layout::{NAME_BYTES, header, lock as lock_byte};
use crate::shm::mailbox::{self, Request};
use crate::shm::words::{process_name_words, text_from_words};

/// Holds the lock of the ring's one consumer, or a share of it: those of a queue take turns. The kernel releases it at
/// the latest when the process ends.
#[derive(Debug)]
pub(super) struct ConsumerLock {
    session: Attached,
    session_id: u64,
    page: LockPage,
    mode: Mode,
    follows_unclean_exit: bool,
    stops_before: u64,
}

impl ConsumerLock {
    /// Takes the lock and writes the holder into the header; for a share, the caller does that when its turn comes.
    pub(super) fn take(session: Attached, ring: &SharedRing, mode: Mode) -> Result<ConsumerLock, Error> {
        let path = || session.path.to_path_buf();
        let Some(page) = hold(&session, mode)? else {
            // Those who hold it shared leave room for another share.
            if mode == Mode::Exclusive
                && let Some(page) = hold(&session, Mode::Shared)?
            {
                release(page);
                return Err(Error::QueueInUse { path: path(), holder: holder(ring) });
            }
            return Err(Error::ConsumerExists { path: path(), holder: holder(ring) });
        };
        let follows_unclean_exit = ring.header_word(header::CONSUMER_PID).load(Ordering::Relaxed) != 0;
        // Before the header names this consumer: a request to stop from a process that has read the name is for it.
        let stops_before = mailbox::last(ring, Request::Stop);
        if mode == Mode::Exclusive {
            write_holder(ring);
        }
        let session_id = session.session_id();
        Ok(ConsumerLock { session_id, session, page, mode, follows_unclean_exit, stops_before })
    }

    /// The ring, unless this is a copy in a forked child: the child has neither the mapping nor the lock.
    pub(super) fn ring(&self) -> Option<SharedRing> {
        self.session.ring().filter(|_| self.session.session_id() == self.session_id)
    }

    /// The number of the last request to stop before this consumer: it was for an earlier one.
    pub(super) fn stops_before(&self) -> u64 {
        self.stops_before
    }

    /// Whether the consumer before this one ended without saying so.
    pub(super) fn follows_unclean_exit(&self) -> bool {
        self.follows_unclean_exit
    }
}

/// Locks the consumer's byte; `None` if others hold it.
fn hold(session: &Attached, mode: Mode) -> Result<Option<LockPage>, Error> {
    let io = |e| Error::io("lock", session.lock_file.path(), e);
    let _no_fork = fork_guard::block_forks();
    let file = session.lock_file.open().map_err(io)?;
    let file = file.ok_or_else(|| name::no_such_ring("", &session.path))?;
    ofd_lock::hold(&file, lock_byte::CONSUMER, mode).map_err(io)
}

/// Ends a lock. The caller has held it in this process, and uses it no more.
fn release(page: LockPage) {
    #[allow(unsafe_code)]
    // SAFETY: held in this very session, released once.
    unsafe {
        LockPage::release(page.as_ptr());
    };
}

/// Writes into the header that the consumer has ended in order.
pub(super) fn write_end(ring: &SharedRing) {
    ring.header_word(header::CONSUMER_PID).store(0, Ordering::Relaxed);
}

pub(super) fn write_holder(ring: &SharedRing) {
    let set = |offset, value| ring.header_word(offset).store(value, Ordering::Relaxed);
    set(header::CONSUMER_PID, std::process::id().into());
    set(header::CONSUMER_SINCE_UNIX_NS, unix_ns());
    set(header::CONSUMER_BEAT_UNIX_NS, 0);
    for (i, word) in process_name_words().into_iter().enumerate() {
        debug_assert!(i < NAME_BYTES / 8);
        set(header::CONSUMER_NAME + i * 8, word);
    }
}

/// Whether the header names this process.
fn is_named(ring: &SharedRing) -> bool {
    ring.header_word(header::CONSUMER_PID).load(Ordering::Relaxed) == u64::from(std::process::id())
}

/// The consumer's process name and id, as the header has them. For messages: control characters are escaped.
pub(crate) fn holder(ring: &SharedRing) -> String {
    let words: Vec<u64> = (0..NAME_BYTES / 8)
        .map(|i| ring.header_word(header::CONSUMER_NAME + i * 8).load(Ordering::Relaxed))
        .collect();
    let pid = ring.header_word(header::CONSUMER_PID).load(Ordering::Relaxed);
    format!("{} (pid {pid})", text_from_words(&words).escape_debug())
}

impl Drop for ConsumerLock {
    fn drop(&mut self) {
        let Some(ring) = self.ring() else { return };
        if self.session.is_whole() && (self.mode == Mode::Exclusive || is_named(&ring)) {
            write_end(&ring);
        }
        release(self.page);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::Ring;

    /// Requests a stop as soon as the header names a consumer.
    fn stop_when_named(ring: &Ring) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let shared = ring.session().ring().unwrap();
        while shared.header_word(header::CONSUMER_PID).load(Ordering::Relaxed) == 0 {
            assert!(Instant::now() < deadline, "no consumer came");
            std::hint::spin_loop();
        }
        mailbox::post(&shared, Request::Stop);
    }

    #[test]
    fn a_stop_for_a_consumer_that_just_began_is_counted() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let name = dir.path().join("ring");
        let ring = Ring::options().size("64MiB").create(name.to_str().unwrap()).unwrap();
        for round in 0..20 {
            let watcher = std::thread::spawn({
                let ring = ring.clone();
                move || stop_when_named(&ring)
            });
            let consumer = ring.consumer().unwrap();
            watcher.join().unwrap();
            assert!(consumer.requests().pending(Request::Stop).is_some(), "lost in round {round}");
        }
    }
}
