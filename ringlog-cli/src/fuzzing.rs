//! What the verbs that look into a ring show, as texts, for the fuzz targets. Built under `--cfg fuzzing` alone;
//! no part of the program.

use ringlog::reader::Observer;
use ringlog_writer::FormatKind;

use crate::commands::{info, level, ls, stat, tail};

/// A verb that looks into a ring.
#[derive(Clone, Copy, Debug)]
pub enum Verb {
    /// `ringlog info`
    Info,
    /// `ringlog stat`
    Stat,
    /// `ringlog level`
    Level,
    /// `ringlog ls`, where the ring is the only one
    Ls,
    /// `ringlog tail`
    Tail(FormatKind),
}

/// Opens the ring and shows what the verb prints, with `--json` where it has that.
///
/// # Errors
/// What the verb would say.
pub fn look(verb: Verb, name: &str, json: bool) -> anyhow::Result<String> {
    let opened = Observer::open(name);
    Ok(match verb {
        Verb::Info => info::show(&opened?, json)?,
        Verb::Stat => {
            let observer = opened?;
            stat::show(&observer, &observer.stat()?, json)?
        }
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
