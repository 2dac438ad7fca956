//! What a file declares as a kind of sink.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use ringlog::admin::Shown;
use ringlog::reader::Cursor;

use super::config::{Existing, FileConfig, SETTINGS, without_checkpoint};
use super::outputs::{IRREGULAR, WITH_CHECKPOINT, WITHOUT_CHECKPOINT};
use super::{rotation_config, target};
use crate::error::Error;
use crate::setting::diagnostics::Findings;
use crate::setting::quote::string;
use crate::setting::section::Section;
use crate::setting::{Key, Table, keys, put_settings};
use crate::sink::guarantee::OutputKind;
use crate::sink::kind::{Opening, SinkKind};
use crate::sink::traits::{Sink, Unrotatable};

impl SinkKind for FileConfig {
    fn plain() -> FileConfig {
        FileConfig::new("")
    }

    fn python(&self) -> &'static [&'static str] {
        &["FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler"]
    }

    fn keys(&self) -> Vec<Key> {
        keys(SETTINGS, std::slice::from_ref(self))
    }

    fn tables(&self) -> Vec<Table> {
        vec![rotation_config::table()]
    }

    fn read(&mut self, section: &Section<'_>, findings: &mut Findings) {
        self.path = path(section, findings);
        section.read(SETTINGS, "", self, findings);
        if let Some(rotate) = section.table("rotate", findings) {
            self.rotation = rotation_config::read(&rotate, findings);
        }
        if let Some(what) = self.lacks_checkpoint_to_be() {
            let at = section.key_at("checkpoint").unwrap_or(section.at.clone());
            findings.unfit(&at, without_checkpoint(what));
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, header: &str) -> fmt::Result {
        put_settings(f, SETTINGS, self, &FileConfig::plain(), |key| {
            (key == "path").then(|| string(&self.path.to_string_lossy()))
        })?;
        rotation_config::print(&self.rotation, f, header)
    }

    fn name(&self) -> String {
        self.path.shown().to_string()
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn outputs(&self) -> &'static [OutputKind] {
        &[WITH_CHECKPOINT, WITHOUT_CHECKPOINT, IRREGULAR]
    }

    /// A file that is missing will be a regular one.
    fn output(&self) -> Option<OutputKind> {
        Some(match fs::metadata(&self.path) {
            Ok(meta) if !meta.is_file() => IRREGULAR,
            _ if self.checkpoint => WITH_CHECKPOINT,
            _ => WITHOUT_CHECKPOINT,
        })
    }

    fn obstacle(&self) -> Option<String> {
        target::obstacle(self)
    }

    fn leftover(&self) -> Option<String> {
        target::leftover(self)
    }

    fn go_on(&mut self) {
        (self.existing, self.rotation.on_start) = (Existing::Append, false);
    }

    fn known_positions(&self) -> Option<Vec<Cursor>> {
        super::known_positions(self)
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        (!self.checkpoint).then_some(Unrotatable::WithoutCheckpoint)
    }

    fn open(&self, with: &Opening<'_>) -> Result<Option<Box<dyn Sink>>, Error> {
        super::open(self, with).map(Some)
    }
}

fn path(section: &Section<'_>, findings: &mut Findings) -> PathBuf {
    if section.key_at("path").is_none() {
        let what = format!("the handler{} has no path; write path = \"app.log\"", section.within());
        findings.unfit(&section.at, what);
    }
    let text = section.text("path", findings);
    let path = text.unwrap_or_default();
    let wrong = match path {
        "" => Some("the path is empty; expected the path of a file, such as \"app.log\"".to_owned()),
        "-" => Some(
            "\"-\" is not a file; for standard output write kind = \"console\", stream = \"stdout\""
                .to_owned(),
        ),
        _ if path.starts_with("~/") || path.starts_with('$') => {
            Some(format!("{path:?}: `~` and `$` are not expanded; write the whole path"))
        }
        _ if path.contains('\0') => Some(format!("{path:?} is not a path: a file's name cannot contain NUL")),
        _ => None,
    };
    if let Some(wrong) = wrong.filter(|_| text.is_some()) {
        findings.wrong(&section.value_at("path"), wrong);
    }
    path.into()
}
