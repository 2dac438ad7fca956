//! The file beside a ring on whose bytes owners hold the kernel's locks.
//!
//! Whoever may open a file for reading may take shared locks on it, and so keep every other process from the exclusive
//! ones. So no lock lies on the ring itself, which others may be allowed to read. The lock file can be opened only by
//! those who may write the ring, and it is empty: nothing in it can be damaged or cut off.
//!
//! It is named after the ring's UUID and inode. So it is found again when the ring gets another name in its directory,
//! and a copy of the ring never shares it. A mark in the ring's header says that this very file has been used with its
//! lock file since the machine was started: then a missing one must not be made anew, for processes may hold locks on
//! it that nobody can see any more.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::os::boot::boot_id;
use crate::os::file::{self, Identity};
use crate::os::fork_guard;
use crate::os::inline_path::InlinePath;
use crate::os::ofd_lock::{self, LockPage, Mode, ScopedLock};
use crate::os::probe::Probe;
use crate::ring::draft::Draft;
use crate::ring::file::Opened;
use crate::shm::clock::monotonic_ns;
use crate::shm::layout::{self, header, lock as lock_byte};

/// The pause between two attempts to lock a byte.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// A lock file that was at its path and had the right owner and mode.
#[derive(Clone, Debug)]
pub(crate) struct LockFile {
    path: InlinePath,
    identity: Identity,
    mark: u64,
}

/// What is at the path of a ring's lock file.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation, in a signal handler")]
pub(crate) enum Found {
    Here(LockFile),
    /// Nothing, and no process of this boot has used the ring: no owner is alive.
    Unused,
    /// Nothing, although processes of this boot have used it: whether an owner is alive cannot be known.
    Missing,
}

