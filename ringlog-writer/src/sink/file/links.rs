//! Symbolic links at an output's path. A link of another user could lead the output to any file that the writer may
//! write, so only links and targets of the writer's user or of root are followed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use ringlog::admin::Shown;

use crate::error::why_not_opened;

/// The largest number of links that are followed, as by the kernel.
const LINKS_MAX: u32 = 40;

/// Where an output's path leads.
#[derive(Debug)]
pub(crate) struct Place {
    /// The path at the end of all links, whether a file is there or not.
    pub(crate) path: PathBuf,
    /// Whether a link leads there.
    is_linked: bool,
    /// Whether it is a link of the kernel to an open file, such as `/dev/stdout`, which has no path to follow by hand.
    pub(crate) is_magic: bool,
}

impl Place {
    /// Follows the links at the end of a path.
    ///
    /// # Errors
    /// That of `check`, for the first link that it refuses.
    fn walk(output: &Path, check: impl Fn(&Path, &Metadata) -> Result<(), String>) -> Result<Place, String> {
        let proc = fs::metadata("/proc/self").ok().map(|meta| meta.dev());
        let (mut path, mut is_linked) = (output.to_owned(), false);
        for _ in 0..LINKS_MAX {
            let Ok(meta) = fs::symlink_metadata(&path) else { break };
            if !meta.is_symlink() {
                break;
            }
            check(&path, &meta)?;
            if Some(meta.dev()) == proc {
                return Ok(Place { path, is_linked: false, is_magic: true });
            }
            let Ok(to) = fs::read_link(&path) else { break };
            (path, is_linked) = (directory(&path).join(to), true);
        }
        Ok(Place { path, is_linked, is_magic: false })
    }

    /// The place to which the links of this path lead, all of them of this user or root. It has to be opened without
    /// following a link that has come there since.
    ///
    /// # Errors
    /// Why a link is not followed, and what to do.
    pub(crate) fn trusted(output: &Path) -> Result<Place, String> {
        Place::walk(output, |link, meta| {
            let what = format!("{} is a symbolic link", link.shown());
            check_owner(&what, meta.uid(), "name the file itself, or make the link anew")
        })
    }

    /// The place to which the links of this path lead, without regard to their owners.
    pub(crate) fn of(output: &Path) -> PathBuf {
        Place::walk(output, |_, _| Ok(())).map_or_else(|_| output.to_owned(), |place| place.path)
    }

    /// The reason why the file here could not be opened for writing, and what to do. Names where a link leads.
    pub(crate) fn why_not_opened(&self, error: &io::Error) -> String {
        let why = why_not_opened(&self.path, error);
        match self.is_linked {
            true => format!("it is a symbolic link to {}: {why}", self.path.shown()),
            false => why,
        }
    }

    /// Checks the owner of the file that was opened here, if a link has led to it.
    ///
    /// # Errors
    /// Why the link is not followed, and what to do.
    pub(crate) fn check_target(&self, opened: &Metadata) -> Result<(), String> {
        if !self.is_linked {
            return Ok(());
        }
        let what = format!("it is a symbolic link to {}, which is", self.path.shown());
        check_owner(&what, opened.uid(), "name the file itself")
    }
}

fn check_owner(what: &str, owner: u32, then: &str) -> Result<(), String> {
    let user = geteuid().as_raw();
    if [user, 0].contains(&owner) {
        return Ok(());
    }
    Err(format!("{what} of uid {owner}; expected uid {user} (yours) or root; {then}"))
}

/// The directory of a file.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
