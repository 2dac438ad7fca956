//! A path without memory of its own.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

const BYTES: usize = libc::PATH_MAX as usize;

/// A path of at most the length that the kernel takes. It is made and dropped in signal handlers, so it allocates
/// nothing.
#[derive(Clone)]
pub(crate) struct InlinePath {
    bytes: [u8; BYTES],
    len: usize,
}

impl InlinePath {
    /// # Errors
    /// `ENAMETOOLONG`.
    pub(crate) fn new(path: &Path) -> io::Result<InlinePath> {
        let mut new = InlinePath { bytes: [0; BYTES], len: 0 };
        new.push(path.as_os_str().as_bytes())?;
        Ok(new)
    }

    /// The file of this name in the directory.
    ///
    /// # Errors
    /// `ENAMETOOLONG`.
    pub(crate) fn in_dir(dir: &Path, name: fmt::Arguments<'_>) -> io::Result<InlinePath> {
        let mut new = InlinePath::new(dir)?;
        new.push(b"/")?;
        fmt::Write::write_fmt(&mut new, name).map_err(|_| Errno::ENAMETOOLONG)?;
        Ok(new)
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.len + bytes.len();
        self.bytes.get_mut(self.len..end).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

impl fmt::Write for InlinePath {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

impl std::ops::Deref for InlinePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.bytes[..self.len]))
    }
}

impl fmt::Debug for InlinePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_up_to_the_kernels_limit() {
        let path = InlinePath::in_dir(Path::new("/rings"), format_args!("a{}", 1)).unwrap();
        assert_eq!(&*path, Path::new("/rings/a1"));
        let long = |len| InlinePath::new(Path::new(&"x".repeat(len))).is_ok();
        assert!(long(BYTES) && !long(BYTES + 1));
    }
}