impl LockFile {
    /// Looks for the lock file at `lock_path` of the ring that is open as `ring`. Opens nothing.
    pub(crate) fn find(ring: &File, lock_path: &Path) -> Result<Found, Error> {
        let io = |e| Error::io("look at", lock_path, e);
        let ring_meta = ring.metadata().map_err(io)?;
        let mark = mark_of(Identity::of(&ring_meta));
        let is_marked = || read_mark(ring).is_ok_and(|found| found == mark);
        match lock_path.symlink_metadata() {
            Ok(meta) => check(lock_path, &meta, &ring_meta).and_then(|()| {
                let path = InlinePath::new(lock_path).map_err(io)?;
                Ok(Found::Here(LockFile { path, identity: Identity::of(&meta), mark }))
            }),
            Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(io(e))
            }
            Err(_) if is_marked() => Ok(Found::Missing),
            Err(_) => Ok(Found::Unused),
        }
    }

    /// The lock file of an open ring; made if no process of this boot can be using one.
    pub(crate) fn of(ring: &Opened<'_>) -> Result<LockFile, Error> {
        let meta = ring.file.metadata().map_err(|e| Error::io("look at", &ring.path, e))?;
        if meta.nlink() == 0 && read_mark(&ring.file).is_ok_and(|mark| mark != mark_of(ring.identity)) {
            // A file that never had a name. Those who may only read it cannot open it: there is no path to it but
            // through a descriptor of its maker.
            let path = InlinePath::new(&ring.path).map_err(|e| Error::io("look at", &ring.path, e))?;
            return Ok(LockFile { path, identity: ring.identity, mark: 0 });
        }
        // Another process may be making it too, or removing the ring.
        let path = path_for(ring);
        for _ in 0..8 {
            match Self::find(&ring.file, &path)? {
                Found::Here(file) => return Ok(file),
                Found::Missing => break,
                Found::Unused => match NewLockFile::draft(&path, &ring.file, &ring.path)?.link() {
                    Ok(_) | Err(Error::Exists { .. }) => {}
                    Err(other) => return Err(other),
                },
            }
        }
        Err(Error::LockFileMissing { path: ring.path.to_path_buf(), lock_file: path })
    }

    /// As `of`, for a ring that lies in its directory under the name by which it was opened. Allocates nothing if the
    /// lock file is there.
    pub(crate) fn of_replacement(ring: &Opened<'_>) -> Result<LockFile, Error> {
        let dir = ring.path.parent().unwrap_or(Path::new("/"));
        let (uuid, inode) = (u128::from_be_bytes(ring.info.uuid), ring.identity.inode());
        let path = InlinePath::in_dir(dir, format_args!("{PREFIX}{uuid:032x}-{inode:x}{SUFFIX}"))
            .map_err(|e| Error::io("look at", dir, e))?;
        match Self::find(&ring.file, &path)? {
            Found::Here(file) => Ok(file),
            Found::Unused | Found::Missing => Self::of(ring),
        }
    }

    /// Opens it for a lock. Each lock needs a description of its own. `None` if it has been removed.
    pub(crate) fn open(&self) -> io::Result<Option<File>> {
        match file::reopen(&self.path, self.identity, true) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other,
        }
    }

    /// Opens it to ask which bytes are locked; [`io::ErrorKind::NotFound`] if it has been removed.
    pub(crate) fn probe(&self) -> io::Result<Probe> {
        Probe::open(&self.path, self.identity)
    }

    /// Whether a byte is locked; `None` if that cannot be known, because the lock file has been removed, for example.
    /// Allocates nothing, unlike [`probe`](Self::probe).
    pub(crate) fn is_held(&self, byte: i64) -> Option<bool> {
        let file = file::reopen(&self.path, self.identity, false).ok()??;
        let held = ofd_lock::is_held(&file, byte).ok()?;
        // A program may close descriptors that it does not know. The answer counts if this one was open meanwhile.
        self.identity.is_of(&file).then_some(held)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether it has not been removed.
    pub(crate) fn is_there(&self) -> bool {
        self.identity.is_at(&self.path)
    }

    /// What the ring's header says while it is used with this lock file; 0 for a ring without a name, whose header
    /// says nothing.
    pub(crate) fn mark(&self) -> u64 {
        self.mark
    }

    /// Attaches to the ring: holds the attach byte shared, so that the ring is not removed unnoticed. Checks both paths
    /// again afterwards, because the files may have been removed or replaced in between; `None` if they were.
    pub(crate) fn attach(&self, ring: &Opened<'_>) -> Result<Option<LockPage>, Error> {
        let io = |e| Error::io("lock", &self.path, e);
        let _no_fork = fork_guard::block_forks();
        let Some(file) = self.open().map_err(io)? else { return Ok(None) };
        if !keeps_locks(&self.path).map_err(io)? {
            return Err(Error::LocksNotKept { path: ring.path.to_path_buf() });
        }
        let page = ofd_lock::hold(&file, lock_byte::ATTACH, Mode::Shared).map_err(io)?;
        Ok(page.filter(|page| {
            let still = ring.identity.is_at(&ring.path) && self.identity.is_at(&self.path);
            if !still {
                #[allow(unsafe_code)]
                // SAFETY: held just now; no other reference to it exists.
                unsafe {
                    LockPage::release(page.as_ptr())
                };
            }
            still
        }))
    }

    /// Locks a byte for this process alone, once that is possible within `within`. `None` if it is not, or if the lock
    /// file has been removed.
    pub(crate) fn hold_within(&self, byte: i64, within: Duration) -> io::Result<Option<ScopedLock>> {
        let begun = Instant::now();
        let Some(mut file) = self.open()? else { return Ok(None) };
        loop {
            match ScopedLock::try_hold(file, byte, Mode::Exclusive)? {
                Ok(lock) => return Ok(Some(lock)),
                Err(_) if begun.elapsed() >= within => return Ok(None),
                Err(again) => file = again,
            }
            std::thread::sleep(LOCK_PAUSE);
        }
    }

    /// Locks out every other process that attaches to the ring; `None` if one is attached.
    pub(crate) fn lock_out(&self) -> io::Result<Option<ScopedLock>> {
        let file = self.open()?.ok_or(io::ErrorKind::NotFound)?;
        Ok(ScopedLock::try_hold(file, lock_byte::ATTACH, Mode::Exclusive)?.ok())
    }
}

