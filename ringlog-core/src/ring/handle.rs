//! Handles that applications hold: [`Ring`] here, [`Logger`] in its own module.

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::producer::logger::Logger;
use crate::reader::consumer::Consumer;
use crate::reader::observer::Observer;
use crate::ring::file;
use crate::ring::header::Info;
use crate::ring::name;
use crate::ring::options::Options;
use crate::ring::session::Session;

/// A ring that this process is attached to. Cheap to clone; the last clone to go detaches.
///
/// NAME means `$RINGLOG_DIR/NAME`, by default `/dev/shm/ringlog-<uid>/NAME`; `.` means the path in
/// `$RINGLOG`; anything with a slash is a path.
///
/// ```
/// use ringlog::{Level, Ring};
/// # let dir = tempfile::tempdir_in("/dev/shm")?;
/// # let path = dir.path().join("app");
/// # let name = path.to_str().unwrap();
/// let ring = Ring::options().size("1MiB").create_or_open(name)?;
/// let log = ring.logger();
/// log.text(Level::INFO, "orders", "ready")?;
///
/// let mut consumer = ring.consumer()?;
/// let record = consumer.next(std::time::Duration::from_secs(5))?.expect("one was published");
/// assert_eq!(record.message(), "ready");
/// consumer.ack()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ring {
    session: Arc<Session>,
}

impl Ring {
    /// How to make a ring: size, lanes, overflow policy, permissions.
    pub fn options() -> Options {
        Options::default()
    }

    /// Opens the ring `name` for logging and draining.
    ///
    /// # Errors
    /// [`Error::NoSuchRing`], with a similar name if there is one; [`Error::NotARing`],
    /// [`Error::Version`] or [`Error::Damaged`] for what is in the file; [`Error::Permission`];
    /// [`Error::LocksNotKept`] where the file system cannot carry a ring.
    pub fn open(name: &str) -> Result<Ring, Error> {
        let path =
            std::path::absolute(name::resolve(name)?).map_err(|e| Error::io("find", Path::new(name), e))?;
        // A ring that is being replaced: look at the new one. More often than this nobody replaces it.
        for _ in 0..8 {
            let opened = file::open(name, &path, true)?;
            if let Some(session) = Session::new(opened)? {
                return Ok(Ring { session: Arc::new(session) });
            }
        }
        Err(name::no_such_ring(name, &path))
    }

    /// A handle to log with; clone it freely, send it to any thread. Each thread gets its lane by
    /// itself with its first record.
    pub fn logger(&self) -> Logger {
        Logger::new(self.session.clone())
    }

    /// Drains the ring: the one consumer.
    ///
    /// # Errors
    /// [`Error::ConsumerExists`], saying who it is.
    pub fn consumer(&self) -> Result<Consumer, Error> {
        Consumer::new(self.session.clone())
    }

    /// Looks at what is in the ring, without disturbing anyone: its own read-only mapping, any number
    /// at the same time.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn observe(&self) -> Result<Observer, Error> {
        Observer::of_file(&self.session.path)
    }

    pub(crate) fn with_ring(&self, act: impl FnOnce(&crate::shm::block::SharedRing)) {
        if let Some(ring) = self.session.ring() {
            act(&ring);
        }
    }

    pub(crate) fn identity(&self) -> crate::ring::file::Identity {
        self.session.identity
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.session.path
    }

    /// What its header says.
    pub fn info(&self) -> &Info {
        &self.session.info
    }
}
