//! The repair of a file that an earlier writer left: compares the file with its checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::{CheckpointState, FileCheck, FileState, LoadedCheckpoint, Mismatch, OnDisk};
use ringlog::admin::Shown;

use super::append::File;
use super::links::directory;
use crate::clock;
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
        Recovery::in_boot(loaded, current, clock::moment().boot)
    }

    fn in_boot(loaded: LoadedCheckpoint, current: &File, boot: u64) -> Recovery {
        let path = current.path.shown();
        let LoadedCheckpoint { committed, prepared, damage } = loaded;
        if let Some(damage) = damage {
            let messages = vec![format!(
                "{path}: {damage}; the writer begins a new file. If the previous writer was killed, or the machine \
                 lost power, its last lines may be in both"
            )];
            return Recovery {
                state: CheckpointState::default(),
                repair: RepairAction::RenameAway,
                needs_commit: false,
                messages,
            };
        }
        let mut state = committed.unwrap_or_default();
        let mut prepared = prepared;
        let Some(file) = state.file else {
            let plan = Plan::decode(&state.plan).filter(|plan| !plan.is_empty());
            let plan = plan.map(|plan| plan.on_device(current.identity.dev));
            let repair = plan.map_or(RepairAction::None, RepairAction::FinishRotation);
            return Recovery { repair, ..Recovery::nothing(state) };
        };
        match find(current, &file) {
            Some(found) => {
                // From here on under its present identity.
                let known = FileState { identity: found.identity, ..file };
                state.file = Some(known);
                for next in prepared.iter_mut().filter_map(|state| state.file.as_mut()) {
                    if next.identity == file.identity {
                        next.identity = found.identity;
                    }
                }
                let is_restarted = state.clock.watch.is_of_earlier_boot(boot);
                resolve(state, prepared, &known, found, current, is_restarted)
            }
            None => {
                let restarted = if state.clock.watch.is_of_earlier_boot(boot) {
                    " (the machine was restarted meanwhile, so its name may not have reached the disk)"
                } else {
                    ""
                };
                let messages = vec![format!(
                    "{path} is not the file that was written last, and that file is not in this directory{restarted}; \
                     records that were written to it are not written again"
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

/// The file that was written last: that of the stored identity, under its own name or another one in the same
/// directory, else the file under its own name if it has all that was written.
fn find(current: &File, file: &FileState) -> Option<File> {
    if current.identity.is_stored_as(&file.identity) {
        return File::open_existing(&current.path).ok();
    }
    let by_identity = find_in_directory(directory(&current.path), &file.identity);
    by_identity
        .and_then(|path| File::open_existing(&path).ok())
        .filter(|found| found.identity.is_stored_as(&file.identity))
        .or_else(|| File::open_existing(&current.path).ok().filter(|found| has_content(found, file)))
}

/// Whether a file has the last batch at its place. So it is the file that was written, under another identity, or a
/// copy of it. A state without a last batch says too little of the content.
fn has_content(found: &File, file: &FileState) -> bool {
    file.tail_start < file.len && found.crc(file.tail_start..file.len) == Some(file.tail_crc)
}

/// The path of the file of this stored identity in a directory.
pub(super) fn find_in_directory(directory: &Path, stored: &Identity) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| Identity::of_path(path).is_some_and(|found| found.is_stored_as(stored)))
}

fn resolve(
    committed: CheckpointState,
    prepared: Option<CheckpointState>,
    file: &FileState,
    found: File,
    current: &File,
    is_restarted: bool,
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
            // Of a shorter file nothing is written again: its batch has not begun, and what it lacks was committed.
            let is_known =
                has_batch || matches!(why, Mismatch::Shorter { .. }) || next.is_none() && !is_restarted;
            let twice = if is_known { "" } else { ". Its last lines may be in both" };
            let why = if is_restarted { why.after_restart() } else { why.to_string() };
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

#[cfg(test)]
mod tests;