/// Refuses what could be opened by others than those who may write the ring.
fn check(path: &Path, found: &Metadata, ring: &Metadata) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::LockFile { path: path.to_owned(), why });
    let (mode, most) = (found.mode() & 0o7777, mode_for(ring.mode()));
    if !found.is_file() {
        refuse("it is not a regular file; remove it".to_owned())
    } else if found.uid() != ring.uid() {
        refuse(format!("it belongs to uid {}, and its ring to uid {}", found.uid(), ring.uid()))
    } else if mode & !most != 0 {
        refuse(format!("its mode is {mode:o}, which lets others lock it; run `chmod {most:o}` on it"))
    } else if mode & 0o070 != 0 && found.gid() != ring.gid() {
        refuse(format!("it belongs to gid {}, and its ring to gid {}", found.gid(), ring.gid()))
    } else {
        Ok(())
    }
}

/// Reading and writing for exactly those who may write a ring of this mode.
fn mode_for(ring: u32) -> u32 {
    let writers = ring & 0o222;
    writers | writers << 1
}

/// Unlike that of any copy of the file, and of the file itself at another boot.
fn mark_of(ring: Identity) -> u64 {
    let boot = boot_id();
    let half = |at: usize| boot[at..at + 8].iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
    (half(0) ^ half(8).rotate_left(21) ^ ring.number()).max(1)
}

fn read_mark(ring: &File) -> io::Result<u64> {
    let mut word = [0; 8];
    ring.read_exact_at(&mut word, header::LOCK_MARK as u64)?;
    Ok(u64::from_le_bytes(word))
}

/// Where the lock file of a ring lies: beside the file, not beside a link to it.
pub(crate) fn path_for(ring: &Opened<'_>) -> PathBuf {
    let path = ring.path.canonicalize().unwrap_or_else(|_| ring.path.to_path_buf());
    path_in(path.parent().unwrap_or(Path::new("/")), &ring.info.uuid, ring.identity.inode())
}

/// Where the status of a ring's writer lies, by the path of the lock file.
pub(crate) fn status_path(lock_path: &Path) -> PathBuf {
    lock_path.with_extension(&STATUS_SUFFIXES[0][1..])
}

/// Removes the lock file of a ring that is gone, and the status of its last writer.
pub(crate) fn remove(lock_path: &Path) -> io::Result<()> {
    std::fs::remove_file(lock_path)?;
    remove_status(lock_path);
    Ok(())
}

/// Removes the status of the last writer of a ring that is gone.
pub(crate) fn remove_status(lock_path: &Path) {
    for suffix in STATUS_SUFFIXES {
        // A ring that never had a writer has no status.
        let _ = std::fs::remove_file(lock_path.with_extension(&suffix[1..]));
    }
}

const PREFIX: &str = ".ringlog-";
const SUFFIX: &str = ".lock";
/// A writer makes its status under the second name, and then gives it the first.
const STATUS_SUFFIXES: [&str; 2] = [".status", ".status-new"];

fn path_in(dir: &Path, uuid: &[u8; 16], inode: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{:032x}-{inode:x}{SUFFIX}", u128::from_be_bytes(*uuid)))
}

/// The inode of the ring whose lock file, or file with this suffix, has this name.
fn inode_in(name: &OsStr, suffix: &str) -> Option<u64> {
    let (uuid, inode) = name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(suffix)?.split_once('-')?;
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if uuid.len() != 32 || !is_hex(uuid) || !is_hex(inode) {
        return None;
    }
    u64::from_str_radix(inode, 16).ok()
}

/// A lock file that has no name yet.
pub(crate) struct NewLockFile {
    draft: Draft,
    path: PathBuf,
}

