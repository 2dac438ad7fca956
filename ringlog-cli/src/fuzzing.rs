//! The output of the commands that inspect a ring, as text, for the fuzz targets. Only built under `--cfg fuzzing`.

use ringlog::reader::Observer;
use ringlog_writer::FormatKind;

use crate::commands::{info, level, ls, stat, tail};

/// A command that inspects a ring.
#[derive(Clone, Copy, Debug)]
pub enum Verb {
    /// `ringlog info`
    Info,
    /// `ringlog stat`
    Stat,
    /// `ringlog level`
    Level,
    /// `ringlog ls` in a directory with this ring alone
    Ls,
    /// `ringlog tail`
    Tail(FormatKind),
}

/// Opens a ring and returns what the command prints, as JSON if `json` is set and the command has `--json`.
///
/// # Errors
/// The error that the command would print.
pub fn look(verb: Verb, name: &str, json: bool) -> anyhow::Result<String> {
    let opened = Observer::open(name);
    Ok(match verb {
        Verb::Info => info::show(&opened?, json)?,
        Verb::Stat => stat::show(&stat::Reading::new(opened?)?, json)?,
        Verb::Level => {
            let observer = opened?;
            level::shown(&observer, &observer.levels()?, json)?
        }
        Verb::Ls => ls::show(vec![(name.to_owned(), opened)], json)?,
        Verb::Tail(format) => {
            let mut view = tail::RingView::of(opened?, format, false);
            let entries = view.observer.poll()?;
            let mut lines = Vec::new();
            view.write(&entries, &mut lines)?;
            String::from_utf8_lossy(&lines).into_owned()
        }
    })
}
