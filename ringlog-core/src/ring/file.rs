//! Ring files: made whole or not at all, checked, and mapped.

#![allow(unsafe_code)]

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use memmap2::{Advice, MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::resource::Resource;
use nix::sys::stat::Mode;
use nix::sys::statvfs::statvfs;

use crate::error::Error;
use crate::os::fork_guard;
use crate::os::ofd_lock;
use crate::os::sigbus;
use crate::ring::header::Info;
use crate::ring::name;
use crate::ring::options::Overflow;
use crate::shm::layout::{self, header};
use crate::shm::memory::Memory;

/// Makes a ring at `path`. The file gets its name only when it is complete, magic last, so nobody ever
/// sees it half-made and nothing is left behind when we die in between.
pub(crate) fn create(
    path: &Path,
    info: &Info,
    overflow: Overflow,
    mode: u32,
    group: Option<u32>,
) -> Result<(), Error> {
    let bytes = info.geometry.file_bytes;
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    // First of all: the kernel would answer the attempt with SIGXFSZ.
    let limit = nix::sys::resource::getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(soft, _)| soft);
    if bytes > limit {
        return Err(Error::FileSizeLimit { path: path.to_owned(), bytes, limit });
    }
    let no_space = |errno: Errno| match errno {
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => {
            let free = statvfs(dir).map_or(0, |fs| fs.blocks_available() * fs.fragment_size());
            Error::NoSpace { path: path.to_owned(), bytes, free }
        }
        other => Error::io("create", path, other.into()),
    };
    let draft = Draft::new(dir, path)?;
    // Now, while it costs nothing: nobody could open the ring afterwards.
    if !ofd_lock::keeps_locks(&draft.place()).map_err(|e| Error::io("lock", path, e))? {
        return Err(Error::LocksNotKept { path: path.to_owned() });
    }
    let write = |data: &[u8], at: usize| {
        draft.file.write_all_at(data, at as u64).map_err(|e| match e.raw_os_error() {
            Some(errno) => no_space(Errno::from_raw(errno)),
            None => Error::io("write", path, e),
        })
    };
    // Both: space is promised by the first, and the second touches every page, also where the first is
    // emulated or a promise. A page that is missing later would be a SIGBUS in somebody's log call.
    nix::fcntl::posix_fallocate(&draft.file, 0, bytes as libc::off_t).map_err(no_space)?;
    let zeros = vec![0; 1 << 20];
    for at in (0..bytes).step_by(zeros.len()) {
        let len = (bytes - at).min(zeros.len() as u64) as usize;
        write(&zeros[..len], at as usize)?;
    }
    write(&info.encode(overflow), 0)?;
    if let Some(gid) = group {
        nix::unistd::fchown(&draft.file, None, Some(gid.into()))
            .map_err(|e| Error::io("give to the group", path, e.into()))?;
    }
    nix::sys::stat::fchmod(&draft.file, Mode::from_bits_truncate(mode))
        .map_err(|e| Error::io("set the mode of", path, e.into()))?;
    write(&layout::MAGIC.to_le_bytes(), header::MAGIC)?;
    draft.link(path)
}

/// A file that has no name yet; where the file system cannot do that, a temporary one.
struct Draft {
    file: File,
    temporary: Option<PathBuf>,
}

impl Draft {
    fn new(dir: &Path, path: &Path) -> Result<Draft, Error> {
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        match nix::fcntl::open(dir, flags, Mode::from_bits_truncate(0o600)) {
            Ok(fd) => return Ok(Draft { file: fd.into(), temporary: None }),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {}
            Err(e) => return Err(Error::io("create a file in", dir, e.into())),
        }
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary =
            dir.join(format!(".{file_name}.{}.{}", std::process::id(), crate::shm::clock::monotonic_ns()));
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|e| Error::io("create", &temporary, e))?;
        Ok(Draft { file, temporary: Some(temporary) })
    }

    /// A path that leads to the file.
    fn place(&self) -> PathBuf {
        let by_descriptor = || PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        self.temporary.clone().unwrap_or_else(by_descriptor)
    }

    fn link(&self, path: &Path) -> Result<(), Error> {
        let from = self.place();
        let at = nix::fcntl::AT_FDCWD;
        match nix::unistd::linkat(at, &from, at, path, AtFlags::AT_SYMLINK_FOLLOW) {
            Ok(()) => Ok(()),
            Err(Errno::EEXIST) => Err(Error::Exists { path: path.to_owned() }),
            Err(e) => Err(Error::io("name", path, e.into())),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // If this fails a hidden file stays behind, which no one takes for a ring.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(meta: &Metadata) -> Identity {
        Identity { device: meta.dev(), inode: meta.ino() }
    }

    /// Whether `path` still leads to this file.
    pub(crate) fn is_at(self, path: &Path) -> bool {
        path.metadata().is_ok_and(|meta| Identity::of(&meta) == self)
    }

    /// Whether `file` is this file.
    pub(crate) fn is_of(self, file: &File) -> bool {
        file.metadata().is_ok_and(|meta| Identity::of(&meta) == self)
    }

    /// The inode's number, as in `/proc/PID/maps`.
    pub(crate) fn inode(self) -> u64 {
        self.inode
    }
}

