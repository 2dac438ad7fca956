//! Errors. Each message names the cause and, where there is one, the remedy.

use std::io;
use std::path::{Path, PathBuf};

pub(crate) mod shown;
#[cfg(test)]
mod tests;

use self::shown::Shown;

/// Why a ring could not be created, opened, read or waited for.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No ring of that name exists.
    #[error("no ring {name:?} in {}{elsewhere}{}", dir.shown(), did_you_mean(similar))]
    NoSuchRing {
        /// The name as given.
        name: String,
        /// Where it was looked for first.
        dir: PathBuf,
        /// Where else it was looked for, or why it was not; empty if nowhere else.
        elsewhere: String,
        /// An existing ring with nearly the same name.
        similar: Option<String>,
    },
    /// The name means a ring of several users, which is to be removed or resized only by its path.
    #[error(
        "no ring {name:?} in {}; the one in {} is shared with other users: name it by its path, {}",
        dir.shown(), path.parent().unwrap_or(path).shown(), path.shown()
    )]
    SharedRing {
        /// The name as given.
        name: String,
        /// The user's own directory.
        dir: PathBuf,
        /// The shared ring.
        path: PathBuf,
    },
    /// This user may not look into the directory of shared rings.
    #[error(
        "uid {uid} may not search {}, which belongs to uid {owner} and gid {group}; to use the rings there, add the \
         user to this group and log in anew",
        dir.shown()
    )]
    Closed {
        /// The directory.
        dir: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its group.
        group: u32,
        /// The user of this process.
        uid: u32,
    },
    /// A ring of that name exists already.
    #[error("{} exists already; open it, or remove it first with `ringlog rm`", path.shown())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a ring: {found}", path.shown())]
    NotARing {
        /// The file.
        path: PathBuf,
        /// The content that was found instead.
        found: String,
    },
    /// The file is a ring of another format version.
    #[error(
        "{} is a ring of format {major}.{minor}; this program knows format 1: {}",
        path.shown(), to_upgrade(*major)
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// The file is a ring, but its header contradicts itself.
    #[error("{} is damaged: {what}; remove it with `ringlog rm --force` and make it anew", path.shown())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        what: String,
    },
    /// The file was truncated while this process had it mapped; see
    /// [`survive_truncation`](crate::survive_truncation).
    #[error(
        "{} was lost while in use: {what}; records in it that were not persisted are lost; remove the file and \
         make the ring anew",
        path.shown()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The size found and the size expected.
        what: String,
    },
    /// The text is no valid ring name.
    #[error("{name:?} is not a ring name: {why}")]
    Name {
        /// The name as given.
        name: String,
        /// The rule it breaks.
        why: String,
    },
    /// The ring was removed, and the file that is at its path now does not take its place.
    #[error("{} was replaced by a file that is not taken for the ring: {why}", path.shown())]
    Replacement {
        /// The path.
        path: PathBuf,
        /// Why it is not taken.
        why: String,
    },
    /// The ring was removed, and the processes that log into it would not take one of this user for it.
    #[error(
        "{} was removed, and cannot be made anew by uid {uid}: it belonged to uid {owner}, and its processes take \
         none of another user for it; let root or uid {owner} make it",
        path.shown()
    )]
    OtherOwner {
        /// The path.
        path: PathBuf,
        /// The owner of the ring before.
        owner: u32,
        /// The user of this process.
        uid: u32,
    },
    /// The directory of rings cannot be trusted or used.
    #[error("cannot use {} for rings: {why}", dir.shown())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why not, and what to do.
        why: String,
    },
    /// The ring cannot be resized now.
    #[error("cannot resize {}: {why}", path.shown())]
    Resize {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        why: String,
    },
    /// The options make no valid ring.
    #[error("cannot make this ring: {0}")]
    Geometry(String),
    /// The ring was made before the machine was started, and no new one has taken its place.
    #[error(
        "{} was made before the machine was started, so it takes no new records: {why}",
        path.shown()
    )]
    EarlierBoot {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The time-stamp counter was asked for as the ring's clock, and cannot be relied upon.
    #[error("cannot make a ring with the clock tsc: {why}; leave out the clock, or choose monotonic")]
    Clock {
        /// Why not.
        why: String,
    },
    /// Not allowed by the file's or directory's permissions.
    #[error("no permission to {action} {}; it belongs to uid {owner}, you are uid {uid}", path.shown())]
    Permission {
        /// What was attempted.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The user that owns it.
        owner: u32,
        /// The user of this process.
        uid: u32,
    },
    /// The file system has too little room.
    #[error(
        "no space for {} of {bytes} bytes: its file system has {free} free; free some, or choose a smaller size \
         or another RINGLOG_DIR",
        path.shown()
    )]
    NoSpace {
        /// The file that was to be made.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The free space of the file system.
        free: u64,
    },
    /// The process may not make files of that size.
    #[error(
        "cannot make {} of {bytes} bytes: files of this process are limited to {limit} bytes; raise the limit with \
         `ulimit -f` or choose a smaller size",
        path.shown()
    )]
    FileSizeLimit {
        /// The file that was to be made.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The process's limit, RLIMIT_FSIZE.
        limit: u64,
    },
    /// The file system drops a lock when its descriptor is closed, so no owner's death could be proved.
    #[error(
        "{} lies on a file system that does not keep locks with mappings (overlayfs is known for it); \
         put the ring on tmpfs, ext4 or xfs",
        path.shown()
    )]
    LocksNotKept {
        /// The file.
        path: PathBuf,
    },
    /// The lock file beside a ring is not what only those who may write the ring can open.
    #[error("cannot use the lock file {}: {why}", path.shown())]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// What was found, and what to do.
        why: String,
    },
    /// The lock file beside a ring is gone, so nobody can know which processes use the ring.
    #[error(
        "{} has lost its lock file {}, so processes that use it cannot be seen; if it was moved or linked here, use \
         it where it was made; if no process uses it, copy it and use the copy, or remove it with `ringlog rm --force`",
        path.shown(), lock_file.shown()
    )]
    LockFileMissing {
        /// The ring.
        path: PathBuf,
        /// Where its lock file was looked for.
        lock_file: PathBuf,
    },
    /// Every lane has a living owner.
    #[error("all {lanes} lanes of {} are in use; make the ring with more --lanes", path.shown())]
    LanesExhausted {
        /// The file.
        path: PathBuf,
        /// How many lanes it has.
        lanes: u32,
    },
    /// Another consumer drains the ring.
    #[error(
        "{0} is drained by {holder} already; a ring has one consumer; `ringlog stop {0}` asks it to end", path.shown()
    )]
    ConsumerExists {
        /// The file.
        path: PathBuf,
        /// Its process: name and id, as far as known.
        holder: String,
    },
    /// Processes take items out of the ring, as out of a queue.
    #[error(
        "{} is read as a queue, last by {holder}; end the processes that take items out of it, or choose another ring",
        path.shown()
    )]
    QueueInUse {
        /// The file.
        path: PathBuf,
        /// The process that took out an item last: name and id, as far as known.
        holder: String,
    },
    /// There is no block for another claim.
    #[error(
        "no room in {} for another claim beside {claims} that are not acknowledged; acknowledge some, or make the \
         ring larger",
        path.shown()
    )]
    ClaimsExhausted {
        /// The file.
        path: PathBuf,
        /// How many claims are not acknowledged.
        claims: u64,
    },
    /// The ring is in use.
    #[error("{} is in use by {holders}", path.shown())]
    InUse {
        /// The file.
        path: PathBuf,
        /// The processes that use it.
        holders: String,
    },
    /// The ring has records that are not marked as persisted.
    #[error(
        "{} has {records} record{} not marked as persisted; run its writer again, `ringlog writer RING --out FILE \
         --until-idle`, or lose what it has not written with `ringlog rm --force`",
        path.shown(), if *records == 1 { "" } else { "s" }
    )]
    NotPersisted {
        /// The file.
        path: PathBuf,
        /// How many.
        records: u64,
    },
    /// The process has a default logger already.
    #[error("a default logger has been set already; a process has one")]
    DefaultLoggerSet,
    /// Levels cannot be steered like this.
    #[error("cannot steer levels: {0}")]
    Levels(String),
    /// Not everything was persisted in time.
    #[error("not persisted within {waited_ms} ms: {why}")]
    FlushTimeout {
        /// The time waited.
        waited_ms: u64,
        /// Whether a consumer drains the ring.
        why: &'static str,
    },
    /// A forked child used the consumer of its parent.
    #[error("this consumer belongs to the parent process; open one of your own after a fork")]
    Forked,
    /// This operating system has no shared rings.
    #[error(
        "rings need Linux on a little-endian machine with 64-bit addresses; this build only compiles here"
    )]
    Unsupported,
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.shown())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// As `Display`, because `unwrap` and a `main` that returns the error print it.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Which side to upgrade if a ring has this major version.
fn to_upgrade(major: u16) -> &'static str {
    if major > 1 {
        "upgrade this program"
    } else {
        "a build from before the first release made it; make the ring anew with the new programs"
    }
}