impl NewLockFile {
    /// For the ring that is open as `ring`, lies or will lie at `ring_path`, and has its owner and mode already.
    pub(crate) fn draft(path: &Path, ring: &File, ring_path: &Path) -> Result<NewLockFile, Error> {
        let io = |e| Error::io("create", path, e);
        let ring = ring.metadata().map_err(io)?;
        let draft = Draft::new(path.parent().unwrap_or(Path::new("/")), path)?;
        if !keeps_locks(&draft.place()).map_err(io)? {
            return Err(Error::LocksNotKept { path: ring_path.to_owned() });
        }
        let own = draft.file().metadata().map_err(io)?;
        let (uid, gid) = (ring.uid(), ring.gid());
        let uid = (own.uid() != uid).then_some(uid.into());
        let gid = (own.gid() != gid).then_some(gid.into());
        if uid.is_some() || gid.is_some() {
            nix::unistd::fchown(draft.file(), uid, gid).map_err(|e| io(e.into()))?;
        }
        draft.set_mode(mode_for(ring.mode())).map_err(io)?;
        Ok(NewLockFile { draft, path: path.to_owned() })
    }

    /// Gives it its name. As long as the value exists, it counts as in use.
    pub(crate) fn link(self) -> Result<ScopedLock, Error> {
        let io = |e| Error::io("lock", &self.path, e);
        let file = self.draft.file().try_clone().map_err(io)?;
        let in_use = ScopedLock::try_hold(file, lock_byte::ATTACH, Mode::Shared).map_err(io)?;
        self.draft.link(&self.path)?;
        in_use.map_err(|_| io(io::ErrorKind::WouldBlock.into()))
    }
}

/// Where the lock file of a new ring will lie, and the mark for its header.
pub(crate) fn of_new(ring: &File, path: &Path, uuid: &[u8; 16]) -> io::Result<(PathBuf, u64)> {
    let meta = ring.metadata()?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((path_in(dir, uuid, meta.ino()), mark_of(Identity::of(&meta))))
}

/// Removes the lock files of rings that are no longer in the directory, if no process holds them, and returns their
/// paths. What cannot be removed stays.
pub(crate) fn sweep(dir: &Path) -> Vec<PathBuf> {
    let Ok((lock_files, rings)) = list(dir, SUFFIX) else { return Vec::new() };
    let orphans = lock_files.into_iter().filter(|(_, inode)| !rings.contains(inode));
    let removed = orphans.filter(|(path, inode)| remove_orphan(path, dir, *inode).unwrap_or(false));
    let removed = removed.map(|(path, _)| path).collect();
    sweep_status(dir);
    removed
}

/// Removes the status of writers of rings that are gone, and of which no lock file is left.
fn sweep_status(dir: &Path) {
    for suffix in STATUS_SUFFIXES {
        let Ok((of_writers, others)) = list(dir, suffix) else { return };
        for (path, inode) in of_writers {
            if !others.contains(&inode) && !path.with_extension(&SUFFIX[1..]).exists() {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

type Listed = (Vec<(PathBuf, u64)>, HashSet<u64>);

/// The lock files in a directory, or the files with this suffix, each with the inode of its ring, and all other files'
/// inodes.
fn list(dir: &Path, suffix: &str) -> io::Result<Listed> {
    let (mut lock_files, mut others) = (Vec::new(), HashSet::new());
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        match inode_in(&entry.file_name(), suffix) {
            Some(inode) => lock_files.push((entry.path(), inode)),
            None => drop(others.insert(entry.ino())),
        }
    }
    Ok((lock_files, others))
}

/// Whether it was removed.
fn remove_orphan(path: &Path, dir: &Path, inode: u64) -> io::Result<bool> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::options().read(true).write(true).custom_flags(flags).open(path)?;
    let identity = Identity::of(&file.metadata()?);
    let Ok(_nobody) = ScopedLock::try_hold(file, lock_byte::ATTACH, Mode::Exclusive)? else {
        return Ok(false);
    };
    // Again, now that nobody can attach: its maker holds it until the ring has its name.
    let is_orphan = !list(dir, SUFFIX)?.1.contains(&inode) && identity.is_at(path);
    if is_orphan {
        remove(path)?;
    }
    Ok(is_orphan)
}

/// Whether the file system of `path` keeps a lock with a mapping.
pub(crate) fn keeps_locks(path: &Path) -> io::Result<bool> {
    let unique = i64::from(std::process::id()) << 20 | (monotonic_ns() & 0xf_ffff) as i64;
    ofd_lock::keeps_locks(path, layout::lock::TEST + unique)
}
