//! The repair of a file that an earlier writer left: compares the file with its checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::{CheckpointState, FileCheck, FileState, LoadedCheckpoint, Mismatch, OnDisk};
use ringlog::admin::Shown;

use super::append::{File, directory};
use crate::rotation::{Identity, Plan};

/// The repair that is needed before the first batch.
#[derive(Debug)]
pub(super) enum RepairAction {
    None,
    /// The file ends with a part of a batch, which is cut off.
    Truncate {
        file: File,
        len: u64,
    },
    /// The file under the configured name is renamed and left as it is.
    RenameAway,
    /// A rotation had begun; its plan is carried out.
    FinishRotation(Plan),
}

/// The state to resume from.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) state: CheckpointState,
    pub(super) repair: RepairAction,
    /// Whether the state is the prepared one. It has to be committed before anything else is prepared.
    pub(super) needs_commit: bool,
    /// Messages for the user.
    pub(super) messages: Vec<String>,
}

impl Recovery {
    /// Compares the file with its checkpoint. Changes nothing.
    pub(super) fn of(loaded: LoadedCheckpoint, current: &File) -> Recovery {
        let path = current.path.shown();
        if let Some(damage) = loaded.damage {
            let messages = vec![format!(
                "{path}: {damage}; the writer begins a new file. If the previous writer was killed, its last lines may \
                 be in both"
            )];
            return Recovery {
                state: CheckpointState::default(),
                repair: RepairAction::RenameAway,
                needs_commit: false,
                messages,
            };
        }
        let state = loaded.committed.unwrap_or_default();
        let Some(file) = state.file else {
            let plan = Plan::decode(&state.plan).filter(|plan| !plan.is_empty());
            let repair = plan.map_or(RepairAction::None, RepairAction::FinishRotation);
            return Recovery { repair, ..Recovery::nothing(state) };
        };
        match find(current, &file.identity) {
            Some(found) => resolve(state, loaded.prepared, &file, found, current),
            None => {
                let messages = vec![format!(
                    "{path} is not the file that was written last, and that file is not in this directory; records \
                     that were written to it are not written again"
                )];
                Recovery { messages, ..Recovery::nothing(state) }
            }
        }
    }
}

impl Recovery {
    /// No repair is needed.
    fn nothing(state: CheckpointState) -> Recovery {
        Recovery { state, repair: RepairAction::None, needs_commit: false, messages: Vec::new() }
    }
}

/// The file of this identity, under its own name or another one in the same directory.
fn find(current: &File, identity: &Identity) -> Option<File> {
    if current.identity == *identity {
        return File::open_existing(&current.path).ok();
    }
    let path = find_in_directory(directory(&current.path), identity)?;
    File::open_existing(&path).ok().filter(|file| file.identity == *identity)
}

/// The path of the file of this identity in a directory.
pub(super) fn find_in_directory(directory: &Path, identity: &Identity) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| Identity::of_path(path).as_ref() == Some(identity))
}

fn resolve(
    committed: CheckpointState,
    prepared: Option<CheckpointState>,
    file: &FileState,
    found: File,
    current: &File,
) -> Recovery {
    let mut on_disk = OnDisk { identity: found.identity, len: found.len, crc: |range| found.crc(range) };
    let next = prepared.as_ref().and_then(|state| state.file);
    let check = on_disk.check(file, next.as_ref());
    // Other processes have written to the file, but after the whole batch.
    let has_batch = matches!(check, FileCheck::Mismatch(Mismatch::Longer { .. }))
        && next.is_some_and(|next| next.tail_start == file.len && on_disk.has_tail(&next));
    let (state, needs_commit) = match (check, prepared) {
        (FileCheck::RollForward, Some(prepared)) => (prepared, true),
        (FileCheck::Mismatch(_), Some(prepared)) if has_batch => (prepared, true),
        _ => (committed, false),
    };
    let path = found.path.shown();
    let is_current = found.path == current.path;
    match check {
        FileCheck::Intact | FileCheck::RollForward => Recovery { needs_commit, ..Recovery::nothing(state) },
        FileCheck::Truncate(len) => {
            Recovery { repair: RepairAction::Truncate { file: found, len }, ..Recovery::nothing(state) }
        }
        FileCheck::Mismatch(why) => {
            let then = if is_current { "; the writer begins a new file" } else { "" };
            let twice = if next.is_none() || has_batch { "" } else { ". Its last lines may be in both" };
            let messages = vec![format!("{path}: {why}{then}{twice}")];
            Recovery {
                state,
                repair: if is_current { RepairAction::RenameAway } else { RepairAction::None },
                needs_commit,
                messages,
            }
        }
    }
}

/// The first unused name in `app.log.aside-1`, `app.log.aside-2`, ….
pub(super) fn unused_name(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".aside-{number}"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| name(0))
}
