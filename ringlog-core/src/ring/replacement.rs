//! What is at a ring's path now: the ring, nothing, or a file that may take its place.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::os::file::{self as os_file, Identity};
use crate::ring::file::{self, Opened};
use crate::ring::name;
use crate::ring::session::Session;

/// What a look at the path has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The ring's own file.
    Same,
    /// The ring's own file, which was cut.
    Cut,
    /// Nothing, or nothing that can be seen.
    Nothing,
    /// Another file.
    Other,
}

/// Where the rings of a name are looked for.
#[derive(Debug)]
pub(crate) struct Place {
    /// The path without symbolic links, as of the first session: one that is put there later is not followed.
    path: PathBuf,
    /// A file without a name is opened through one of `/proc/self/fd`, which are links.
    is_of_descriptor: bool,
    /// Whether the directory must belong to this user alone, as the default one must.
    is_directory_checked: bool,
}

impl Place {
    pub(crate) fn new(path: &Path) -> Place {
        let is_directory_named = std::env::var_os("RINGLOG_DIR").is_some_and(|named| !named.is_empty());
        let is_in_default = path.parent().is_some_and(|dir| dir == name::directory());
        let canonical = path.canonicalize();
        Place {
            is_of_descriptor: canonical.is_err() && path.is_symlink(),
            path: canonical.unwrap_or_else(|_| path.to_owned()),
            is_directory_checked: !is_directory_named && is_in_default,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_of_descriptor(&self) -> bool {
        self.is_of_descriptor
    }
}

/// Looks at the path, without following a symbolic link there. One system call.
pub(crate) fn look(place: &Place, before: &Session) -> Found {
    let bytes = before.info.geometry.file_bytes;
    match os_file::look_at(&place.path, place.is_of_descriptor) {
        Ok(stat) if Identity::of_stat(&stat) == before.identity => {
            if (stat.st_size as u64) < bytes {
                Found::Cut
            } else {
                Found::Same
            }
        }
        Ok(_) => Found::Other,
        Err(_) => Found::Nothing,
    }
}

/// Why a file does not take the place of a ring.
pub(crate) enum Unfit {
    /// Nothing is there.
    Nothing,
    /// This process may not read and write it: the system's error.
    Forbidden(i32),
    /// The system's error.
    System(i32),
    SymbolicLink,
    NotAFile,
    /// It belongs to this user, and the ring that it would replace to that one.
    Owner(u32, u32),
    /// Its permissions, and those of the ring that it would replace.
    Mode(u32, u32),
    Directory,
    /// It was made before the machine was started: the next process that opens it renews it.
    EarlierBoot,
    /// It is a copy of the ring before: ids would come twice.
    Copy,
    /// It is no ring that this program can use.
    Unusable(Error),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Nothing => f.write_str("it was removed again"),
            Unfit::Forbidden(code) => {
                let (uid, error) = (nix::unistd::geteuid(), io::Error::from_raw_os_error(*code));
                write!(
                    f,
                    "uid {uid} may not read and write it: {error}; `chmod u+rw` lets its owner, `chmod g+rw` its group"
                )
            }
            Unfit::System(code) => write!(f, "{}", io::Error::from_raw_os_error(*code)),
            Unfit::SymbolicLink => f.write_str("it is a symbolic link"),
            Unfit::NotAFile => f.write_str("it is not a regular file"),
            Unfit::Owner(uid, before) => write!(
                f,
                "it belongs to uid {uid}, the ring before to uid {before}; let uid {before} or root make the ring, or \
                 make it in a directory of root's for the group, with the group and mode of the ring before"
            ),
            Unfit::Mode(mode, before) => {
                write!(f, "others may write to it (mode {mode:o}, the ring before had {before:o})")
            }
            Unfit::Directory => f.write_str("others may write to its directory"),
            Unfit::EarlierBoot => {
                f.write_str("it was made before the machine was started; open it by its name")
            }
            Unfit::Copy => {
                f.write_str("it is a copy of the ring before; put the ring itself there, or a new one")
            }
            Unfit::Unusable(error) => write!(f, "{error}"),
        }
    }
}

impl Unfit {
    pub(crate) fn of_io(error: &io::Error) -> Unfit {
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => Unfit::Nothing,
            Some(libc::ELOOP) => Unfit::SymbolicLink,
            // A directory, a socket, a FIFO without a reader, or a device that is not there.
            Some(libc::EISDIR | libc::ENXIO | libc::ENODEV) => Unfit::NotAFile,
            Some(code @ (libc::EACCES | libc::EPERM | libc::EROFS)) => Unfit::Forbidden(code),
            code => Unfit::System(code.unwrap_or(libc::EIO)),
        }
    }
}

/// Whether any member of a group may put a ring of that group in the place of `before`: the group may write that ring,
/// and only its members and root may put files into the directory. So a member gets no power from that which writing
/// the ring before did not give. An access list of the directory is root's to answer for.
pub(crate) fn is_shared(path: &Path, before: &Session) -> bool {
    let Some(Ok(dir)) = path.parent().map(|dir| os_file::look_at(dir, false)) else { return false };
    let is_group_writable = before.mode & 0o022 == 0o020;
    is_group_writable
        && dir.st_mode & libc::S_IFMT == libc::S_IFDIR
        && dir.st_uid == 0
        && dir.st_gid == before.group
        && dir.st_mode & 0o022 == 0o020
}

/// Opens the file at the path, which may take the place of the ring `before`: it belongs to this user, to root, or to
/// the owner of that ring, and no other users may write to it than to that ring. In a directory of a group any member
/// may have made it, if group and mode are those of that ring. Where it is the ring itself, its owner and permissions
/// do not matter. Allocates nothing unless it fails.
pub(crate) fn open<'a>(place: &'a Place, before: &Session) -> Result<Opened<'a>, Unfit> {
    let path = &place.path;
    let me = nix::unistd::geteuid().as_raw();
    if place.is_directory_checked
        && let Some(dir) = path.parent()
    {
        let stat = os_file::look_at(dir, false).map_err(|error| Unfit::of_io(&error))?;
        let is_private = stat.st_mode & libc::S_IFMT == libc::S_IFDIR && stat.st_mode & 0o022 == 0;
        if !is_private || stat.st_uid != me {
            return Err(Unfit::Directory);
        }
    }
    // O_NONBLOCK: opening a FIFO must not wait for its other end.
    let flags = libc::O_RDWR | libc::O_NONBLOCK | if place.is_of_descriptor { 0 } else { libc::O_NOFOLLOW };
    let file = os_file::open(path, flags).map_err(|error| Unfit::of_io(&error))?;
    let meta = file.metadata().map_err(|error| Unfit::of_io(&error))?;
    if !meta.is_file() {
        return Err(Unfit::NotAFile);
    }
    if Identity::of(&meta) != before.identity {
        let mode = meta.mode() & 0o7777;
        let is_like = (meta.gid(), mode) == (before.group, before.mode);
        let is_of_group = is_like && is_shared(path, before);
        if ![me, 0, before.owner].contains(&meta.uid()) && !is_of_group {
            return Err(Unfit::Owner(meta.uid(), before.owner));
        }
        if mode & 0o022 & !before.mode != 0 {
            return Err(Unfit::Mode(mode, before.mode));
        }
    }
    let opened = file::check(file, path).map_err(Unfit::Unusable)?;
    if opened.identity != before.identity && !opened.info.is_of_this_boot() {
        return Err(Unfit::EarlierBoot);
    }
    if opened.identity != before.identity && opened.info.uuid == before.info.uuid {
        return Err(Unfit::Copy);
    }
    Ok(opened)
}
