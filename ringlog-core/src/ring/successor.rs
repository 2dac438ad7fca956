//! A new ring that takes the place of another one: in one step, or of one that was removed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::error::Error;
use crate::ring::create::{self, FileAccess, Steering};
use crate::ring::file::{self, Opened};
use crate::ring::header::Info;
use crate::ring::lock_file;
use crate::ring::name;
use crate::ring::replacement;
use crate::ring::session::Session;
use crate::shm::block::SharedRing;
use crate::shm::clock::{Clock, unix_ns};
use crate::shm::layout::header;
use crate::shm::overflow::Overflow;
use crate::shm::rules_area;
use crate::shm::sync::Ordering;

/// A new ring beside the one whose place it is to take. Dropped before that, it is removed.
pub(crate) struct Successor {
    draft: PathBuf,
    path: PathBuf,
    is_in_place: bool,
}

impl Successor {
    /// Makes a ring with the overflow policy and the permissions of `old`, and those of its level rules that `rules`
    /// gives back. No other process may do the same: the caller holds a lock.
    pub(crate) fn make(
        old: &Opened,
        info: &Info,
        rules: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Result<Successor, Error> {
        // Beside the file, not beside a link to it.
        let path = old.path.canonicalize().map_err(|e| Error::io("find", &old.path, e))?;
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".new");
        let draft = path.with_file_name(name);
        // An earlier attempt may have left one.
        discard(&draft);
        let successor = Successor { draft, path, is_in_place: false };
        make_like(old, info, &successor.draft, rules).map_err(|error| successor.explain(error))?;
        Ok(successor)
    }

    /// Where the old ring lies and the new one will.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The error with the path for which the space was needed.
    fn explain(&self, error: Error) -> Error {
        let path = self.path.clone();
        match error {
            Error::NoSpace { bytes, free, .. } => Error::NoSpace { path, bytes, free },
            Error::FileSizeLimit { bytes, limit, .. } => Error::FileSizeLimit { path, bytes, limit },
            other => other,
        }
    }

    /// Writes the ring to the disk, if it lies on one: it takes no place before that.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        sync(&self.draft).map_err(|e| Error::io("sync", &self.draft, e))
    }

    /// Gives the ring the name of the old one, which keeps its name until then. Wherever this process dies, no name is
    /// missing.
    pub(crate) fn take_place(&mut self) -> Result<(), Error> {
        fs::rename(&self.draft, &self.path).map_err(|e| Error::io("replace", &self.path, e))?;
        self.is_in_place = true;
        // If this fails, a power cut may undo the rename.
        let _ = sync(self.directory());
        Ok(())
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.is_in_place {
            discard(&self.draft);
        }
    }
}

fn make_like(
    old: &Opened,
    info: &Info,
    draft: &Path,
    rules: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<(), Error> {
    let meta = old.file.metadata().map_err(|e| Error::io("look at", &old.path, e))?;
    let is_root = nix::unistd::geteuid().is_root();
    let access = FileAccess {
        mode: meta.mode() & 0o777,
        group: Some(meta.gid()),
        owner: Some(meta.uid()).filter(|_| is_root),
    };
    let mut settings = old.with_ring(Settings::of)?;
    settings.rules = settings.rules.map(|text| rules(&text));
    settings.make(draft, info, access)
}

/// Makes a ring like that of the session, which was removed from this path, with its sizes, overflow policy, bound
/// as a queue, level rules, permissions and clock. It belongs to this user where every member of a group may make it.
///
/// # Errors
/// [`Error::Exists`] if something is there; [`Error::OtherOwner`].
pub(crate) fn make_anew(session: &Session, path: &Path) -> Result<(), Error> {
    let ring = session.ring().ok_or(Error::Forked)?;
    let info = &session.info;
    let clock = if info.clock.unreliable().is_none() { info.clock } else { Clock::best() };
    let uid = nix::unistd::geteuid().as_raw();
    let is_own = session.owner == uid || uid != 0 && replacement::is_shared(path, session);
    if !is_own && uid != 0 {
        return Err(Error::OtherOwner { path: path.to_owned(), owner: session.owner, uid });
    }
    let access = FileAccess {
        mode: session.mode & 0o777,
        group: Some(session.group),
        owner: Some(session.owner).filter(|_| !is_own),
    };
    name::prepare_directory(path)?;
    Settings::of(&ring).make(path, &Info::new(info.geometry, clock), access)
}

/// What of a ring stands outside of its geometry.
struct Settings {
    steering: Steering,
    rules: Option<Vec<u8>>,
}

impl Settings {
    fn of(ring: &SharedRing) -> Settings {
        let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
        let mut room = rules_area::ROOM;
        let rules = rules_area::read(ring.memory(), &mut room).map(|(_, text)| text.to_vec());
        let overflow = Overflow::from_words(word(header::OVERFLOW), word(header::BLOCK_DEADLINE_NS));
        let steering = Steering { overflow, bound: word(header::QUEUE_BOUND) };
        Settings { steering, rules }
    }

    fn make(self, path: &Path, info: &Info, access: FileAccess) -> Result<(), Error> {
        create::create(path, info, self.steering, access)?;
        if let Some(rules) = self.rules.filter(|rules| !rules.is_empty()) {
            file::open("", path, true)?.with_ring(|ring: &SharedRing| {
                rules_area::write(ring.memory(), 0, unix_ns(), &rules);
            })?;
        }
        Ok(())
    }
}

/// Removes a ring that has not been used, and its lock file.
fn discard(draft: &Path) {
    if let Ok(opened) = file::open("", draft, false) {
        let _ = lock_file::remove(&lock_file::path_for(&opened));
    }
    let _ = fs::remove_file(draft);
}

fn sync(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Not every file system can.
        Err(e) if e.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
        other => other,
    }
}
