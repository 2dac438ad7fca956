//! Administers rings: finds, lists, resizes and removes them, sends requests to their writer, and changes the levels of
//! running processes. `ringlog rm`, `resize`, `ls`, `stop`, `rotate`, `reload` and `level` are built on it.

mod resize;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::error::Error;
use crate::os::file::Identity;
use crate::os::ofd_lock::ScopedLock;
use crate::reader::observer::Observer;
use crate::ring::file;
use crate::ring::handle::Ring;
use crate::ring::lock_file::{self, Found, LockFile};
use crate::ring::name;
use crate::shm::layout::header;
use crate::shm::mailbox;

pub use self::resize::{Resize, Resized, resize};
pub use crate::error::shown::{Shown, ShownText, is_harmful};
pub use crate::os::environment::{is_from_stranger, variable};
pub use crate::reader::levels::change_levels;
pub use crate::record::level::rules::{LevelRule, LevelRules};
pub use crate::ring::header::Info;
pub use crate::ring::name::{directory, resolve};
pub use crate::ring::options::Size;
pub use crate::ring::units::{duration_word, parse_duration, parse_size, size_word};
pub use crate::shm::clock::{Clock, Unreliable};
pub use crate::shm::layout::Geometry;
pub use crate::shm::mailbox::{Request, RotationOutcome};

/// Removes the ring `name`. Refused while a process is attached, or if it has records that were not persisted, unless
/// `force`: then it is marked as retired, so that producers get [`PushError::Gone`](crate::PushError::Gone) at their
/// next block.
///
/// # Errors
/// [`Error::InUse`], which names the processes; [`Error::NotPersisted`]; [`Error::SharedRing`] for the mere name of a
/// ring in `/run/ringlog`; what [`Observer::open`] returns, except that with `force` a damaged ring is removed too.
pub fn remove(name: &str, force: bool) -> Result<PathBuf, Error> {
    let path = name::resolve_own(name)?;
    let opened = match file::open(name, &path, true) {
        Err(Error::Damaged { .. } | Error::Version { .. }) if force => {
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            return Ok(path.clone());
        }
        other => other?,
    };
    remove_opened(name, &path, &opened, force)?;
    Ok(path.clone())
}

fn remove_opened(name: &str, path: &Path, opened: &file::Opened<'_>, force: bool) -> Result<(), Error> {
    let lock_path = lock_file::path_for(opened);
    let found = LockFile::find(&opened.file, &lock_path);
    let lock_file = match found {
        Ok(Found::Here(lock_file)) => Some(lock_file),
        Ok(Found::Unused) => None,
        Ok(Found::Missing) if !force => {
            return Err(Error::LockFileMissing { path: path.to_owned(), lock_file: lock_path });
        }
        Err(error) if !force => return Err(error),
        Ok(Found::Missing) | Err(_) => None,
    };
    // Held until both files are removed.
    let exclusive = lock_file.as_ref().map(LockFile::lock_out).transpose();
    let exclusive = exclusive.map_err(|e| Error::io("lock", &lock_path, e))?;
    let is_in_use = matches!(exclusive, Some(None));
    if is_in_use && !force {
        return Err(Error::InUse { path: path.to_owned(), holders: holders(name, opened)? });
    }
    if !force {
        // No process can log into it any more.
        let stat = Observer::of_file(path)?.stat()?;
        let records = stat.lag().saturating_add(stat.claims);
        if records > 0 {
            return Err(Error::NotPersisted { path: path.to_owned(), records });
        }
    }
    retire(opened)?;
    std::fs::remove_file(path).map_err(|e| Error::io("remove", path, e))?;
    if lock_file.is_some() {
        std::fs::remove_file(&lock_path).map_err(|e| Error::io("remove", &lock_path, e))?;
    }
    lock_file::remove_status(&lock_path);
    Ok(())
}

/// Removes the ring `name`, whatever is in it, unless somebody [holds](crate::Ring::hold) it; false then, or if it is
/// not there. Who is only attached to it does not matter.
///
/// # Errors
/// As for [`remove`].
///
/// ```
/// # let dir = tempfile::tempdir_in("/dev/shm")?;
/// # let path = dir.path().join("jobs");
/// # let name = path.to_str().unwrap();
/// use ringlog::{Ring, admin};
///
/// let ring = Ring::options().size("1MiB").create(name)?;
/// let hold = ring.hold()?;
/// assert!(!admin::remove_unheld(name)?);
/// drop(hold);
/// assert!(admin::remove_unheld(name)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn remove_unheld(name: &str) -> Result<bool, Error> {
    unheld(name)?.map_or(Ok(false), |unheld| unheld.remove().map(|()| true))
}

/// A ring without a holder. As long as this value is there, it gets none.
#[derive(Debug)]
pub struct Unheld {
    path: PathBuf,
    identity: Identity,
    #[expect(dead_code, reason = "keeps holders out")]
    lock: ScopedLock,
}

/// Keeps others from [holding](crate::Ring::hold) the ring `name`; `None` if somebody holds it, or if it is not there.
/// For a look at it before it is removed.
///
/// # Errors
/// As for [`remove`].
pub fn unheld(name: &str) -> Result<Option<Unheld>, Error> {
    let path = name::resolve_own(name)?;
    let opened = match file::open(name, &path, true) {
        Err(Error::NoSuchRing { .. }) => return Ok(None),
        other => other?,
    };
    let Found::Here(lock_file) = LockFile::find(&opened.file, &lock_file::path_for(&opened))? else {
        return Ok(None);
    };
    let lock = lock_file.lock_holders_out().map_err(|e| Error::io("lock", lock_file.path(), e))?;
    let identity = opened.identity;
    Ok(lock.map(|lock| Unheld { path: path.to_path_buf(), identity, lock }))
}

