//! What outputs guarantee, by their kind. The sinks, `--check` and docs/configuration.md take it from here.

use std::fs;

use super::model::{HandlerConfig, SinkConfig};
use super::read::Checked;

/// What a sink guarantees for the records that it has got, whatever becomes of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guarantee {
    /// A record is written once: the sink keeps the rings' positions together with the lines.
    ExactlyOnce,
    /// A record is written, and after a crash possibly twice.
    AtLeastOnce,
    /// Records are not kept in the ring for this sink if another sink gives a better guarantee. Without one, as
    /// `AtLeastOnce`.
    BestEffort,
}

impl Guarantee {
    /// The guarantee of a sink among others. `has_better`: one of them guarantees more than `BestEffort`.
    pub(crate) fn among(self, has_better: bool) -> Guarantee {
        match self {
            Guarantee::BestEffort if !has_better => Guarantee::AtLeastOnce,
            guarantee => guarantee,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Guarantee::ExactlyOnce => "exactly once",
            Guarantee::AtLeastOnce => "at least once",
            Guarantee::BestEffort => "best effort",
        }
    }

    /// What it means when the writer is killed and starts again.
    pub(crate) fn after_a_kill(self) -> &'static str {
        match self {
            Guarantee::ExactlyOnce => "every record is in it exactly once",
            Guarantee::AtLeastOnce => "the last batch may be written twice",
            Guarantee::BestEffort => "lines queued for it are lost, or the last batch is written twice",
        }
    }

    /// What it means when the output cannot be written, or is slow.
    pub(crate) fn when_slow(self) -> &'static str {
        match self {
            Guarantee::ExactlyOnce | Guarantee::AtLeastOnce => "its records wait in the rings",
            Guarantee::BestEffort => {
                "it is waited for until 1 MiB of lines is queued, then records are left out"
            }
        }
    }
}

/// A kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// A regular file with a checkpoint.
    File,
    /// A regular file without one.
    PlainFile,
    /// A pipe or a device.
    Irregular,
    Console,
}

impl OutputKind {
    /// The kind of a handler's output; `None` if it discards every record. A file that is missing will be a regular
    /// one.
    pub(crate) fn of(config: &SinkConfig) -> Option<OutputKind> {
        match config {
            SinkConfig::Console { .. } => Some(OutputKind::Console),
            SinkConfig::File(file) => Some(match fs::metadata(&file.path) {
                Ok(meta) if !meta.is_file() => OutputKind::Irregular,
                _ if file.checkpoint => OutputKind::File,
                _ => OutputKind::PlainFile,
            }),
            SinkConfig::Null => None,
        }
    }

    pub(crate) fn guarantee(self) -> Guarantee {
        match self {
            OutputKind::File => Guarantee::ExactlyOnce,
            OutputKind::PlainFile | OutputKind::Irregular => Guarantee::AtLeastOnce,
            OutputKind::Console => Guarantee::BestEffort,
        }
    }

    /// Its name among other outputs, one of which may guarantee more than `BestEffort`.
    pub(crate) fn name(self, has_better: bool) -> &'static str {
        match self {
            OutputKind::File => "file with a checkpoint",
            OutputKind::PlainFile => "file without a checkpoint",
            OutputKind::Irregular => "pipe or device",
            OutputKind::Console if has_better => "console beside a file or a pipe",
            OutputKind::Console => "console alone",
        }
    }
}

impl Checked {
    /// A line for each handler: what it guarantees for its records. What a path leads to is looked at now.
    pub fn guarantees(&self) -> Vec<String> {
        let handlers = &self.config.handlers;
        let is_used =
            |number: usize| self.config.loggers.iter().any(|logger| logger.handlers.contains(&number));
        let mut kinds = handlers.iter().filter_map(|handler| OutputKind::of(&handler.sink));
        let has_better = kinds.any(|kind| kind.guarantee() != Guarantee::BestEffort);
        let line = |(number, handler): (usize, &HandlerConfig)| {
            let what = match OutputKind::of(&handler.sink) {
                None => "discards every record".to_owned(),
                Some(_) if !is_used(number) => "no logger uses it".to_owned(),
                Some(kind) => in_words(kind, has_better),
            };
            let out = match &handler.sink {
                SinkConfig::Null => String::new(),
                sink => format!(" ({sink})"),
            };
            format!("handler {:?}{out}: {what}", handler.name)
        };
        handlers.iter().enumerate().map(line).collect()
    }
}

fn in_words(kind: OutputKind, has_better: bool) -> String {
    let guarantee = kind.guarantee().among(has_better);
    format!(
        "{}, {}. When the writer is killed and starts again, {}; when it cannot be written, or is slow, {}",
        guarantee.name(),
        kind.name(has_better),
        guarantee.after_a_kill(),
        guarantee.when_slow()
    )
}
