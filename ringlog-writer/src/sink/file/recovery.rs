//! What a writer that was killed has left behind, and what is to be done about it.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::{FileState, Found, Kept, State, Verdict, Why};

use super::append::File;
use crate::rotation::{Identity, Plan};

/// What is to be done before anything is written.
#[derive(Debug)]
pub(super) enum Mend {
    Nothing,
    /// A batch that is not whole is taken out of a file.
    Cut {
        file: File,
        len: u64,
    },
    /// The file that has the output's name is left as it is, under another one.
    Aside,
    /// A file was being closed.
    Close(Plan),
}

/// What is certain after a look at the files.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) state: State,
    pub(super) mend: Mend,
    /// The state is the prepared one, which has to count before anything else is written down.
    pub(super) counts: bool,
    /// What a person has to know.
    pub(super) said: Vec<String>,
}

impl Recovery {
    /// Looks at the output file and at what the checkpoint says of it. Changes nothing.
    pub(super) fn of(kept: Kept, output: &File) -> Recovery {
        let path = output.path.display();
        if let Some(damage) = kept.damage {
            let said = vec![format!(
                "{path}: {damage}; the writer begins a new file. If the one before it was killed, its last lines may \
                 be in both"
            )];
            return Recovery { state: State::default(), mend: Mend::Aside, counts: false, said };
        }
        let state = kept.committed.unwrap_or_default();
        let Some(file) = state.file else {
            let plan = Plan::decode(&state.plan).filter(|plan| !plan.is_empty());
            let mend = plan.map_or(Mend::Nothing, Mend::Close);
            return Recovery { mend, ..Recovery::nothing(state) };
        };
        match find(output, &file.identity) {
            Some(found) => judge(state, kept.prepared, &file, found, output),
            None => {
                let said = vec![format!(
                    "{path} is not the file that was written last, and that is not in its directory; what had been \
                     persisted to it is not written again"
                )];
                Recovery { said, ..Recovery::nothing(state) }
            }
        }
    }
}

impl Recovery {
    /// There is nothing to be done.
    fn nothing(state: State) -> Recovery {
        Recovery { state, mend: Mend::Nothing, counts: false, said: Vec::new() }
    }
}

/// The file of this identity: the output itself, or what it was renamed to.
fn find(output: &File, identity: &Identity) -> Option<File> {
    if output.identity == *identity {
        return File::open_existing(&output.path).ok();
    }
    let entries = fs::read_dir(directory(&output.path)).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    let path = paths.find(|path| Identity::of_path(path).as_ref() == Some(identity))?;
    File::open_existing(&path).ok().filter(|file| file.identity == *identity)
}

fn judge(
    committed: State,
    prepared: Option<State>,
    file: &FileState,
    found: File,
    output: &File,
) -> Recovery {
    let mut facts = Found { identity: found.identity, len: found.len, crc: |range| found.crc(range) };
    let next = prepared.as_ref().and_then(|state| state.file);
    let verdict = facts.judge(file, next.as_ref());
    // Others have written to it, but behind the whole batch.
    let is_in = matches!(verdict, Verdict::Foreign(Why::Longer { .. }))
        && next.is_some_and(|next| next.tail_start == file.len && facts.has_tail(&next));
    let (state, counts) = match (verdict, prepared) {
        (Verdict::RollForward, Some(prepared)) => (prepared, true),
        (Verdict::Foreign(_), Some(prepared)) if is_in => (prepared, true),
        _ => (committed, false),
    };
    let path = found.path.display();
    let is_output = found.path == output.path;
    match verdict {
        Verdict::Whole | Verdict::RollForward => Recovery { counts, ..Recovery::nothing(state) },
        Verdict::Cut(len) => Recovery { mend: Mend::Cut { file: found, len }, ..Recovery::nothing(state) },
        Verdict::Foreign(why) => {
            let then = if is_output { "; the writer begins a new file" } else { "" };
            let twice = if next.is_none() || is_in { "" } else { ". Its last lines may be in both" };
            let said = vec![format!("{path}: {why}{then}{twice}")];
            Recovery { state, mend: if is_output { Mend::Aside } else { Mend::Nothing }, counts, said }
        }
    }
}

/// The directory that a file is in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// The first of these names that is not taken: `app.log.aside-1` and so on.
pub(super) fn aside(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".aside-{number}"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| name(0))
}
