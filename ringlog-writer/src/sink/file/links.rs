//! Symbolic links at an output's path. A link of another user could lead the output to any file that the writer may
//! write, so only links and targets of the writer's user or of root are followed.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use ringlog::admin::Shown;

use crate::error::Error;

/// The largest number of links that are followed, as by the kernel.
const LINKS_MAX: u32 = 40;

/// Where an output's path leads.
#[derive(Debug)]
pub(super) struct Place {
    /// The path at the end of all links, whether a file is there or not.
    pub(super) path: PathBuf,
    /// Whether a link leads there.
    is_linked: bool,
    /// Whether it is a link of the kernel to an open file, such as `/dev/stdout`, which has no path to follow by hand.
    pub(super) is_magic: bool,
}

impl Place {
    /// Follows the links at the end of a path.
    ///
    /// # Errors
    /// [`Error::Open`] at the first link that `is_trusted` refuses.
    fn walk(output: &Path, check: impl Fn(&Path, &Metadata) -> Result<(), Error>) -> Result<Place, Error> {
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
    /// [`Error::Open`].
    pub(super) fn trusted(output: &Path) -> Result<Place, Error> {
        Place::walk(output, |link, meta| {
            let what = format!("{} is a symbolic link", link.shown());
            check_owner(output, &what, meta.uid(), "name the file itself, or make the link anew")
        })
    }

    /// The place to which the links of this path lead, without regard to their owners.
    pub(super) fn of(output: &Path) -> PathBuf {
        Place::walk(output, |_, _| Ok(())).map_or_else(|_| output.to_owned(), |place| place.path)
    }

    /// Checks the owner of the file that was opened here, if a link has led to it.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub(super) fn check_target(&self, output: &Path, opened: &Metadata) -> Result<(), Error> {
        if !self.is_linked {
            return Ok(());
        }
        let what = format!("it is a symbolic link to {}, which is", self.path.shown());
        check_owner(output, &what, opened.uid(), "name the file itself")
    }
}

fn check_owner(output: &Path, what: &str, owner: u32, then: &str) -> Result<(), Error> {
    let user = geteuid().as_raw();
    if [user, 0].contains(&owner) {
        return Ok(());
    }
    let why = format!("{what} of uid {owner}; expected uid {user} (yours) or root; {then}");
    Err(Error::Open { path: output.to_owned(), why })
}

/// The directory of a file.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