fn did_you_mean(similar: &Option<String>) -> String {
    similar.as_ref().map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

impl Error {
    /// An error of the operating system; a variant of its own where there is a remedy.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        use std::os::unix::fs::MetadataExt;
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::PermissionDenied {
            let owner =
                path.metadata().or_else(|_| path.parent().unwrap_or(&path).metadata()).map_or(0, |m| m.uid());
            return Error::Permission { action, path, owner, uid: nix::unistd::geteuid().as_raw() };
        }
        Error::Io { action, path, source }
    }
}

/// Why one record was refused. Small, because it is what the record path returns.
///
/// Every refusal is counted in the ring, and the gap shows in the output at its place.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// No block was free, and policy or deadline did not let the record wait.
    #[error(
        "the ring is full; the record was dropped and counted; `ringlog stat` shows whether a writer drains the \
         ring, and a larger one (--size), or the policy --overflow block with a longer time, loses less"
    )]
    Full,
    /// The record is longer than this ring can take.
    #[error("a record of {bytes} bytes; this ring takes at most {limit}")]
    TooLarge {
        /// The record's payload.
        bytes: usize,
        /// The ring's limit: 16 MiB or a quarter of the ring.
        limit: usize,
    },
    /// Every lane has a living owner.
    #[error(
        "no lane was free for this thread; the record was dropped and counted; make the ring with more --lanes"
    )]
    NoLane,
    /// The system has no descriptor, memory or lock for a lane, or no memory for the record, the process may not open
    /// the ring or its lock file (`EACCES`), or that is missing (`ENOENT`): the system's error number.
    /// [`Logger::open_lane`](crate::Logger::open_lane) names the file.
    #[error("{}: {}; the record was dropped and counted", system_text(*.0), io::Error::from_raw_os_error(*.0))]
    System(i32),
    /// A record inside another log call that was not finished, at a place where neither the thread's lane nor the
    /// process's could take it.
    #[error("a record logged inside another log call could not be taken; it was dropped and counted")]
    Nested,
    /// The record wrote another number of bytes than it announced, or values of other types.
    #[error("the record's fields are not what its definition says; it was dropped")]
    Mismatch,
    /// The ring was removed or truncated, and no other one has taken its place. The record is counted in the next one.
    #[error("the ring is gone; records go on once it is made again")]
    Gone,
}

fn system_text(errno: i32) -> &'static str {
    match errno {
        libc::EACCES | libc::EPERM | libc::EROFS => {
            "this process may not open the ring or its lock file; let its user or group read and write both"
        }
        libc::ENOENT => "the ring is there, but its lock file is missing; make the ring anew",
        _ => "the system gave this thread no lane or memory",
    }
}

/// As `Display`, because `unwrap` and a `main` that returns the error print it.
impl std::fmt::Debug for PushError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
