//! From a ring's name to its file.

use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::error::shown::Shown;
use crate::os::environment::{self, variable};

/// The directory in which names are looked up: `$RINGLOG_DIR`, or `/dev/shm/ringlog-<uid>`.
pub fn directory() -> PathBuf {
    match variable("RINGLOG_DIR") {
        Some(dir) => dir.into(),
        None => PathBuf::from(format!("/dev/shm/ringlog-{}", nix::unistd::geteuid())),
    }
}

/// Where the rings of services lie that run under different users: root makes the directory and chooses its group.
pub(crate) const SYSTEM_DIRECTORY: &str = "/run/ringlog";

/// The directories in which names are looked up, in this order: [`directory`], and unless `$RINGLOG_DIR` is set also
/// `/run/ringlog`.
pub(crate) fn directories() -> impl Iterator<Item = PathBuf> {
    let system = variable("RINGLOG_DIR").is_none().then(|| SYSTEM_DIRECTORY.into());
    std::iter::once(directory()).chain(system)
}

/// The file that `name` means: `.` is the name or path in `$RINGLOG`, anything with a slash is a path. Everything else
/// lies in [`directory`], or in `/run/ringlog` if it is there only.
pub fn resolve(name: &str) -> Result<PathBuf, Error> {
    Ok(Places::of(name)?.present().to_owned())
}

/// The files that a name may mean, in the order in which they are looked for.
#[derive(Debug)]
pub(crate) struct Places {
    first: PathBuf,
    others: Vec<PathBuf>,
}

impl Places {
    pub(crate) fn of(name: &str) -> Result<Places, Error> {
        let first = resolve_new(name)?;
        let is_own = first.parent().is_some_and(|dir| dir == directory());
        let file = first.file_name().filter(|_| is_own);
        let others = file.map(|file| directories().skip(1).map(|dir| dir.join(file)).collect());
        Ok(Places { others: others.unwrap_or_default(), first })
    }

    /// The same files, whatever the working directory is later.
    pub(crate) fn absolute(self) -> Result<Places, Error> {
        let absolute = |path: &PathBuf| std::path::absolute(path).map_err(|e| Error::io("find", path, e));
        let others = self.others.iter().map(absolute).collect::<Result<_, _>>()?;
        Ok(Places { first: absolute(&self.first)?, others })
    }

    /// The first path at which there is a file now; the very first if there is none. A path that this user may not look
    /// at counts as one without a file.
    pub(crate) fn present(&self) -> &Path {
        let is_there = |path: &&PathBuf| path.symlink_metadata().is_ok();
        std::iter::once(&self.first).chain(&self.others).find(is_there).unwrap_or(&self.first)
    }
}

/// The file that a new ring of this name gets: as [`resolve`], but a name lies in [`directory`].
pub(crate) fn resolve_new(name: &str) -> Result<PathBuf, Error> {
    if name == "." {
        return from_environment(variable("RINGLOG"));
    }
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let bad = |why: &str| Err(Error::Name { name: name.to_owned(), why: why.to_owned() });
    match name {
        "" => bad("it is empty"),
        ".." => bad("it leads out of the directory of rings; give a path with a slash if that is meant"),
        _ if name.starts_with('.') => bad("it starts with a dot"),
        _ if name.len() > 200 => bad("it is longer than 200 bytes"),
        _ if name.contains(char::is_control) => bad("it contains a control character"),
        _ => Ok(directory().join(name)),
    }
}

/// The absolute path of the file that `name` means.
pub(crate) fn resolve_absolute(name: &str) -> Result<PathBuf, Error> {
    std::path::absolute(resolve(name)?).map_err(|e| Error::io("find", Path::new(name), e))
}

/// The absolute path of the ring that is to be removed or replaced: one in a directory of several users is meant only
/// if `name` is its path.
pub(crate) fn resolve_own(name: &str) -> Result<PathBuf, Error> {
    let places = Places::of(name)?.absolute()?;
    let present = places.present();
    if present == places.first {
        return Ok(places.first);
    }
    let file =
        present.file_name().map_or_else(|| name.to_owned(), |file| file.to_string_lossy().into_owned());
    Err(Error::SharedRing { name: file, dir: directory(), path: present.to_owned() })
}

/// The error for a directory of several users that this user may not search.
pub(crate) fn closed(dir: &Path) -> Error {
    let (owner, group) = dir.symlink_metadata().map_or((0, 0), |meta| (meta.uid(), meta.gid()));
    Error::Closed { dir: dir.to_owned(), owner, group, uid: nix::unistd::geteuid().as_raw() }
}

/// Where else than in `dir` the ring `file` was looked for, in words.
fn elsewhere(dir: &Path, file: &str) -> String {
    if dir != directory() {
        return String::new();
    }
    let of = |other: PathBuf| match other.join(file).symlink_metadata() {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => format!("; {}", closed(&other)),
        _ => format!(" and in {}", other.shown()),
    };
    directories().skip(1).map(of).collect()
}

fn from_environment(ringlog: Option<OsString>) -> Result<PathBuf, Error> {
    let bad = |why: &str| Err(Error::Name { name: ".".to_owned(), why: why.to_owned() });
    match ringlog.map(PathBuf::from) {
        None => {
            let missing = environment::why_missing("RINGLOG");
            let advice =
                if environment::is_from_stranger() { "name the ring" } else { "`ringlog run` sets it" };
            bad(&format!("it means $RINGLOG, which {missing}; {advice}"))
        }
        Some(path) if path.is_absolute() => Ok(path),
        // A relative path would mean another file in each working directory.
        Some(path) => match path.to_str() {
            Some(name) if name != "." && !name.contains('/') => resolve_new(name),
            _ => Err(Error::Name {
                name: path.to_string_lossy().into_owned(),
                why: "the variable RINGLOG holds it; expected a name or an absolute path".to_owned(),
            }),
        },
    }
}

