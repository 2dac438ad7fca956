//! The configuration of a file.

use std::path::PathBuf;

use super::fsync::Fsync;
use super::owners::{Group, Mode, Owner};
use super::rotation_config;
use crate::rotation::Rotation;
use crate::setting::words::ANY;
use crate::setting::{Flag, Pattern, Setting, Switch, Syntax, optional, word};
use crate::text_enum::text_enum;

/// The treatment of a file's present content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Keeps it; new lines are appended.
    #[default]
    Append,
    /// Discards it, once the ring is held.
    Truncate,
}

text_enum!(Existing, "treatment of existing content", Append => "append", Truncate => "truncate");

/// A file that a handler writes.
#[derive(Clone, Debug, PartialEq)]
pub struct FileConfig {
    /// The path. Its directory has to exist.
    pub path: PathBuf,
    /// Whether the file's present content is kept; kept by default.
    pub existing: Existing,
    /// Whether a checkpoint is kept beside the file, so that no record is lost or repeated in it even when the writer
    /// is killed; kept by default. Without it the last batch may be written twice.
    pub checkpoint: bool,
    /// The mode of files that the writer makes. If `None`, that of the file before, or as the umask leaves it.
    pub mode: Option<Mode>,
    /// The owner of files that the writer makes. If `None`, that of the file before, or the writer's user.
    pub owner: Option<Owner>,
    /// The group of files that the writer makes. If `None`, that of the file before, or as the system decides.
    pub group: Option<Group>,
    /// When the file is synced, to survive a power cut; never by default.
    pub fsync: Fsync,
    /// When the file is closed and the next one begun; only on request by default.
    pub rotation: Rotation,
}

impl FileConfig {
    /// A file with a checkpoint, to which lines are appended.
    pub fn new(path: impl Into<PathBuf>) -> FileConfig {
        FileConfig {
            path: path.into(),
            existing: Existing::Append,
            checkpoint: true,
            mode: None,
            owner: None,
            group: None,
            fsync: Fsync::Never,
            rotation: Rotation::default(),
        }
    }

    /// Takes over the settings of `other`, another handler of the same file, that are not the defaults. Returns the
    /// keys of those that both have and that differ; they stay as they are.
    pub fn join(&mut self, other: &FileConfig) -> Vec<&'static str> {
        let plain = FileConfig::new(PathBuf::new());
        let joined = |setting: &&Setting<FileConfig>| !setting.join(self, other, &plain);
        let mut differing: Vec<_> = SETTINGS.iter().filter(joined).map(|setting| setting.key()).collect();
        if self.rotation == Rotation::default() {
            self.rotation.clone_from(&other.rotation);
        } else if other.rotation != Rotation::default() && other.rotation != self.rotation {
            differing.push("rotate");
        }
        differing
    }

    /// The keys of settings in which two files differ, of those that are words.
    pub(crate) fn differing(&self, other: &FileConfig) -> Vec<&'static str> {
        let differing = SETTINGS.iter().filter(|setting| setting.differs(self, other));
        differing.map(|setting| setting.key()).collect()
    }

    /// What this file is to do but cannot without a checkpoint; `None` if there is no such thing.
    pub(crate) fn lacks_checkpoint_to_be(&self) -> Option<&'static str> {
        match (self.rotation != Rotation::default(), self.fsync != Fsync::Never) {
            _ if self.checkpoint => None,
            (true, _) => Some("rotated"),
            (false, true) => Some("synced"),
            (false, false) => None,
        }
    }
}

