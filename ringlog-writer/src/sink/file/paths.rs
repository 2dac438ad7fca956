//! Paths of the files that belong to a file handler.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The path of the checkpoint beside a log file.
pub(crate) fn checkpoint_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

/// The canonical path of a file, which need not exist yet: equal for two paths that lead to the same file.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let path = &end_of_links(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let (Ok(directory), Some(name)) = (directory.canonicalize(), path.file_name()) {
        return directory.join(name);
    }
    // Neither the file nor its directory exists, so there is no link to follow.
    let mut place = PathBuf::new();
    for component in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
        match component {
            Component::ParentDir => {
                place.pop();
            }
            other => place.push(other),
        }
    }
    place
}

/// The number of symbolic links that the kernel follows.
const LINKS_MAX: usize = 40;

/// The file that would be created: the target at the end of dangling links.
pub(super) fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new(".")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::from_raw_os_error(nix::libc::ELOOP))
}
