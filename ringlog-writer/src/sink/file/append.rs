//! One file, written at its end.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::lock::try_lock;
use crate::config::options::Existing;
use crate::error::Error;
use crate::rotation::Identity;
use crate::sink::Sink;

/// A file that is opened for appending: what others write into it is never overwritten.
#[derive(Debug)]
pub(super) struct File {
    file: fs::File,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    is_regular: bool,
    /// The file's length if nobody else writes into it.
    pub(super) len: u64,
}

impl File {
    /// Opens or makes the file; refuses the file of a ring.
    pub(super) fn open(path: &Path, rings: &[&Path], waits: bool) -> Result<File, Error> {
        let file = Identity::of_path(path);
        if file.is_some() && rings.iter().any(|ring| Identity::of_path(ring) == file) {
            let why = "it is the ring; choose another file".to_owned();
            return Err(Error::Open { path: path.to_owned(), why });
        }
        if !waits && fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo()) {
            return File::open_pipe(path);
        }
        File::open_at_end(path)
    }

    /// Opens a pipe that has a reader. Without one others would be held up.
    fn open_pipe(path: &Path) -> Result<File, Error> {
        let failed = |why| Error::Open { path: path.to_owned(), why };
        let opened = OpenOptions::new().write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        let file = opened.map_err(|error| match error.raw_os_error() {
            Some(errno) if errno == Errno::ENXIO as i32 => {
                failed("nobody reads this pipe; begin its reader first".to_owned())
            }
            _ => failed(why(path, &error)),
        })?;
        fcntl(&file, FcntlArg::F_SETFL(OFlag::empty())).map_err(|errno| failed(errno.to_string()))?;
        let meta = file.metadata().map_err(|error| failed(error.to_string()))?;
        Ok(File::of(file, &meta, path))
    }

    /// Opens or makes the file.
    pub(super) fn open_at_end(path: &Path) -> Result<File, Error> {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let file = opened.map_err(|error| Error::Open { path: path.to_owned(), why: why(path, &error) })?;
        let meta = file.metadata().map_err(|e| Error::Open { path: path.to_owned(), why: e.to_string() })?;
        Ok(File::of(file, &meta, path))
    }

    /// Opens a file that is there.
    pub(super) fn open_existing(path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().append(true).open(path)?;
        let meta = file.metadata()?;
        Ok(File::of(file, &meta, path))
    }

    fn of(file: fs::File, meta: &Metadata, path: &Path) -> File {
        let (identity, is_regular) = (Identity::from(meta), meta.is_file());
        File { file, path: path.to_owned(), identity, is_regular, len: meta.len() }
    }

    /// Keeps what the file holds, or not.
    pub(super) fn with(mut self, existing: Existing) -> Result<File, Error> {
        if existing == Existing::Truncate && self.is_regular {
            self.cut(0).map_err(|e| Error::Open { path: self.path.clone(), why: e.to_string() })?;
        }
        Ok(self)
    }

    /// Takes it for this writer alone, whatever names it has; false if another one has it.
    pub(super) fn try_lock(&self) -> io::Result<bool> {
        try_lock(&self.file)
    }

    pub(super) fn is_regular(&self) -> bool {
        self.is_regular
    }

    /// Cuts it off at this length.
    pub(super) fn cut(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.len = len;
        Ok(())
    }

    /// How long it is, whoever wrote what is in it.
    pub(super) fn found_len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// How long it is; none if it was deleted, so that nobody would find what is written there.
    pub(super) fn len_if_there(&self) -> io::Result<Option<u64>> {
        let meta = self.file.metadata()?;
        Ok((meta.nlink() > 0).then_some(meta.len()))
    }

    /// When it was last written, in ns since 1970.
    pub(super) fn modified_ns(&self) -> io::Result<u64> {
        let since =
            self.file.metadata()?.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// CRC-32 of a range of its bytes; `None` if they cannot be read, or are not all there.
    pub(super) fn crc(&self, range: Range<u64>) -> Option<u32> {
        // A descriptor of its own: this one may only append.
        let mut file = fs::File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd())).ok()?;
        file.seek(SeekFrom::Start(range.start)).ok()?;
        let (mut left, mut crc, mut bytes) =
            (range.end - range.start, crc32fast::Hasher::new(), [0; 16 << 10]);
        while left > 0 {
            let read = file.read(&mut bytes[..left.min(16 << 10) as usize]).ok().filter(|read| *read > 0)?;
            crc.update(&bytes[..read]);
            left -= read as u64;
        }
        Some(crc.finalize())
    }
}