/// The error for a ring that is not there, with the nearest name that is.
pub(crate) fn no_such_ring(name: &str, path: &Path) -> Error {
    if path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
        let found = "it is a symbolic link that leads nowhere; remove it, or make the ring that it leads to"
            .to_owned();
        return Error::NotARing { path: path.to_owned(), found };
    }
    let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
    let file = path.file_name().map_or_else(|| name.to_owned(), |f| f.to_string_lossy().into_owned());
    let similar = std::fs::read_dir(&dir).ok().and_then(|entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .map(|other| (distance(&file, &other), other))
            .filter(|(d, other)| *d <= 1 + other.len() / 4)
            .min()
    });
    let elsewhere = elsewhere(&dir, &file);
    Error::NoSuchRing { name: file, dir, elsewhere, similar: similar.map(|(_, name)| name) }
}

/// Edits that turn one name into the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Makes the directory of `path` if it is the default one, and checks that no other user can put files there.
pub(crate) fn prepare_directory(path: &Path) -> Result<(), Error> {
    let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) else { return Ok(()) };
    if dir != directory() {
        return Ok(());
    }
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => check_directory(dir),
        Err(e) => Err(Error::io("create the directory", dir, e)),
    }
}

/// Refuses the default directory if another user owns it or may write to it, and `/run/ringlog` if it is not root's or
/// everybody may write to it. A directory named by `RINGLOG_DIR` is the user's own choice.
pub(crate) fn check_directory(dir: &Path) -> Result<(), Error> {
    if dir == Path::new(SYSTEM_DIRECTORY) {
        return match dir.symlink_metadata() {
            Ok(meta) => check_system_directory(dir, &meta),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::io("look at", dir, e)),
        };
    }
    if variable("RINGLOG_DIR").is_some() || dir != directory() {
        return Ok(());
    }
    let meta = match dir.symlink_metadata() {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("look at", dir, e)),
    };
    let refuse = |why: String| Err(Error::Directory { dir: dir.to_owned(), why });
    let uid = nix::unistd::geteuid().as_raw();
    if !meta.is_dir() {
        refuse("it is not a directory; remove it or set RINGLOG_DIR".to_owned())
    } else if meta.uid() != uid {
        refuse(format!("it belongs to uid {}, you are uid {uid}; set RINGLOG_DIR", meta.uid()))
    } else if meta.permissions().mode() & 0o022 != 0 {
        let mode = meta.permissions().mode() & 0o7777;
        refuse(format!("others may write to it (mode {mode:o}); run `chmod go-w` on it or set RINGLOG_DIR"))
    } else {
        Ok(())
    }
}

fn check_system_directory(dir: &Path, meta: &std::fs::Metadata) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::Directory { dir: dir.to_owned(), why });
    let mode = meta.permissions().mode() & 0o7777;
    if !meta.is_dir() {
        refuse("it is not a directory".to_owned())
    } else if meta.uid() != 0 {
        refuse(format!("it belongs to uid {}; expected root", meta.uid()))
    } else if mode & 0o002 != 0 {
        refuse(format!("everybody may write to it (mode {mode:o}); run `chmod 2770` on it"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_directory_is_roots_and_closed_to_others() {
        let at = tempfile::tempdir().unwrap();
        let check = |mode| {
            std::fs::set_permissions(at.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let meta = at.path().symlink_metadata().unwrap();
            check_system_directory(at.path(), &meta).map_err(|error| error.to_string())
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let meta = file.path().symlink_metadata().unwrap();
        assert!(check_system_directory(file.path(), &meta).is_err());
        if nix::unistd::geteuid().is_root() {
            assert_eq!([check(0o2770), check(0o755)], [Ok(()), Ok(())]);
            assert!(check(0o2777).unwrap_err().contains("everybody may write to it (mode 2777)"));
            std::os::unix::fs::chown(at.path(), Some(65534), None).unwrap();
            assert!(check(0o2770).unwrap_err().contains("it belongs to uid 65534; expected root"));
        }
    }

    #[test]
    fn the_variable_holds_a_name_or_an_absolute_path() {
        let of = |value: &str| from_environment(Some(value.into()));
        assert_eq!(of("/x/y").unwrap(), Path::new("/x/y"));
        assert_eq!(of("app").unwrap(), directory().join("app"));
        for wrong in [".", "./app", "x/app"] {
            assert!(
                of(wrong).unwrap_err().to_string().ends_with("expected a name or an absolute path"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn names_become_paths() {
        assert_eq!(resolve("/x/y").unwrap(), Path::new("/x/y"));
        assert_eq!(resolve("./y").unwrap(), Path::new("./y"));
        assert!(resolve("app").unwrap().ends_with("app"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused_with_reasons() {
        let message = |name: &str| resolve(name).unwrap_err().to_string();
        assert_eq!(
            message(".."),
            "\"..\" is not a ring name: it leads out of the directory of rings; \
             give a path with a slash if that is meant"
        );
        assert_eq!(message(""), "\"\" is not a ring name: it is empty");
        assert_eq!(message(".x"), "\".x\" is not a ring name: it starts with a dot");
        assert!(message("a\nb").contains("control character"));
    }

    #[test]
    fn near_names_are_suggested() {
        assert_eq!([distance("ap", "app"), distance("kitten", "sitting"), distance("", "abc")], [1, 3, 3]);
    }
}
