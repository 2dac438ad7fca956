//! Carrying out a plan.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use ringlog::admin::Shown;

use super::Plan;
use crate::rotation::files::{Identity, LockedDirectory};
use crate::rotation::step::PlanStep;

/// Why a plan could not be carried out. Steps that are done stay done; the same plan may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Another process has created a file with the new name since the plan was made. A new plan may use another name.
    #[error("cannot rename {} to {}: another file is in the way; move it away", from.shown(), to.shown())]
    Taken {
        /// The file.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
    },
    /// A system call has failed.
    #[error("cannot {action} {}: {source}", path.shown())]
    System {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The results of a plan's deletions.
#[derive(Debug, Default)]
pub struct Deletions {
    /// The deleted files.
    pub done: Vec<OsString>,
    /// The failures. The next plan tries again: a surplus file is no reason to stop logging.
    pub failed: Vec<PlanError>,
}

impl Deletions {
    /// The cause of a taken name: if the file that has it could not be deleted, the error of that deletion.
    fn take_cause_of(&mut self, refused: PlanError) -> PlanError {
        let PlanError::Taken { to, .. } = &refused else { return refused };
        let is_cause = |failed: &PlanError| matches!(failed, PlanError::System { path, .. } if path == to);
        match self.failed.iter().position(is_cause) {
            Some(at) => self.failed.swap_remove(at),
            None => refused,
        }
    }
}

impl Plan {
    /// Carries out the steps that are not done yet: those whose name is still that of their file.
    ///
    /// # Errors
    /// [`PlanError`] at the first rename that fails; later steps are not tried.
    pub fn carry_out(&self, names: &LockedDirectory<'_>) -> Result<Deletions, PlanError> {
        self.carry_out_with(names, |path| fs::remove_file(path))
    }

    fn carry_out_with(
        &self,
        names: &LockedDirectory<'_>,
        remove: impl Fn(&Path) -> io::Result<()>,
    ) -> Result<Deletions, PlanError> {
        let mut deletions = Deletions::default();
        for step in &self.steps {
            match step {
                PlanStep::Rename { from, to, file } => {
                    if is_still(names, from, *file)? {
                        let renamed = rename(names, from, to, *file);
                        renamed.map_err(|refused| deletions.take_cause_of(refused))?;
                    }
                }
                PlanStep::Delete { name, file } => {
                    if is_still(names, name, *file)? {
                        match delete(&names.path(name), &remove) {
                            Ok(true) => deletions.done.push(name.clone()),
                            Ok(false) => {}
                            Err(refused) => deletions.failed.push(refused),
                        }
                    }
                }
            }
        }
        Ok(deletions)
    }
}

fn is_still(names: &LockedDirectory<'_>, name: &OsString, file: Identity) -> Result<bool, PlanError> {
    let entry = names.entry(name).map_err(|source| PlanError::System {
        action: "look at",
        path: names.path(name),
        source,
    });
    Ok(entry?.is_some_and(|entry| entry.file == file && entry.is_regular))
}

/// Deletes a file; false if it is gone already.
fn delete(path: &Path, remove: impl Fn(&Path) -> io::Result<()>) -> Result<bool, PlanError> {
    match remove(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(PlanError::System { action: "delete", path: path.to_owned(), source }),
    }
}

fn rename(
    names: &LockedDirectory<'_>,
    from: &OsString,
    to: &OsString,
    file: Identity,
) -> Result<(), PlanError> {
    let (old, new) = (names.path(from), names.path(to));
    match without_replacing(&old, &new) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // If the rename was a link and a deletion, a crash may have left both names.
            if is_still(names, to, file)? {
                delete(&old, |path| fs::remove_file(path)).map(|_| ())
            } else {
                Err(PlanError::Taken { from: old, to: new })
            }
        }
        renamed => renamed.map_err(|source| PlanError::System { action: "rename", path: old, source }),
    }
}

/// Renames a file without overwriting another one.
pub(crate) fn without_replacing(old: &Path, new: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, old, AT_FDCWD, new, RenameFlags::RENAME_NOREPLACE) {
        // The file system does not support it; creating a link does not overwrite either.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => link_and_delete(old, new),
        renamed => renamed.map_err(io::Error::from),
    }
}

