//! Reading the tables under `handlers`.

use std::fs;
use std::path::{Path, PathBuf};

use ringlog::admin::Shown;

use super::formatters::{FormatterTables, unknown};
use super::model::{HANDLERS_MAX, HandlerConfig};
use super::settings::{self, HANDLER};
use crate::rotation::{Family, Identity, Rotation};
use crate::setting::diagnostics::{Findings, Span};
use crate::setting::section::Section;
use crate::sink::{FileConfig, NullConfig, SinkConfig, canonical, checkpoint_path, without_checkpoint};

/// A handler of the file, and its place.
struct Defined<'a> {
    name: &'a str,
    at: Span,
    path_at: Option<Span>,
    /// The keys of its kind that it has.
    keys: Vec<&'static str>,
    is_used: bool,
}

/// The handlers of the file.
pub(super) struct HandlerTables<'a> {
    defined: Vec<Defined<'a>>,
    pub(super) handlers: Vec<HandlerConfig>,
    /// Whether every handler of the file is in the list; not if there are too many.
    is_whole: bool,
}

impl<'a> HandlerTables<'a> {
    pub(super) fn read(
        file: &Section<'a>,
        formatters: &mut FormatterTables<'a>,
        findings: &mut Findings,
    ) -> HandlerTables<'a> {
        let errors = findings.errors();
        let section = file.table("handlers", findings);
        let tables = section.as_ref().map(|section| section.tables(findings)).unwrap_or_default();
        if tables.is_empty() && findings.errors() == errors {
            let at = section.map_or(0..0, |section| section.at);
            findings.unfit(&at, "there is no handler; expected at least one, such as [handlers.console]");
        }
        if let Some((_, section)) = tables.get(HANDLERS_MAX) {
            let count = tables.len();
            findings.wrong(&section.at, format!("{count} handlers; at most {HANDLERS_MAX} are allowed"));
        }
        let is_whole = tables.len() <= HANDLERS_MAX;
        let mut all = HandlerTables { defined: Vec::new(), handlers: Vec::new(), is_whole };
        // Handlers beyond the limit are not read.
        for (name, section) in tables.into_iter().take(HANDLERS_MAX) {
            if name.is_empty() {
                findings.wrong(&section.at, "a handler without a name; give it one");
            }
            let handler = handler(name, &section, formatters, findings);
            let path_at = section.key_at("path").map(|_| section.value_at("path"));
            let keys = handler.sink.keys().into_iter().map(|key| key.name);
            let keys = keys.filter(|key| section.key_at(key).is_some()).collect();
            all.handlers.push(handler);
            all.defined.push(Defined { name, at: section.at, path_at, keys, is_used: false });
        }
        all.share_files(findings);
        all
    }

    /// Gives handlers of one file the settings of all of them. Reports those on which they do not agree.
    fn share_files(&mut self, findings: &mut Findings) {
        let mut files: Vec<(PathBuf, FileConfig, &Defined<'_>)> = Vec::new();
        for (handler, defined) in self.handlers.iter().zip(&self.defined) {
            let (SinkConfig::File(output), Some(at)) = (&handler.sink, &defined.path_at) else { continue };
            let place = canonical(&output.path);
            let Some((_, joined, other)) = files.iter_mut().find(|(known, ..)| *known == place) else {
                files.push((place, output.clone(), defined));
                continue;
            };
            // A default that is written out counts as well.
            let are_written = |key: &str| [other, defined].iter().all(|defined| defined.keys.contains(&key));
            let mut differing = joined.differing(output);
            differing.retain(|key| are_written(key));
            let others = joined.join(output);
            differing.extend(others.into_iter().filter(|key| !are_written(key) || *key == "rotate"));
            let other = other.name;
            for key in differing {
                findings.unfit(
                    at,
                    format!(
                        "the handlers {other:?} and {:?} write to the same file and differ in {key:?}; give it to one \
                         of them, or choose another path",
                        defined.name
                    ),
                );
            }
            let lacks = joined.lacks_checkpoint_to_be();
            if let Some(what) = lacks.filter(|_| output.lacks_checkpoint_to_be().is_none()) {
                let what = without_checkpoint(what);
                findings.unfit(
                    at,
                    format!("the handlers {other:?} and {:?} write to the same file; {what}", defined.name),
                );
            }
        }
        for handler in &mut self.handlers {
            if let SinkConfig::File(output) = &mut handler.sink
                && let Some((_, joined, _)) =
                    files.iter().find(|(place, ..)| *place == canonical(&output.path))
            {
                *output = FileConfig { path: output.path.clone(), ..joined.clone() };
            }
        }
        self.refuse_derived_names(findings);
        self.refuse_hard_links(findings);
    }

    /// Reports paths that are hard links of another handler's file: it has one writer, and its closed files one name.
    fn refuse_hard_links(&self, findings: &mut Findings) {
        let mut files: Vec<(Identity, PathBuf, &str)> = Vec::new();
        for (handler, defined) in self.handlers.iter().zip(&self.defined) {
            let (SinkConfig::File(output), Some(at)) = (&handler.sink, &defined.path_at) else { continue };
            let place = canonical(&output.path);
            let is_file = fs::metadata(&place).is_ok_and(|meta| meta.is_file());
            let Some(file) = Identity::of_path(&place).filter(|_| is_file) else { continue };
            match files.iter().find(|(known, other, _)| *known == file && *other != place) {
                Some((_, other, owner)) => findings.unfit(
                    at,
                    format!(
                        "this is another name (a hard link) of {}, the file of the handler {owner:?}; give both the \
                         same path, or replace one of the two by a copy",
                        other.shown()
                    ),
                ),
                None => files.push((file, place, defined.name)),
            }
        }
    }

    /// Reports paths that are those of another handler's checkpoint or closed files.
    fn refuse_derived_names(&self, findings: &mut Findings) {
        let files = || {
            self.handlers.iter().zip(&self.defined).filter_map(|(handler, defined)| match &handler.sink {
                SinkConfig::File(output) => Some((output, canonical(&output.path), defined)),
                _ => None,
            })
        };
        for (_, place, defined) in files() {
            for (other, others, owner) in files().filter(|(.., owner)| owner.name != defined.name) {
                let of = if other.checkpoint && checkpoint_path(&others) == place {
                    "the checkpoint"
                } else if other.rotation != Rotation::default()
                    && is_closed_file(&place, &others, &other.rotation)
                {
                    "a closed file"
                } else {
                    continue;
                };
                let at = defined.path_at.as_ref().unwrap_or(&defined.at);
                let owner = owner.name;
                findings.unfit(
                    at,
                    format!("this is the name of {of} of the handler {owner:?}; choose another path"),
                );
            }
        }
    }

    /// Reports paths that are the configuration file itself, which the handler would write into.
    pub(super) fn refuse_the_configuration(&self, file: &Path, findings: &mut Findings) {
        let file = canonical(file);
        for (handler, defined) in self.handlers.iter().zip(&self.defined) {
            if let (SinkConfig::File(output), Some(at)) = (&handler.sink, &defined.path_at)
                && canonical(&output.path) == file
            {
                findings.wrong(at, "this is the configuration file itself; choose another path");
            }
        }
    }

    /// The handlers that a logger names, as indexes.
    pub(super) fn of(&mut self, logger: &Section<'a>, findings: &mut Findings) -> Vec<usize> {
        let mut places = Vec::new();
        for (name, at) in logger.texts("handlers", findings).unwrap_or_default() {
            if let Some(place) = self.defined.iter().position(|defined| defined.name == name) {
                self.defined[place].is_used = true;
                places.push(place);
            } else if self.is_whole && !self.defined.is_empty() {
                let known: Vec<&str> = self.defined.iter().map(|defined| defined.name).collect();
                findings.unfit(&at, unknown("handler", name, &logger.within(), &known));
            }
        }
        places
    }

    pub(super) fn warn_of_unused(&self, findings: &mut Findings) {
        for Defined { name, at, .. } in self.defined.iter().filter(|defined| !defined.is_used) {
            findings.warn(at, format_args!("no logger uses the handler {name:?}"));
        }
    }

    /// Whether a handler closes files also without a request.
    pub(super) fn closes_files(&self) -> bool {
        let closes = |handler: &HandlerConfig| match &handler.sink {
            SinkConfig::File(output) => output.rotation.closes_by_itself(),
            _ => false,
        };
        self.handlers.iter().any(closes)
    }

    /// The place of each handler's path, as a byte offset.
    pub(super) fn paths_at(&self) -> impl Iterator<Item = Option<usize>> {
        self.defined.iter().map(|defined| defined.path_at.as_ref().map(|at| at.start))
    }
}