/// What is wrong, and what to do.
pub(crate) fn why(path: &Path, error: &io::Error) -> String {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    match error.kind() {
        ErrorKind::NotFound if !dir.exists() => {
            format!("there is no directory {0}; make it with `mkdir -p {0}`", dir.display())
        }
        ErrorKind::NotADirectory => format!("{} is not a directory; choose another path", dir.display()),
        ErrorKind::IsADirectory => "it is a directory; name a file in it".to_owned(),
        ErrorKind::PermissionDenied if path.exists() => {
            format!("no permission (you are uid {}); choose another file or change its mode", uid())
        }
        ErrorKind::PermissionDenied => {
            format!(
                "no permission to make files in {} (you are uid {}); choose another directory or change its mode",
                dir.display(),
                uid()
            )
        }
        ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted read-only; choose another directory".to_owned()
        }
        _ => error.to_string(),
    }
}

fn uid() -> nix::unistd::Uid {
    nix::unistd::geteuid()
}

impl Sink for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.file.write(bytes)?;
        self.len += taken as u64;
        Ok(taken)
    }

    fn take_back(&mut self, bytes: u64) -> bool {
        if bytes == 0 {
            return true;
        }
        // Only what is still ours to the last byte: a file that others write into, or have cut, has
        // another length.
        let meta = self.file.metadata();
        let ours = meta.is_ok_and(|meta| meta.is_file() && meta.len() == self.len) && bytes <= self.len;
        if !ours || self.file.set_len(self.len - bytes).is_err() {
            return false;
        }
        self.len -= bytes;
        true
    }

    fn reopen(&mut self) -> Result<(), Error> {
        *self = File::open_at_end(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, existing: Existing) -> Result<File, Error> {
        File::open(path, &[Path::new("/nowhere/ring")], true)?.with(existing)
    }

    fn refusal(path: &Path) -> String {
        open(path, Existing::Truncate).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_there_stays_or_goes_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        fs::write(&path, "old\n").unwrap();
        open(&path, Existing::Append).unwrap().write(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\nnew\n");
        open(&path, Existing::Truncate).unwrap().write(b"only\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "only\n");
    }

    #[test]
    fn refusals_say_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let (at, missing) = (dir.path().display(), dir.path().join("logs"));
        assert_eq!(
            refusal(&missing.join("app.log")),
            format!(
                "cannot open {at}/logs/app.log for writing: there is no directory {at}/logs; \
                 make it with `mkdir -p {at}/logs`"
            )
        );
        assert_eq!(
            refusal(dir.path()),
            format!("cannot open {at} for writing: it is a directory; name a file in it")
        );
        fs::write(&missing, "").unwrap();
        assert_eq!(
            refusal(&missing.join("app.log")),
            format!(
                "cannot open {at}/logs/app.log for writing: {at}/logs is not a directory; choose another path"
            )
        );
        let error = File::open(&missing, &[&missing], true).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, format!("cannot open {at}/logs for writing: it is the ring; choose another file"));
    }

    #[test]
    fn only_bytes_that_are_still_ours_are_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let mut file = open(&path, Existing::Append).unwrap();
        file.write(b"whole\nhal").unwrap();
        assert!(file.take_back(3));
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\n");
        file.write(b"hal").unwrap();
        open(&path, Existing::Append).unwrap().write(b"another's\n").unwrap();
        assert!(!file.take_back(3));
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nhalanother's\n");
    }

    #[test]
    fn a_moved_file_is_left_and_a_new_one_begun() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
        let mut file = open(&path, Existing::Append).unwrap();
        file.write(b"before\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        file.reopen().unwrap();
        file.write(b"after\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
    }
}
