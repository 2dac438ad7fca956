//! The files that the rules check: those that git tracks or would track.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// A text file of the repository.
#[derive(Debug)]
pub struct File {
    /// Relative to the workspace root, with `/` between its parts.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// All text files of the repository in the order of their paths.
///
/// # Errors
///
/// A file or directory that cannot be read, or no file at all: a check of
/// nothing must not look like a success.
pub fn list(root: &Path) -> Result<Vec<File>> {
    // A source archive has no git: there every file but the build's output counts.
    let mut paths = git_paths().unwrap_or_default();
    if paths.is_empty() {
        walk(root, "", &mut paths)?;
    }
    // The fuzzer's inputs are bytes, even where they happen to be text.
    paths.retain(|path| !path.starts_with("fuzz/corpus/"));
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        files.extend(read(root, path)?);
    }
    if files.is_empty() {
        bail!("found no files in {}", root.display());
    }
    Ok(files)
}

/// Tracked files, and untracked ones that are not ignored.
fn git_paths() -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let list = shell::read(&mut git)?;
    Ok(list.split_terminator('\0').map(str::to_owned).collect())
}

/// Adds every file below `directory` except git's own and the build's output.
fn walk(root: &Path, directory: &str, paths: &mut Vec<String>) -> Result<()> {
    let full = root.join(directory);
    let entries = fs::read_dir(&full).with_context(|| format!("cannot list {}", full.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
        if !entry.file_type()?.is_dir() {
            paths.push(path);
        } else if name != "target" && name != ".git" {
            walk(root, &path, paths)?;
        }
    }
    Ok(())
}

/// Reads a file; `None` if it is not text, not a regular file, or deleted but still in git's index.
fn read(root: &Path, path: String) -> Result<Option<File>> {
    let full = root.join(&path);
    let is_file = fs::symlink_metadata(&full).is_ok_and(|metadata| metadata.is_file());
    if !is_file {
        return Ok(None);
    }
    let bytes = fs::read(&full).with_context(|| format!("cannot read {path}"))?;
    if bytes.contains(&0) {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok().map(|text| File { path, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_is_listed_with_and_without_git() {
        let root = shell::root().unwrap();
        let mut walked = Vec::new();
        walk(root, "", &mut walked).unwrap();
        let listed: Vec<_> = list(root).unwrap().into_iter().map(|file| file.path).collect();
        for paths in [walked, listed] {
            assert!(paths.iter().any(|path| path == "xtask/src/tidy/files.rs"));
            assert!(!paths.iter().any(|path| path.starts_with("target/")));
        }
    }

    #[test]
    fn a_deleted_file_is_skipped() {
        let root = shell::root().unwrap();
        assert!(read(root, "xtask/no-such-file".into()).unwrap().is_none());
    }
}
