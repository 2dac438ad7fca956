//! The mode, owner and group of a new file: as they are configured, else those of the file before it.

use std::fmt;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

/// The mode, owner and group of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// The permission bits. The set-id bits and the sticky bit are not carried over to another file.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl From<&Metadata> for Attributes {
    fn from(meta: &Metadata) -> Attributes {
        Attributes { mode: meta.mode() & 0o777, uid: meta.uid(), gid: meta.gid() }
    }
}

/// Whose attributes a file is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    FileBefore,
    Configuration,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::FileBefore => "of the file before",
            Source::Configuration => "configured",
        })
    }
}

/// What a file has not got of the attributes that it was given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Another owner or group, which only root may set.
    #[error("owner and group should be {}:{}, as {source_of}: {error}; its mode is {mode:o}", .wanted.uid, .wanted.gid)]
    Owner { wanted: Attributes, mode: u32, source_of: Source, error: io::Error },
    #[error("its mode should be {:o}, as {source_of}: {error}", .wanted.mode)]
    Mode { wanted: Attributes, source_of: Source, error: io::Error },
}

/// The attributes that a new file gets. Of those that are `None` it has what the system gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewFile {
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    mode_source: Option<Source>,
    owner_source: Option<Source>,
}

impl NewFile {
    /// As configured.
    pub(crate) fn configured(mode: Option<u32>, uid: Option<u32>, gid: Option<u32>) -> NewFile {
        let source = |is_set: bool| is_set.then_some(Source::Configuration);
        let owner_source = source(uid.is_some() || gid.is_some());
        NewFile { mode, uid, gid, mode_source: source(mode.is_some()), owner_source }
    }

    /// After a file with these attributes: it has those that are not configured.
    pub(crate) fn after(self, before: Option<Attributes>) -> NewFile {
        let source = before.map(|_| Source::FileBefore);
        NewFile {
            mode: self.mode.or(before.map(|before| before.mode)),
            uid: self.uid.or(before.map(|before| before.uid)),
            gid: self.gid.or(before.map(|before| before.gid)),
            mode_source: self.mode_source.or(source),
            owner_source: self.owner_source.or(source),
        }
    }

    /// Whether the system decides about all of them.
    pub(crate) fn is_any(&self) -> bool {
        *self == NewFile::default()
    }

    /// The mode with which the file is created before it gets its attributes: where they are known, no other user opens
    /// it meanwhile.
    pub(crate) fn creation_mode(&self) -> u32 {
        self.mode.map_or(0o666, |mode| mode & 0o600)
    }

    /// Gives a file that was created with the [`creation_mode`](Self::creation_mode) its attributes, as far as this
    /// process may.
    pub(crate) fn give_to(&self, file: &File) -> Result<(), Refused> {
        let Ok(found) = file.metadata().as_ref().map(Attributes::from) else { return Ok(()) };
        let wanted = Attributes {
            mode: self.mode.unwrap_or(found.mode),
            uid: self.uid.unwrap_or(found.uid),
            gid: self.gid.unwrap_or(found.gid),
        };
        let source = |source: Option<Source>| source.unwrap_or(Source::FileBefore);
        wanted.give_as(file, source(self.mode_source), source(self.owner_source))
    }
}

impl Attributes {
    /// Gives a file these attributes, those of the file before it, as far as this process may. The file never becomes
    /// open to a user to whom a file with these attributes is closed.
    pub(crate) fn give_to(&self, file: &File) -> Result<(), Refused> {
        self.give_as(file, Source::FileBefore, Source::FileBefore)
    }

    fn give_as(&self, file: &File, mode_source: Source, owner_source: Source) -> Result<(), Refused> {
        let found = |file: &File| file.metadata().as_ref().map(Attributes::from).unwrap_or(*self);
        let before = found(file);
        let error = if (before.uid, before.gid) == (self.uid, self.gid) {
            None
        } else {
            // Where the owner stays, the group may still be changed: to one that this process belongs to.
            fchown(file, Some(self.uid), Some(self.gid))
                .err()
                .inspect(|_| drop(fchown(file, None, Some(self.gid))))
        };
        let mode = self.mode_for(&found(file));
        if found(file).mode != mode
            && let Err(error) = file.set_permissions(Permissions::from_mode(mode))
        {
            return Err(Refused::Mode { wanted: *self, source_of: mode_source, error });
        }
        error.map_or(Ok(()), |error| {
            Err(Refused::Owner { wanted: *self, mode, source_of: owner_source, error })
        })
    }

    /// The mode for a file with the owner and group of `found`.
    fn mode_for(&self, found: &Attributes) -> u32 {
        let [user, group, others] = [6, 3, 0].map(|shift| self.mode >> shift & 0o7);
        // The writer owns the file, and has to be able to open it again.
        let user = if found.uid == self.uid { user } else { user | 0o6 };
        // The members of the other group were among the others until now, and the group's members are so from now on.
        let (group, others) =
            if found.gid == self.gid { (group, others) } else { (group & others, group & others) };
        user << 6 | group << 3 | others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_wrong_group_a_mode_gets_no_looser() {
        let of = |mode, uid, gid| Attributes { mode, uid, gid };
        for (mode, uid, gid, expected) in [
            (0o640, 1, 1, 0o640),
            (0o400, 1, 1, 0o400),
            (0o640, 1, 2, 0o600),
            (0o664, 1, 2, 0o644),
            // Closed to the group that the file does not have: its members would be among the others.
            (0o604, 1, 2, 0o600),
            (0o440, 2, 1, 0o640),
            (0o440, 2, 2, 0o600),
        ] {
            assert_eq!(of(mode, 1, 1).mode_for(&of(0o600, uid, gid)), expected, "{mode:o} {uid} {gid}");
        }
    }
}
