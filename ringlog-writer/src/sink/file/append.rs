//! A file or a device that is written at its end.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::begin::{self, Begun};
use super::lease::Lease;
use super::links::{Place, directory};
use super::lock::{Locking, try_lock};
use crate::clock;
use crate::error::Error;
use crate::events::Events;
use crate::rotation::{Attributes, Identity, NewFile};
use crate::sink::file_size_limit;
use crate::sink::stream::is_within_line;

const NOT_REGULAR: &str = "what is there now is no regular file; remove it, or start the writer anew";

/// A file that is open for appending, so that bytes of other processes are never overwritten.
#[derive(Debug)]
pub(super) struct File {
    file: fs::File,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    is_regular: bool,
    is_locked: bool,
    /// Whether it was created when it was opened.
    is_new: bool,
    /// The file's length, as long as no other process writes into it.
    pub(super) len: u64,
    /// The path at the end of all links, where the file was opened.
    place: PathBuf,
    /// What is configured for the files that are begun after it.
    configured: NewFile,
    /// A message about the file's beginning that is not reported yet.
    notice: Option<String>,
    /// The last such message that was reported.
    reported: Option<String>,
}

impl File {
    /// Opens or creates the file. Refuses the file of a ring. A new one gets the attributes that are configured, and
    /// for the rest those of the file before it, if that is known.
    pub(super) fn open(
        path: &Path,
        rings: &[&Path],
        configured: NewFile,
        before: Option<Attributes>,
    ) -> Result<File, Error> {
        refuse_ring(path, rings)?;
        File::open_at_end(path, configured, before)
    }

