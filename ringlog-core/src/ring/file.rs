//! Ring files that exist: opened, checked, mapped and attached to.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::os::file::{self, Identity};
use crate::os::fork_guard;
use crate::os::mapping::{Access, Mapping};
use crate::os::ofd_lock;
use crate::ring::header::Info;
use crate::ring::name;
use crate::shm::block::SharedRing;
use crate::shm::clock::monotonic_ns;
use crate::shm::layout::{self, header};
use crate::shm::memory::Memory;

/// An open ring file whose header has been checked.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) info: Info,
}

impl Opened {
    /// Maps the whole ring.
    pub(crate) fn map(&self, access: Access) -> Result<Mapping, Error> {
        let bytes = self.info.geometry.file_bytes as usize;
        Mapping::new(&self.file, bytes, access).map_err(|e| Error::io("map", &self.path, e))
    }

    /// Maps the ring for the time of `act`, which may write a word or two.
    pub(crate) fn with_ring<T>(&self, act: impl FnOnce(&SharedRing) -> T) -> Result<T, Error> {
        let mapping = self.map(Access::Write)?;
        #[allow(unsafe_code)]
        // SAFETY: unmapped when `act` has ended and the ring is gone.
        unsafe {
            let result = act(&SharedRing::new(Memory::of_mapping(&mapping), self.info.geometry));
            mapping.unmap();
            Ok(result)
        }
    }
}

/// Whether the file system of `path` keeps a lock with a mapping.
pub(crate) fn keeps_locks(path: &Path) -> io::Result<bool> {
    let unique = i64::from(std::process::id()) << 20 | (monotonic_ns() & 0xf_ffff) as i64;
    ofd_lock::keeps_locks(path, layout::lock::TEST + unique)
}

/// Opens the ring `name` and checks its header. Maps nothing.
pub(crate) fn open_by_name(name: &str, write: bool) -> Result<Opened, Error> {
    open(name, &name::resolve_absolute(name)?, write)
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

/// Attaches to the ring: holds the attach byte shared, so that the ring is not removed unnoticed. Checks the path
/// again afterwards, because the file may have been replaced in between; `None` if it was.
pub(crate) fn attach(opened: &Opened) -> Result<Option<ofd_lock::LockPage>, Error> {
    let io = |e| Error::io("attach to", &opened.path, e);
    let _no_fork = fork_guard::block_forks();
    let Some(file) = file::reopen(&opened.path, opened.identity, true).map_err(io)? else { return Ok(None) };
    if !keeps_locks(&opened.path).map_err(io)? {
        return Err(Error::LocksNotKept { path: opened.path.clone() });
    }
    let page = ofd_lock::hold(&file, layout::lock::ATTACH, ofd_lock::Mode::Shared).map_err(io)?;
    Ok(page.filter(|page| {
        let still = opened.identity.is_at(&opened.path);
        if !still {
            #[allow(unsafe_code)]
            // SAFETY: held just now; no other reference to it exists.
            unsafe {
                ofd_lock::LockPage::release(page.as_ptr())
            };
        }
        still
    }))
}
