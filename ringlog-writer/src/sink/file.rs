//! One file, written at its end.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Sink;
use crate::error::Error;
use crate::options::Existing;

/// A file that is opened for appending: what others write into it is never overwritten.
pub(crate) struct File {
    file: fs::File,
    path: PathBuf,
    /// The file's length if nobody else writes into it.
    len: u64,
}

impl File {
    /// Opens or makes the file; refuses the file of the ring itself.
    pub(crate) fn open(path: &Path, existing: Existing, ring: &Path) -> Result<File, Error> {
        let identity = |path: &Path| path.metadata().map(|meta| (meta.dev(), meta.ino())).ok();
        let failed = |why: String| Error::Open { path: path.to_owned(), why };
        if identity(path).is_some_and(|file| Some(file) == identity(ring)) {
            return Err(failed("it is the ring; choose another file".to_owned()));
        }
        let file = open_at_end(path)?;
        let meta = file.metadata().map_err(|e| failed(e.to_string()))?;
        let truncate = existing == Existing::Truncate && meta.is_file();
        if truncate {
            file.set_len(0).map_err(|e| failed(e.to_string()))?;
        }
        Ok(File { file, path: path.to_owned(), len: if truncate { 0 } else { meta.len() } })
    }
}

fn open_at_end(path: &Path) -> Result<fs::File, Error> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|error| Error::Open { path: path.to_owned(), why: why(path, &error) })
}

/// What is wrong, and what to do.
fn why(path: &Path, error: &io::Error) -> String {
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
        let file = open_at_end(&self.path)?;
        self.len = file.metadata().map_or(0, |meta| meta.len());
        self.file = file;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, existing: Existing) -> Result<File, Error> {
        File::open(path, existing, Path::new("/nowhere/ring"))
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
        let error = File::open(&missing, Existing::Truncate, &missing).map(|_| ()).unwrap_err().to_string();
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
