//! Ring files that exist: opened, checked and mapped.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::Error;
use crate::os::file::Identity;
use crate::os::mapping::{Access, Mapping};
use crate::ring::header::Info;
use crate::ring::name;
use crate::shm::block::SharedRing;
use crate::shm::layout::header;
use crate::shm::memory::Memory;

/// An open ring file whose header has been checked.
pub(crate) struct Opened<'a> {
    pub(crate) file: File,
    pub(crate) path: Cow<'a, Path>,
    pub(crate) identity: Identity,
    pub(crate) info: Info,
    /// The owner, the group and the permissions of the file.
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) mode: u32,
}

impl Opened<'_> {
    pub(crate) fn into_owned(self) -> Opened<'static> {
        Opened { path: Cow::Owned(self.path.into_owned()), ..self }
    }

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

/// Opens the ring `name` and checks its header. Maps nothing.
pub(crate) fn open_by_name(name: &str, write: bool) -> Result<Opened<'static>, Error> {
    let path = name::resolve_absolute(name)?;
    open(name, &path, write).map(Opened::into_owned)
}

/// Opens the file and checks its header. Maps nothing.
pub(crate) fn open<'a>(name: &str, path: &'a Path, write: bool) -> Result<Opened<'a>, Error> {
    if cfg!(not(all(target_os = "linux", target_endian = "little", target_pointer_width = "64"))) {
        return Err(Error::Unsupported);
    }
    if let Some(dir) = path.parent() {
        name::check_directory(dir)?;
    }
    let file = File::options().read(true).write(write).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => name::no_such_ring(name, path),
        io::ErrorKind::IsADirectory => not_a_file(path),
        _ => Error::io("open", path, e),
    })?;
    check(file, path)
}

/// Checks the header of an open file. Allocates nothing unless it fails.
pub(crate) fn check(file: File, path: &Path) -> Result<Opened<'_>, Error> {
    let meta = file.metadata().map_err(|e| Error::io("look at", path, e))?;
    if !meta.is_file() {
        return Err(not_a_file(path));
    }
    let mut start = [0; header::BYTES];
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
    let (owner, group, mode) = (meta.uid(), meta.gid(), meta.mode() & 0o7777);
    Ok(Opened { file, path: Cow::Borrowed(path), identity: Identity::of(&meta), info, owner, group, mode })
}

fn not_a_file(path: &Path) -> Error {
    Error::NotARing { path: path.to_owned(), found: "it is not a regular file".to_owned() }
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
