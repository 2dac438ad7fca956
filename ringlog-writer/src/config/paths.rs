//! Paths of the files that belong to a file handler.

use std::path::{Component, Path, PathBuf};

/// The path of the checkpoint beside a log file.
pub(crate) fn checkpoint_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

/// The canonical path of a file, which need not exist yet: equal for two paths that lead to the same file.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    canonical_of(path, LINKS_MAX)
}

/// As many links as Linux follows.
const LINKS_MAX: usize = 40;

fn canonical_of(path: &Path, links: usize) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    // A link whose target does not exist yet.
    if let Some(left) = links.checked_sub(1)
        && let Ok(target) = path.read_link()
    {
        return canonical_of(&path.parent().unwrap_or(Path::new("")).join(target), left);
    }
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
