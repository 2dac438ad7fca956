//! [`Ring`]: the handle that applications hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::ring::by_name::Named;
use crate::ring::create::{self, FileAccess, Steering};
use crate::ring::exit;
use crate::ring::file;
use crate::ring::header::Info;
use crate::ring::name;
use crate::ring::options::Options;
use crate::ring::reclaim;
use crate::ring::renewal;
use crate::ring::slot::Use;
use crate::ring::successor;
use crate::shm::clock::Clock;

/// A ring that this process is attached to. Cheap to clone; dropping the last clone detaches.
///
/// NAME means `$RINGLOG_DIR/NAME`, by default `/dev/shm/ringlog-<uid>/NAME`, or `/run/ringlog/NAME` if there is none;
/// `.` means the name or path in `$RINGLOG`; anything with a slash is a path.
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
    named: Arc<Named>,
}

impl Ring {
    /// Options to make a ring: size, lanes, overflow policy, permissions.
    pub fn options() -> Options {
        Options::default()
    }

    /// Opens the ring `name` for logging and draining.
    ///
    /// If it was made before the machine was started, it is renamed, to be drained by the next writer, and a new ring
    /// takes its place: after a power cut its content may be older than what has been read from it.
    ///
    /// # Errors
    /// [`Error::NoSuchRing`], with a similar name if there is one; [`Error::NotARing`],
    /// [`Error::Version`] or [`Error::Damaged`] for what is in the file; [`Error::Permission`];
    /// [`Error::LocksNotKept`] where the file system cannot carry a ring.
    pub fn open(name: &str) -> Result<Ring, Error> {
        Ring::open_named(name, &name::resolve_absolute(name)?)
    }

    /// Opens the ring at an absolute path.
    pub(crate) fn open_at(path: &Path) -> Result<Ring, Error> {
        Ring::open_named("", path)
    }

    /// `name` is what an error calls the ring if its path has no last part.
    fn open_named(name: &str, path: &Path) -> Result<Ring, Error> {
        exit::prepare();
        renewal::renew_if_old(name, path)?;
        // If the ring is being replaced, open the new one. It is not replaced more often than this.
        for _ in 0..8 {
            if let Some(named) = Named::new(&file::open(name, path, true)?)? {
                // Here and not with the first record, which may come from a signal handler: this allocates.
                reclaim::look_without_consumer(&named.session());
                return Ok(Ring { named });
            }
        }
        Err(name::no_such_ring(name, path))
    }

    pub(crate) fn with_ring(&self, act: impl FnOnce(&crate::shm::block::SharedRing)) {
        // Used until `act` has ended.
        let session = self.named.session();
        if let Some(ring) = session.ring() {
            act(&ring);
        }
    }

    /// The ring that is at the path now, if this one was removed and another one has taken its place.
    ///
    /// Handles that log follow their name by themselves. This is for a process that drains both.
    ///
    /// # Errors
    /// [`Error::Replacement`] if the file that is there does not take its place: it belongs to another user, say.
    pub fn successor(&self) -> Result<Option<Ring>, Error> {
        Ok(self.named.successor()?.map(|named| Ring { named }))
    }

    /// Makes a ring like this one at its path, after this one was removed: of its sizes, with its overflow policy and
    /// level rules, for the same users.
    ///
    /// # Errors
    /// [`Error::Exists`] if something is there by now; [`Error::OtherOwner`] for a ring of another user; what
    /// [`Options::create`] returns.
    pub fn make_anew(&self) -> Result<(), Error> {
        successor::make_anew(&self.session(), self.named.place().path())
    }

    pub(crate) fn named(&self) -> &Arc<Named> {
        &self.named
    }

    /// The present session.
    pub(crate) fn session(&self) -> Use<'_> {
        self.named.session()
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        self.named.path()
    }

    /// The rings that were at this path before the machine was started and are not drained yet, oldest first. They get
    /// no new records; open each by its path to drain it.
    pub fn of_earlier_boots(&self) -> Vec<PathBuf> {
        renewal::waiting_beside(self.path(), self.session().identity)
    }

    /// What the header said when this handle was opened. If the ring was replaced since, the header of the present one
    /// may say something else.
    pub fn info(&self) -> &Info {
        self.named.info()
    }
}

impl Options {
    /// Makes the ring `name` and opens it. No process ever sees it half-made.
    ///
    /// # Errors
    /// [`Error::Exists`] if it is there already; what [`Ring::open`] returns; [`Error::NoSpace`].
    pub fn create(self, name: &str) -> Result<Ring, Error> {
        let path = name::resolve_new(name)?;
        self.create_file(&path)?;
        Ring::open(name)
    }

    /// Opens the ring `name`, or makes it if it is not there. The options count only if it is made.
    ///
    /// # Errors
    /// As for [`create`](Self::create) and [`Ring::open`].
    pub fn create_or_open(self, name: &str) -> Result<Ring, Error> {
        match Ring::open(name) {
            Err(Error::NoSuchRing { .. }) => {}
            other => return other,
        }
        match self.create_file(&name::resolve_new(name)?) {
            Ok(()) | Err(Error::Exists { .. }) => Ring::open(name),
            Err(error) => Err(error),
        }
    }

    fn create_file(&self, path: &Path) -> Result<(), Error> {
        let geometry = self.geometry()?;
        name::prepare_directory(path)?;
        if path.symlink_metadata().is_ok() {
            // What is no ring cannot be opened or removed as one.
            return Err(match file::open("", path, false) {
                Err(error @ Error::NotARing { .. }) => error,
                _ => Error::Exists { path: path.to_owned() },
            });
        }
        let clock = self.clock.unwrap_or_else(Clock::best);
        if let Some(why) = clock.unreliable() {
            return Err(Error::Clock { why: why.to_string() });
        }
        let info = Info::new(geometry, clock);
        let access = FileAccess { mode: self.mode, group: self.group, owner: None };
        create::create(path, &info, self.steering(), access)
    }

    fn steering(&self) -> Steering {
        Steering { overflow: self.overflow, bound: self.bound }
    }

    /// Makes a ring without a name in `dir`.
    pub(crate) fn create_unnamed(&self, dir: &Path) -> Result<std::fs::File, Error> {
        let info = Info::new(self.geometry()?, self.clock.unwrap_or_else(Clock::best));
        create::create_unnamed(dir, &info, self.steering())
    }
}