/// An open ring file whose header has been checked.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) info: Info,
}

/// Opens the file and checks its header. Maps nothing.
pub(crate) fn open(name: &str, path: &Path, write: bool) -> Result<Opened, Error> {
    if cfg!(not(all(target_os = "linux", target_endian = "little", target_pointer_width = "64"))) {
        return Err(Error::Unsupported);
    }
    if let Some(dir) = path.parent() {
        name::check_directory(dir)?;
    }
    let file = File::options().read(true).write(write).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => name::no_such_ring(name, path),
        _ => Error::io("open", path, e),
    })?;
    let meta = file.metadata().map_err(|e| Error::io("look at", path, e))?;
    if !meta.is_file() {
        let found = "it is not a regular file".to_owned();
        return Err(Error::NotARing { path: path.to_owned(), found });
    }
    let mut start = vec![0; header::BYTES];
    let mut read = 0;
    while read < start.len() {
        match file.read_at(&mut start[read..], read as u64) {
            Ok(0) => break,
            Ok(n) => read += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io("read", path, e)),
        }
    }
    let info = Info::decode(path, &start[..read], meta.len())?;
    Ok(Opened { file, path: path.to_owned(), identity: Identity::of(&meta), info })
}

/// A mapping of a whole ring that is not inherited by children.
///
/// Not unmapped on drop, for the same reason as a [`ofd_lock::LockPage`]: a forked child has the value but
/// not the mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
    /// Process that mapped it.
    pid: u32,
}