/// The keys of a file.
pub(crate) const SETTINGS: &[Setting<FileConfig>] = &[
    Setting::<FileConfig>::own(
        "path",
        ANY,
        None,
        "The file. A relative path is relative to the working directory, as in Python. Its directory has to \
         exist. Handlers of the same file share it: a setting that one of them has holds for all. It cannot be the \
         configuration itself.",
    )
    .required(),
    Setting::<FileConfig>::word(
        "existing",
        Syntax::String(Pattern::OneOf(Existing::WORDS)),
        word!(existing),
        "What happens to the file's content when the writer starts: `append` keeps it, `truncate` discards \
         it.",
    )
    .flag(Flag::switches(
        &[
            Switch {
                name: "append",
                word: "append",
                help: Some("Keep the file's content and append to it (default)."),
            },
            Switch { name: "truncate", word: "truncate", help: Some("Discard the file's content.") },
        ]
    )),
    Setting::<FileConfig>::word(
        "checkpoint",
        Syntax::Boolean,
        word!(checkpoint),
        "Keep a checkpoint beside the file: every record that the rings keep for it is then in it exactly \
         once, even if the writer is killed. [docs/durability.md](durability.md)",
    )
    .flag(Flag::switches(
        &[Switch {
            name: "no-checkpoint",
            word: "false",
            help: Some(
                "Keep no checkpoint beside the file. After a writer is killed, its last batch may be written \
                 twice.",
            ),
        }]
    )),
    Setting::<FileConfig>::word(
        "mode",
        Syntax::String(Pattern::Expression("(0o)?0?[67][0-7][0-7]")),
        optional!(mode),
        "The mode of files that the writer makes, such as `0640`, whatever the umask: of the file itself, and of each \
         that is begun after a closed one. Without it that of the file before, or as the umask leaves it. A file \
         that is there already stays as it is, and a compressed file is as open as its original.",
    )
    .flag(Flag::value("mode", "MODE")),
    Setting::<FileConfig>::word(
        "owner",
        ANY,
        optional!(owner),
        "The owner of such files, by name or number. Only root may give files away. Where that is refused, the file \
         stays the writer's; in another group than configured its mode gives group and others no more than both should \
         have. The writer says so and writes it.",
    )
    .flag(Flag::value("owner", "USER")),
    Setting::<FileConfig>::word(
        "group",
        ANY,
        optional!(group),
        "The group of such files, by name or number: one of the writer's groups, or as root any.",
    )
    .flag(Flag::value("group", "GROUP")),
    Setting::<FileConfig>::word(
        "fsync",
        Syntax::String(Pattern::Either(&[
            Pattern::OneOf(&["never", "interval", "batch"]),
            Pattern::Duration,
            Pattern::LevelName,
            Pattern::Expression("level:(0*(1?[0-9]?[0-9]|2[0-4][0-9]|25[0-5]))"),
        ])),
        word!(fsync),
        "When the file is synced, to survive a power cut: `never`; `interval`, each second; a duration like \
         `5s`; `batch`, with every batch; or a level like `error`, with every batch that has a record of \
         this level or above, `level:25` for one without a name. A number needs its unit. A batch is what the \
         writer writes at once, some 64 KiB or less. Needs the checkpoint.",
    )
    .flag(Flag::value("fsync", "WHEN")),
    Setting::<FileConfig>::own(
        "rotate",
        Syntax::Table(rotation_config::TABLE),
        None,
        "[When the file is closed and the next one begun](#handlersnamerotate). Needs the checkpoint.",
    ),
];

/// The error for a file without a checkpoint that is to be `what`.
pub(crate) fn without_checkpoint(what: &str) -> String {
    format!("a file without a checkpoint cannot be {what}; leave out checkpoint = false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_of_one_file_have_the_settings_of_all() {
        let plain = FileConfig::new("app.log");
        let rotated = FileConfig {
            rotation: Rotation { size: Some(100), ..Rotation::default() },
            fsync: Fsync::Batch,
            ..plain.clone()
        };
        let truncated = FileConfig { existing: Existing::Truncate, ..plain.clone() };
        let all = FileConfig { existing: Existing::Truncate, ..rotated.clone() };
        for order in [[&plain, &rotated, &truncated], [&truncated, &rotated, &plain]] {
            let mut joined = order[0].clone();
            assert!(joined.join(order[1]).is_empty() && joined.join(order[2]).is_empty());
            assert_eq!(joined, all);
        }
        let other = FileConfig {
            rotation: Rotation { size: Some(200), ..Rotation::default() },
            fsync: Fsync::Level(ringlog::Level::ERROR),
            ..plain
        };
        let mut joined = all.clone();
        assert_eq!(joined.join(&other), ["fsync", "rotate"]);
        assert_eq!(joined, all);
    }
}