/// Whether the path is that of a closed file under the rotation of `others`.
fn is_closed_file(place: &Path, others: &Path, rotation: &Rotation) -> bool {
    let (Some(name), Some(base)) = (place.file_name(), others.file_name()) else { return false };
    place.parent() == others.parent() && Family::new(base, rotation).parse(name).is_some()
}

fn handler<'a>(
    name: &str,
    section: &Section<'a>,
    formatters: &mut FormatterTables<'a>,
    findings: &mut Findings,
) -> HandlerConfig {
    let keys = settings::handler_keys();
    section.allow(&keys, findings);
    let kind = kind(section, findings);
    if let Some(sink) = &kind {
        section.allow_of(&sink.kind_line(), &keys, findings);
    }
    let mut handler = HandlerConfig::plain(kind.unwrap_or(SinkConfig::Null(NullConfig)));
    name.clone_into(&mut handler.name);
    section.read(HANDLER, "", &mut handler, findings);
    handler.formatter = formatters.of(section, findings);
    handler.sink.kind_mut().read(section, findings);
    handler
}

/// A sink of the kind that the table names, with defaults.
fn kind(section: &Section<'_>, findings: &mut Findings) -> Option<SinkConfig> {
    if section.key_at("kind").is_none() {
        let kind = if section.key_at("path").is_some() { "file" } else { "console" };
        let what = format!(
            "the handler{} has no kind; expected {}; write kind = {kind:?}",
            section.within(),
            SinkConfig::KINDS.join(", ")
        );
        findings.unfit(&section.at, what);
        return None;
    }
    let word = section.text("kind", findings)?;
    section.parsed("kind", SinkConfig::of_kind(word), findings)
}