    fn open_at_end(path: &Path, configured: NewFile, before: Option<Attributes>) -> Result<File, Error> {
        let failed = |why: String| Error::Open { path: path.to_owned(), why };
        let place = Place::trusted(path).map_err(failed)?;
        let Begun { file, is_new, notice } = begin::open_or_create(&place, configured.after(before))
            .map_err(|error| Error::of_open(path, &error, place.why_not_opened(&error)))?;
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND)).map_err(|errno| failed(errno.to_string()))?;
        let meta = file.metadata().map_err(|error| failed(error.to_string()))?;
        place.check_target(&meta).map_err(failed)?;
        let place = end_of(place);
        Ok(File { is_new, notice, place, configured, ..File::of(file, &meta, path) })
    }

    /// Opens an existing regular file. Never waits, as for the reader of a pipe that lies there by now.
    pub(super) fn open_existing(path: &Path) -> io::Result<File> {
        let file = begin::at_end().open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(File::of(file, &meta, path))
    }

    pub(super) fn of(file: fs::File, meta: &Metadata, path: &Path) -> File {
        let (identity, is_regular) = (Identity::from(meta), meta.is_file());
        File {
            file,
            path: path.to_owned(),
            identity,
            is_regular,
            is_locked: false,
            is_new: false,
            len: meta.len(),
            place: path.to_owned(),
            configured: NewFile::default(),
            notice: None,
            reported: None,
        }
    }

    /// Locks the file, whatever name it was opened by. The next file needs a lock of its own.
    pub(super) fn try_lock(&mut self) -> io::Result<Locking> {
        let locking = try_lock(&self.file)?;
        self.is_locked = locking == Locking::Done;
        Ok(locking)
    }

    pub(super) fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// Names the file from now on by the path where it was opened. Closed files lie beside it, and not beside a link to
    /// it. A link at the path may lead elsewhere by now, so it is not followed again.
    pub(super) fn leave_links(&mut self) -> io::Result<()> {
        self.path = without_links(&self.place)?;
        Ok(())
    }

    pub(super) fn is_regular(&self) -> bool {
        self.is_regular
    }

    /// Whether the file was created here, is still in its place, and is empty.
    pub(super) fn is_unused(&self) -> bool {
        let is_empty = self.len_on_disk().is_ok_and(|len| len == 0);
        let at_its_place = || fs::symlink_metadata(&self.place).ok().as_ref().map(Identity::from);
        self.is_new && self.is_regular && is_empty && at_its_place() == Some(self.identity)
    }

    /// Removes the file again if it [is unused](Self::is_unused), and no other process has opened it: what that one
    /// writes would be lost.
    pub(super) fn discard(self) {
        let lease = Lease::take(&self.file);
        if lease.is_some() && self.is_unused() {
            // If this fails, an empty file stays behind.
            let _ = fs::remove_file(&self.place);
        }
    }

    /// Truncates the file to this length.
    pub(super) fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.len = len;
        Ok(())
    }

    /// The length on disk, including bytes of other processes.
    pub(super) fn len_on_disk(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The length on disk; `None` if the file was deleted, so that what is written to it would be lost.
    pub(super) fn len_unless_deleted(&self) -> io::Result<Option<u64>> {
        let meta = self.file.metadata()?;
        Ok((meta.nlink() > 0).then_some(meta.len()))
    }

    /// When the file was created, or last written if that is earlier, in ns since 1970.
    pub(super) fn created_ns(&self) -> io::Result<u64> {
        let meta = self.file.metadata()?;
        let modified_ns = clock::unix_ns(meta.modified()?);
        // Not every file system knows when a file was created.
        Ok(meta.created().map_or(modified_ns, |created| clock::unix_ns(created).min(modified_ns)))
    }

    /// The file's mode, owner and group, also if it has lost its name.
    pub(super) fn attributes(&self) -> Option<Attributes> {
        self.file.metadata().ok().filter(Metadata::is_file).as_ref().map(Attributes::from)
    }

    /// Reports what the file has not got of its attributes, unless the same was reported of the file before it.
    pub(super) fn report_notice(&mut self, events: &mut dyn Events) {
        if let Some(notice) = self.notice.take()
            && self.reported.as_ref() != Some(&notice)
        {
            events.report(&notice);
            self.reported = Some(notice);
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Whether it is a regular file whose last line has no end. False if it cannot be read.
    pub(super) fn ends_within_line(&self) -> bool {
        let Some(last) = self.len.checked_sub(1).filter(|_| self.is_regular) else { return false };
        is_within_line(&self.file, last)
    }

    /// Opens the file once more, whatever its name is by now.
    pub(super) fn open_anew(&self, options: &OpenOptions) -> io::Result<fs::File> {
        options.open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// The CRC-32 of a range of bytes; `None` if they cannot be read or the file is shorter.
    pub(super) fn crc(&self, range: Range<u64>) -> Option<u32> {
        // A second descriptor: the file's own is write-only.
        let mut file = self.open_anew(OpenOptions::new().read(true)).ok()?;
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

/// Refuses the file of a ring.
pub(super) fn refuse_ring(path: &Path, rings: &[&Path]) -> Result<(), Error> {
    let file = Identity::of_path(path);
    if file.is_some() && rings.iter().any(|ring| Identity::of_path(ring) == file) {
        let why = "it is the ring; choose another file".to_owned();
        return Err(Error::Open { path: path.to_owned(), why });
    }
    Ok(())
}

/// The path of a file at the end of all links. A link of the kernel leads to a file that may have one.
pub(super) fn end_of(place: Place) -> PathBuf {
    match place.is_magic {
        true => fs::canonicalize(&place.path).unwrap_or(place.path),
        false => place.path,
    }
}

/// The same path without links in its directory.
pub(super) fn without_links(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    Ok(fs::canonicalize(directory(path))?.join(name))
}

/// Writing at the end.
impl File {
    /// Writes some of the bytes, and returns how many.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.file.write(bytes).map_err(file_size_limit::explain)?;
        self.len += taken as u64;
        Ok(taken)
    }

    /// Whether the path does not lead to the file any more.
    pub(super) fn is_moved(&self) -> bool {
        Identity::of_path(&self.path).as_ref() != Some(&self.identity)
    }

    /// Whether it was deleted, so that what is written to it would be lost.
    pub(super) fn is_deleted(&self) -> io::Result<bool> {
        // A link of the kernel may lead to a file without a name.
        Ok(self.len_unless_deleted()?.is_none() && self.is_moved())
    }

    /// The file, for writing what another process may be slow to take.
    pub(super) fn as_raw(&self) -> &fs::File {
        &self.file
    }

    /// Removes the last `bytes` bytes, so that they can be written again elsewhere or later. False if that is not
    /// possible.
    pub(super) fn take_back(&mut self, bytes: u64) -> bool {
        if bytes == 0 {
            return true;
        }
        // Only if the file ends with our bytes: its length differs if another process has written to it or cut it.
        let meta = self.file.metadata();
        let ours = meta.is_ok_and(|meta| meta.is_file() && meta.len() == self.len) && bytes <= self.len;
        if !ours || self.file.set_len(self.len - bytes).is_err() {
            return false;
        }
        self.len -= bytes;
        true
    }

    /// Opens the file of the same name again, after the present one was moved away. After a regular file nothing else
    /// is opened: what a pipe or a device has taken cannot be counted.
    pub(super) fn reopen(&mut self) -> Result<(), Error> {
        let refused = || Error::Open { path: self.path.clone(), why: NOT_REGULAR.to_owned() };
        // Before it is opened too, which would fail for a pipe without a reader, with other words.
        if self.is_regular && fs::metadata(&self.path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
            return Err(refused());
        }
        let next = File::open_at_end(&self.path, self.configured, self.attributes())?;
        if self.is_regular && !next.is_regular {
            return Err(refused());
        }
        *self = File { reported: self.reported.take(), ..next };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<File, Error> {
        File::open(path, &[Path::new("/nowhere/ring")], NewFile::default(), None)
    }

    fn refusal(path: &Path) -> String {
        open(path).map(|_| ()).unwrap_err().to_string()
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
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("logs/app.log", &link).unwrap();
        assert_eq!(
            refusal(&link),
            format!(
                "cannot open {at}/link for writing: it is a symbolic link to {at}/logs/app.log: there is no directory \
                 {at}/logs; make it with `mkdir -p {at}/logs`"
            )
        );
        fs::write(&missing, "").unwrap();
        assert_eq!(
            refusal(&missing.join("app.log")),
            format!(
                "cannot open {at}/logs/app.log for writing: {at}/logs is not a directory; choose another path"
            )
        );
        let error =
            File::open(&missing, &[&missing], NewFile::default(), None).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, format!("cannot open {at}/logs for writing: it is the ring; choose another file"));
    }

    #[test]
    fn only_own_bytes_at_the_end_are_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let mut file = open(&path).unwrap();
        file.write(b"whole\nhal").unwrap();
        assert!(file.take_back(3));
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\n");
        file.write(b"hal").unwrap();
        open(&path).unwrap().write(b"another's\n").unwrap();
        assert!(!file.take_back(3));
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nhalanother's\n");
    }

    #[test]
    fn reopen_leaves_a_moved_file_and_begins_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
        let mut file = open(&path).unwrap();
        file.write(b"before\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        file.reopen().unwrap();
        file.write(b"after\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
    }
}