impl Unheld {
    /// Removes the ring, with all that is in it.
    ///
    /// # Errors
    /// [`Error::NoSuchRing`] if another one has taken its place; [`Error::Io`].
    pub fn remove(self) -> Result<(), Error> {
        let opened = file::open("", &self.path, true)?;
        if opened.identity != self.identity {
            return Err(name::no_such_ring("", &self.path));
        }
        remove_opened("", &self.path, &opened, true)
    }
}

/// Removes the lock files of rings that are gone from the directory of the ring `name`, and returns their paths. A ring
/// whose file was removed by hand leaves its lock file there. One that a process holds stays. The ring `name` itself
/// need not be there.
///
/// # Errors
/// As for [`resolve`], and [`Error::SharedRing`].
pub fn remove_orphans(name: &str) -> Result<Vec<PathBuf>, Error> {
    let path = name::resolve_own(name)?;
    let path = path.canonicalize().unwrap_or(path);
    Ok(path.parent().map(lock_file::sweep).unwrap_or_default())
}

/// Marks the file as retired, for processes that still have it mapped.
fn retire(opened: &file::Opened<'_>) -> Result<(), Error> {
    opened.with_ring(|ring| {
        ring.header_word(header::FLAGS).fetch_or(header::FLAG_RETIRED, Ordering::Relaxed);
    })
}

/// Sends a request to the consumer of the ring `name` and returns the request's number. [`Request::Rotate`] is answered
/// when [`RingStat::rotations`](crate::reader::RingStat::rotations) has reached that number, [`Request::Reload`] when
/// [`RingStat::reloads`](crate::reader::RingStat::reloads) has; [`Request::Stop`] when the consumer has ended, which
/// may take as long as it needs.
///
/// # Errors
/// As for [`Ring::open`].
pub fn request(name: &str, request: Request) -> Result<u64, Error> {
    file::open_by_name(name, true)?.with_ring(|ring| mailbox::post(ring, request))
}

/// The processes that use the ring: the consumer, owners of lanes, and others that have it mapped.
fn holders(name: &str, opened: &file::Opened<'_>) -> Result<String, Error> {
    let stat = Observer::open(name)?.stat()?;
    let mut pids: Vec<u32> = stat.lanes.iter().filter(|lane| lane.alive).map(|lane| lane.pid).collect();
    pids.extend(mapped_by(opened.identity.inode()));
    let consumer = stat.consumer.as_ref().map(|consumer| consumer.pid);
    pids.retain(|pid| Some(*pid) != consumer);
    pids.sort_unstable();
    pids.dedup();
    let writer = stat.consumer.map(|consumer| format!("its writer {}", consumer.holder));
    let others = pids.into_iter().map(|pid| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{} (pid {pid})", command.trim_end().shown())
    });
    let all: Vec<String> = writer.into_iter().chain(others).collect();
    Ok(if all.is_empty() { "a process that cannot be seen from here".to_owned() } else { all.join(", ") })
}

/// Other processes that have the file mapped, as far as /proc shows them.
fn mapped_by(inode: u64) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let inode = inode.to_string();
    pids.filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
            maps.lines().any(|line| line.split_whitespace().nth(4) == Some(&inode))
        })
        .collect()
}

/// A file in a directory of rings: its name, or its path in `/run/ringlog`, and the ring opened for observing or the
/// error.
pub type Listed = (String, Result<Observer, Error>);

/// The rings in [`directory`], by name; then, unless `$RINGLOG_DIR` is set, those in `/run/ringlog`, by path. A
/// directory that does not exist has no rings. For a user who may not list `/run/ringlog` it stands there itself, with
/// [`Error::Closed`].
///
/// # Errors
/// [`Error::Directory`] or [`Error::Io`] if a directory cannot be read.
pub fn list() -> Result<Vec<Listed>, Error> {
    let mut listed = Vec::new();
    for dir in name::directories() {
        let is_own = dir == name::directory();
        match name::check_directory(&dir) {
            // One directory that cannot be trusted does not hide the rings of the other.
            Err(error) if !is_own => {
                listed.push((dir.to_string_lossy().into_owned(), Err(error)));
                continue;
            }
            checked => checked?,
        }
        let names = match std::fs::read_dir(&dir) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()),
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) if !is_own && e.kind() == ErrorKind::PermissionDenied => {
                listed.push((dir.to_string_lossy().into_owned(), Err(name::closed(&dir))));
                continue;
            }
            Err(e) => return Err(Error::io("list", &dir, e)),
        };
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        let path = |name: &String| dir.join(name);
        let shown =
            |name: &String| if is_own { name.clone() } else { path(name).to_string_lossy().into_owned() };
        listed.extend(names.iter().map(|name| (shown(name), Observer::of_file(&path(name)))));
    }
    Ok(listed)
}

impl Ring {
    /// Changes the overflow policy for every producer, effective when a ring is next found full.
    pub fn set_overflow(&self, overflow: crate::Overflow) {
        self.with_ring(|ring| {
            let (policy, deadline_ns) = overflow.words();
            ring.header_word(header::BLOCK_DEADLINE_NS).store(deadline_ns, Ordering::Relaxed);
            ring.header_word(header::OVERFLOW).store(policy, Ordering::Release);
        });
    }
}
