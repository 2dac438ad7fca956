//! Making ring files: whole or not at all.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::resource::Resource;
use nix::sys::stat::Mode;
use nix::sys::statvfs::statvfs;

use crate::error::Error;
use crate::ring::file;
use crate::ring::header::Info;
use crate::shm::clock::monotonic_ns;
use crate::shm::layout::{self, header};
use crate::shm::overflow::Overflow;

/// Makes a ring at `path`. The file gets its name only when it is complete, magic last, so no process sees it
/// half-made, and no file is left behind if this process dies in between.
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
    // Checked first: the kernel would answer the attempt with SIGXFSZ.
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
    // Tested before any work is done: the ring could not be opened later.
    if !file::keeps_locks(&draft.place()).map_err(|e| Error::io("lock", path, e))? {
        return Err(Error::LocksNotKept { path: path.to_owned() });
    }
    let write = |data: &[u8], at: usize| {
        draft.file.write_all_at(data, at as u64).map_err(|e| match e.raw_os_error() {
            Some(errno) => no_space(Errno::from_raw(errno)),
            None => Error::io("write", path, e),
        })
    };
    // Both are needed: the first reserves space, and the second touches every page, also where the first is emulated.
    // A page that is missing later would be a SIGBUS in a log call.
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
        let temporary = dir.join(format!(".{file_name}.{}.{}", std::process::id(), monotonic_ns()));
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
            // If this fails, a hidden file is left behind, which is not taken for a ring.
            let _ = std::fs::remove_file(temporary);
        }
    }
}
