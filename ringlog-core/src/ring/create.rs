//! Making ring files: whole or not at all.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::Resource;
use nix::sys::statvfs::statvfs;

use crate::error::Error;
use crate::ring::draft::Draft;
use crate::ring::header::Info;
use crate::ring::lock_file::{self, NewLockFile};
use crate::shm::layout::{self, header};
use crate::shm::overflow::Overflow;

/// Makes a ring at `path`. The file gets its name only when it is complete, magic last, and has its lock file. So no
/// process sees it half-made. If this process dies in between, no more than an empty lock file is left behind, which
/// the next ring made there removes.
pub(crate) fn create(path: &Path, info: &Info, steering: Steering, access: FileAccess) -> Result<(), Error> {
    let draft = Draft::new(directory_of(path), path)?;
    give(&draft, path, access)?;
    let (lock_path, mark) =
        lock_file::of_new(draft.file(), path, &info.uuid).map_err(|e| Error::io("create", path, e))?;
    // Before any work is done, because this tests whether the file system keeps locks.
    let lock_file = NewLockFile::draft(&lock_path, draft.file(), path)?;
    fill(draft.file(), path, info, steering, mark)?;
    let _in_use = lock_file.link()?;
    draft.link(path).inspect_err(|_| drop(std::fs::remove_file(&lock_path)))?;
    lock_file::sweep(directory_of(path));
    Ok(())
}

/// Makes a ring without a name, for processes that get its descriptor. No file remains of it.
pub(crate) fn create_unnamed(dir: &Path, info: &Info, steering: Steering) -> Result<File, Error> {
    let place = dir.join("a ring without a name");
    let draft = Draft::new(dir, &place)?;
    fill(draft.file(), &place, info, steering, 0)?;
    draft.into_unnamed().map_err(|e| Error::io("create", &place, e))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What a new ring does when it is full.
#[derive(Clone, Copy)]
pub(crate) struct Steering {
    pub(crate) overflow: Overflow,
    /// Items that it takes as a queue; 0 for as many as it holds.
    pub(crate) bound: u64,
}

/// Who may use a new file.
#[derive(Clone, Copy)]
pub(crate) struct FileAccess {
    pub(crate) mode: u32,
    /// Its group, if not that of the process.
    pub(crate) group: Option<u32>,
    /// Its owner, if not that of the process.
    pub(crate) owner: Option<u32>,
}

fn give(draft: &Draft, path: &Path, access: FileAccess) -> Result<(), Error> {
    let FileAccess { mode, group, owner } = access;
    if owner.is_some() || group.is_some() {
        nix::unistd::fchown(draft.file(), owner.map(Into::into), group.map(Into::into))
            .map_err(|e| Error::io("give to its owner and group", path, e.into()))?;
    }
    draft.set_mode(mode).map_err(|e| Error::io("set the mode of", path, e))
}

/// Allocates every page of the file and writes its header.
fn fill(file: &File, path: &Path, info: &Info, steering: Steering, mark: u64) -> Result<(), Error> {
    let bytes = info.geometry.file_bytes;
    // Checked first: the kernel would answer the attempt with SIGXFSZ.
    let limit = nix::sys::resource::getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(soft, _)| soft);
    if bytes > limit {
        return Err(Error::FileSizeLimit { path: path.to_owned(), bytes, limit });
    }
    let no_space = |errno: Errno| match errno {
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => {
            let free = statvfs(directory_of(path)).map_or(0, |fs| fs.blocks_available() * fs.fragment_size());
            Error::NoSpace { path: path.to_owned(), bytes, free }
        }
        other => Error::io("create", path, other.into()),
    };
    let write = |data: &[u8], at: usize| {
        file.write_all_at(data, at as u64).map_err(|e| match e.raw_os_error() {
            Some(errno) => no_space(Errno::from_raw(errno)),
            None => Error::io("write", path, e),
        })
    };
    // Both are needed: the first reserves space, and the second touches every page, also where the first is emulated.
    // A page that is missing later would be a SIGBUS in a log call.
    nix::fcntl::posix_fallocate(file, 0, bytes as libc::off_t).map_err(no_space)?;
    let zeros = vec![0; 1 << 20];
    for at in (0..bytes).step_by(zeros.len()) {
        let len = (bytes - at).min(zeros.len() as u64) as usize;
        write(&zeros[..len], at as usize)?;
    }
    write(&info.encode(steering.overflow), 0)?;
    write(&steering.bound.to_le_bytes(), header::QUEUE_BOUND)?;
    write(&mark.to_le_bytes(), header::LOCK_MARK)?;
    write(&layout::MAGIC.to_le_bytes(), header::MAGIC)
}
