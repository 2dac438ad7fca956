//! Beginning a file: it gets the mode, owner and group that are configured, else those of the file before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;
use ringlog::admin::Shown;

use super::checkpoint::{self, CheckpointState};
use super::links::{Place, directory};
use super::paths::checkpoint_path;
use super::recovery::find_in_directory;
use crate::rotation::{Attributes, NewFile, Plan, PlanStep};

/// How often to begin the file where other processes create and delete it meanwhile.
const ATTEMPTS: u32 = 16;
/// How long another writer may hold a lease on it.
const LEASE_LASTS: Duration = Duration::from_millis(1);

/// Options to open a file at its end. Never waits, as for the reader of a pipe that lies there by now.
pub(super) fn at_end() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(OFlag::O_NONBLOCK.bits());
    options
}

/// A file that was opened or created.
pub(super) struct Begun {
    pub(super) file: File,
    /// Whether it was created here.
    pub(super) is_new: bool,
    /// A message if it has not got all of its attributes.
    pub(super) notice: Option<String>,
}

/// Opens the file at its end, or creates it with these attributes. A file that is there stays as it is. Follows no link
/// that has come to this place since it was found.
pub(super) fn open_or_create(place: &Place, new: NewFile) -> io::Result<Begun> {
    let path = place.path.as_path();
    let at_end = || {
        let follows = if place.is_magic { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let mut options = at_end();
        options.custom_flags((OFlag::O_NONBLOCK | follows).bits());
        options
    };
    for attempt in 1..=ATTEMPTS {
        match at_end().open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Another writer looks whether it may remove it.
            Err(error) if error.kind() == ErrorKind::WouldBlock && attempt < ATTEMPTS => {
                std::thread::sleep(LEASE_LASTS);
                continue;
            }
            opened => {
                let file = opened?;
                // The one that had created it has removed it meanwhile.
                if !place.is_magic && file.metadata()?.nlink() == 0 {
                    continue;
                }
                return Ok(Begun { file, is_new: false, notice: None });
            }
        }
        let created = match new.is_any() {
            true => at_end().create_new(true).open(path).map(|file| (file, None)),
            false => create(path, new),
        };
        match created {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => {
                let (file, refused) = created?;
                let notice = refused.map(|why| format!("{}: {why}", path.shown()));
                return Ok(Begun { file, is_new: true, notice });
            }
        }
    }
    Err(io::Error::other("other processes create and delete it again and again"))
}

/// Creates a file with these attributes. It has its name only once it has them, where the file system can do that, so
/// that a crash in between leaves no file that is closed to its readers for ever.
fn create(path: &Path, attributes: NewFile) -> io::Result<(File, Option<String>)> {
    let mode = attributes.creation_mode();
    let give = |file: &File| attributes.give_to(file).err().map(|refused| refused.to_string());
    let unnamed = OpenOptions::new()
        .append(true)
        .custom_flags((OFlag::O_TMPFILE | OFlag::O_NONBLOCK).bits())
        .mode(mode)
        .open(directory(path));
    if let Ok(file) = unnamed {
        let refused = give(&file);
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        match linkat(AT_FDCWD, own.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)
            .map_err(io::Error::from)
        {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {}
            linked => return linked.map(|()| (file, refused)),
        }
    }
    // Without files that have no name, or without /proc.
    let file = at_end().create_new(true).mode(mode).open(path)?;
    let refused = give(&file);
    Ok((file, refused))
}

/// The attributes for the file at this path if it is not there, but was: those of the file before it, by its
/// checkpoint.
pub(super) fn attributes_before(path: &Path) -> Option<Attributes> {
    if path.exists() {
        return None;
    }
    let path = Place::of(path);
    let state = checkpoint::peek(&checkpoint_path(&path))?;
    let found = last_file(&state, &path).and_then(|before| fs::metadata(before).ok());
    found.as_ref().map(Attributes::from).or(state.attributes)
}

/// The file that was written last, under its present name in the same directory.
fn last_file(state: &CheckpointState, path: &Path) -> Option<PathBuf> {
    let plan = Plan::decode(&state.plan).unwrap_or_default();
    let closed = plan.steps().iter().find_map(|step| match step {
        PlanStep::Rename { from, file, .. } if Some(from.as_os_str()) == path.file_name() => Some(*file),
        _ => None,
    });
    find_in_directory(directory(path), &state.file.map(|file| file.identity).or(closed)?)
}
