//! Paths of the files that belong to a file handler.

use std::path::{Component, Path, PathBuf};

use super::links::{Place, directory};

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
    let path = &Place::of(path);
    if let (Ok(directory), Some(name)) = (directory(path).canonicalize(), path.file_name()) {
        return directory.join(name);
    }
    // The directory does not exist, but may be made: links are followed in what exists of the path.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = path.ancestors().find_map(|dir| Some((dir, dir.canonicalize().ok()?)));
    let (dir, mut place) = existing.unwrap_or((Path::new(""), PathBuf::new()));
    for component in path.strip_prefix(dir).unwrap_or(&path).components() {
        match component {
            Component::ParentDir => {
                place.pop();
            }
            other => place.push(other),
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn paths_to_one_file_are_equal_before_its_directory_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        fs::create_dir(at.join("real")).unwrap();
        std::os::unix::fs::symlink("real", at.join("link")).unwrap();
        for path in ["real/a/app.log", "link/a/app.log", "link/none/../a/./app.log"] {
            assert_eq!(canonical(&at.join(path)), at.join("real/a/app.log"), "{path}");
        }
    }
}