// SAFETY: an address and a length; using the memory behind it is `memory`'s contract.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the ring; where it is to be written, every page at once.
    pub(crate) fn new(opened: &Opened, write: bool) -> Result<Mapping, Error> {
        let mapping = Self::map(opened, write)?;
        if write {
            // Each process faults in every page by itself on its first lap; this takes those faults out
            // of the log calls. Kernels before 5.14 refuse, which costs only speed.
            // SAFETY: advice on our own mapping.
            unsafe { libc::madvise(mapping.base().cast(), mapping.bytes, libc::MADV_POPULATE_WRITE) };
        }
        Ok(mapping)
    }

    /// Maps the ring for writing a word or two.
    pub(crate) fn without_faulting_in(opened: &Opened) -> Result<Mapping, Error> {
        Self::map(opened, true)
    }

    fn map(opened: &Opened, write: bool) -> Result<Mapping, Error> {
        let bytes = opened.info.geometry.file_bytes as usize;
        let mut options = MmapOptions::new();
        options.len(bytes);
        let map: io::Result<MmapRaw> =
            if write { options.map_raw(&opened.file) } else { options.map_raw_read_only(&opened.file) };
        let map = map.map_err(|e| match e.raw_os_error() {
            Some(libc::ENOMEM) => {
                let why = format!(
                    "no room for its {bytes} bytes in this process's memory, which `ulimit -v` limits"
                );
                Error::io("map", &opened.path, io::Error::new(io::ErrorKind::OutOfMemory, why))
            }
            _ => Error::io("map", &opened.path, e),
        })?;
        map.advise(Advice::DontFork).map_err(|e| Error::io("map privately", &opened.path, e))?;
        let Some(base) = NonNull::new(map.as_mut_ptr()) else {
            return Err(Error::io("map", &opened.path, io::Error::other("mapped at address zero")));
        };
        sigbus::watch(base.as_ptr(), bytes).map_err(|e| Error::io("map", &opened.path, e))?;
        std::mem::forget(map);
        Ok(Mapping { base, bytes, pid: std::process::id() })
    }

    /// # Safety
    /// `base` and `bytes` are those of a mapping made in this process that is still there.
    pub(crate) unsafe fn from_raw(base: NonNull<u8>, bytes: usize) -> Mapping {
        Mapping { base, bytes, pid: 0 }
    }

    /// Whether this value came here by a fork, without the mapping.
    pub(crate) fn is_inherited(&self) -> bool {
        self.pid != std::process::id()
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Whether everything that was loaded from the mapping so far came from its file.
    pub(crate) fn is_whole(&self) -> bool {
        sigbus::is_whole(self.base.as_ptr())
    }

    /// # Safety
    /// The mapping must outlive the value and its copies.
    pub(crate) unsafe fn memory(&self) -> Memory {
        // SAFETY: a mapping is page-aligned; that it stays is the caller's word. Only atomics look in.
        unsafe { Memory::borrow(self.base.as_ptr().cast(), self.bytes / 8) }
    }

    /// # Safety
    /// Made in this process, and nothing refers to it any more.
    pub(crate) unsafe fn unmap(self) {
        sigbus::unwatch(self.base.as_ptr());
        // SAFETY: the caller's word.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// The header alone, read-only. Children inherit it, so they see what steers them before they attach.
#[derive(Debug)]
pub(crate) struct HeaderPage(MmapRaw);

impl HeaderPage {
    pub(crate) fn map(path: &Path, identity: Identity) -> Result<HeaderPage, Error> {
        let file = reopen(path, identity, false).map_err(|e| Error::io("open", path, e))?;
        let file = file.ok_or_else(|| name::no_such_ring("", path))?;
        let map = MmapOptions::new().len(header::BYTES).map_raw_read_only(&file);
        map.map(HeaderPage).map_err(|e| Error::io("map", path, e))
    }

    /// Its words, for loads only.
    pub(crate) fn memory(&self) -> Memory {
        // SAFETY: page-aligned and as long as that. The one value that is used lives as long as the process.
        unsafe { Memory::borrow(self.0.as_ptr().cast(), header::BYTES / 8) }
    }

    /// The epoch of the level rules.
    pub(crate) fn epoch(&self) -> &AtomicU64 {
        // SAFETY: within the page, aligned, and used as an atomic only.
        unsafe { &*self.0.as_ptr().add(header::LEVEL_EPOCH).cast() }
    }
}

/// Opens the file once more: for a lock or a probe, which need a description of their own. `None` if
/// `path` leads to another file by now.
pub(crate) fn reopen(path: &Path, identity: Identity, write: bool) -> io::Result<Option<File>> {
    // By hand, because this runs where nothing may be allocated.
    use std::os::unix::ffi::OsStrExt;
    let mut buffer = [0_u8; libc::PATH_MAX as usize];
    let bytes = path.as_os_str().as_bytes();
    let Some(target) = buffer.get_mut(..bytes.len()) else { return Err(Errno::ENAMETOOLONG.into()) };
    target.copy_from_slice(bytes);
    let access = if write { libc::O_RDWR } else { libc::O_RDONLY };
    if bytes.len() == libc::PATH_MAX as usize {
        return Err(Errno::ENAMETOOLONG.into());
    }
    // SAFETY: the buffer is longer than the path and zero behind it, so it ends with a NUL.
    let fd = unsafe { libc::open(buffer.as_ptr().cast(), access | libc::O_CLOEXEC) };
    Errno::result(fd)?;
    // SAFETY: a descriptor just opened that nobody else knows.
    let file = unsafe { File::from_raw_fd(fd) };
    let same = Identity::of(&file.metadata()?) == identity;
    Ok(same.then_some(file))
}

/// The size of the file, if it is less than `bytes`. What the system does not tell is no proof.
pub(crate) fn size_if_shorter(file: &File, bytes: u64) -> Option<u64> {
    nix::sys::stat::fstat(file).ok().map(|stat| stat.st_size as u64).filter(|found| *found < bytes)
}

/// The error for a mapping of `bytes` bytes that has lost some of its pages.
pub(crate) fn truncated(path: &Path, identity: Identity, bytes: u64) -> Error {
    let here = path.metadata().ok().filter(|meta| Identity::of(meta) == identity);
    let what = match here.map(|meta| meta.len()) {
        Some(found) if found < bytes => format!("it was truncated to {found} of its {bytes} bytes"),
        Some(_) => format!(
            "pages of it are gone, though it has its {bytes} bytes: it was truncated for a while, or its file \
             system is full"
        ),
        None => format!("it was truncated from {bytes} bytes, then removed or replaced"),
    };
    Error::Truncated { path: path.to_owned(), what }
}

/// Attaches to the ring: holds the attach byte shared, so that it cannot be removed unnoticed. Repeats
/// the look at the path afterwards, because it may have been replaced in between.
pub(crate) fn attach(opened: &Opened) -> Result<Option<ofd_lock::LockPage>, Error> {
    let io = |e| Error::io("attach to", &opened.path, e);
    let _no_fork = fork_guard::block_forks();
    let Some(file) = reopen(&opened.path, opened.identity, true).map_err(io)? else { return Ok(None) };
    if !ofd_lock::keeps_locks(&opened.path).map_err(io)? {
        return Err(Error::LocksNotKept { path: opened.path.clone() });
    }
    let page = ofd_lock::hold(&file, layout::lock::ATTACH, ofd_lock::Mode::Shared).map_err(io)?;
    Ok(page.filter(|page| {
        let still = opened.identity.is_at(&opened.path);
        if !still {
            // SAFETY: held just now, not given to anyone.
            unsafe { ofd_lock::LockPage::release(page.as_ptr()) };
        }
        still
    }))
}