fn link_and_delete(old: &Path, new: &Path) -> io::Result<()> {
    fs::hard_link(old, new)?;
    fs::remove_file(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::files::Directory;

    #[test]
    fn a_file_with_two_names_keeps_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        let names = directory.lock();
        let (old, new) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
        fs::write(&old, "x").unwrap();
        let file = names.entry("app.log").unwrap().unwrap().file;
        let rename = PlanStep::Rename { from: "app.log".into(), to: "app.log.1".into(), file };
        fs::hard_link(&old, &new).unwrap();
        Plan { steps: vec![rename.clone()] }.carry_out(&names).unwrap();
        assert_eq!((old.exists(), fs::read_to_string(&new).unwrap()), (false, "x".to_owned()));

        fs::rename(&new, &old).unwrap();
        link_and_delete(&old, &new).unwrap();
        assert_eq!((old.exists(), fs::read_to_string(&new).unwrap()), (false, "x".to_owned()));
        fs::write(&old, "another's").unwrap();
        assert_eq!(link_and_delete(&new, &old).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }

    #[test]
    fn errors_name_the_cause() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        let names = directory.lock();
        fs::write(dir.path().join("app.log"), "x").unwrap();
        fs::write(dir.path().join("app.log.1"), "another's").unwrap();
        let file = names.entry("app.log").unwrap().unwrap().file;
        let rename =
            |to: &str| Plan { steps: vec![PlanStep::Rename { from: "app.log".into(), to: to.into(), file }] };
        let at = dir.path().display();
        let refused = |to| rename(to).carry_out(&names).unwrap_err().to_string();
        assert_eq!(
            refused("app.log.1"),
            format!("cannot rename {at}/app.log to {at}/app.log.1: another file is in the way; move it away")
        );
        assert!(refused("no/such").starts_with(&format!("cannot rename {at}/app.log: No such file")));
        assert_eq!(fs::read_to_string(dir.path().join("app.log.1")).unwrap(), "another's");
    }

    #[test]
    fn a_failed_deletion_does_not_stop_the_plan() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        let names = directory.lock();
        let entry = |name: &str| names.entry(name).unwrap().unwrap();
        for name in ["app.log", "old", "older"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let (open, delete) =
            (entry("app.log").file, ["older", "old"].map(|name| PlanStep::delete(&entry(name))));
        let [first, second] = delete;
        let rename = PlanStep::Rename { from: "app.log".into(), to: "app.log.1".into(), file: open };
        let plan = Plan { steps: vec![first, rename, second] };
        let deletions = plan.carry_out_with(&names, |path| match path.ends_with("older") {
            true => Err(io::Error::from(Errno::EPERM)),
            false => fs::remove_file(path),
        });
        let deletions = deletions.unwrap();
        let failed: Vec<String> = deletions.failed.iter().map(PlanError::to_string).collect();
        let expected =
            format!("cannot delete {}/older: Operation not permitted (os error 1)", dir.path().display());
        assert_eq!((deletions.done, failed), (vec!["old".into()], vec![expected]));
        assert!(dir.path().join("app.log.1").exists() && dir.path().join("older").exists());
    }

    #[test]
    fn a_name_that_cannot_be_freed_reports_the_deletion() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        let names = directory.lock();
        let entry = |name: &str| names.entry(name).unwrap().unwrap();
        ["app.log", "app.log.1"].iter().for_each(|name| fs::write(dir.path().join(name), name).unwrap());
        let delete = PlanStep::delete(&entry("app.log.1"));
        let rename =
            PlanStep::Rename { from: "app.log".into(), to: "app.log.1".into(), file: entry("app.log").file };
        let plan = Plan { steps: vec![delete, rename] };
        let refused = plan.carry_out_with(&names, |_| Err(Errno::EPERM.into())).unwrap_err();
        let expected =
            format!("cannot delete {}/app.log.1: Operation not permitted (os error 1)", dir.path().display());
        assert_eq!(refused.to_string(), expected);
        assert!(entry("app.log").len == 7 && entry("app.log.1").len == 9);
    }
}
